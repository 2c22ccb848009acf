//! Master keys: parsing, limits, and a check that a key is the right one.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{self, Associated, Cipher, KEY, Purpose};

/// Maximum length of a master key's id, in bytes.
pub(super) const MAX_ID: usize = 64;

/// Version of the format of a check value.
const VERSION: u8 = 1;

/// The plaintext of a check value.
const CHECK: &[u8] = b"prism master key";

/// A master key: 256 bits, and the id under which rows name it. The bytes are erased on drop, and no message has them.
pub struct MasterKey {
    id: String,
    bytes: Zeroizing<[u8; KEY]>,
}

/// Why a key or a key ring is refused. No text has a byte of a key, or an id or key that did not parse: the two may have been
/// confused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The id is malformed.
    #[error(
        "the id of a master key is malformed; 1 to 64 bytes of A-Z, a-z, 0-9, '.', '_' and '-' are allowed"
    )]
    MalformedId,
    /// The key is not base64.
    #[error("the master key is not base64; 32 bytes in standard base64 with padding are allowed")]
    NotBase64,
    /// The key has another length.
    #[error("the master key is {0} bytes; exactly 32 are allowed")]
    Length(usize),
    /// Two keys have this id.
    #[error("two master keys have the id '{0}'")]
    Duplicate(String),
    /// The id of the active key is not in the ring.
    #[error("the active master key is not in the key ring, which has: {0}")]
    ActiveMissing(String),
    /// The key that made a check value is not in the ring.
    #[error("the master key '{0}' is not in the key ring")]
    Missing(String),
    /// The key is not the one that made the check value, or the check value is damaged.
    #[error(
        "the master key '{0}' does not open its check value: it is another key, or the check value is damaged"
    )]
    Wrong(String),
    /// The operating system has no random numbers.
    #[error("the operating system returned no random bytes")]
    NoRandomness,
}

/// Whether `id` may be the id of a master key.
pub(super) fn is_valid_id(id: &[u8]) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

impl MasterKey {
    /// A key of 32 random bytes. The id is 1 to 64 bytes of `[A-Za-z0-9._-]`.
    pub fn new(id: impl Into<String>, bytes: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let id = id.into();
        if !is_valid_id(id.as_bytes()) {
            return Err(KeyError::MalformedId);
        }
        Ok(Self { id, bytes })
    }

    /// A key from 32 bytes in standard base64 with padding, as `openssl rand -base64 32` prints it. White space around it, such
    /// as the end of the line, is ignored.
    pub fn from_base64(id: impl Into<String>, text: &str) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        let length = text.trim_end_matches('=').len() * 3 / 4;
        if length != KEY {
            return Err(KeyError::Length(length));
        }
        let mut bytes = Zeroizing::new([0; KEY]);
        match STANDARD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(KEY) => Self::new(id, bytes),
            Ok(other) => Err(KeyError::Length(other)),
            Err(_) => Err(KeyError::NotBase64),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it has the id and the bytes of `other`.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && bool::from(self.bytes.ct_eq(&*other.bytes))
    }

    /// A value that shows, without the key, whether a key of this id is this one: see [`KeyRing::verify`]. It is a seal of a
    /// constant, with a random nonce, so two check values of a key differ.
    pub fn check_value(&self) -> Result<Bytes, KeyError> {
        let nonce = cipher::nonce().map_err(|_| KeyError::NoRandomness)?;
        let mut value = vec![VERSION];
        self.cipher().seal(nonce, &self.associated(), &[CHECK], &mut value);
        Ok(value.into())
    }

    fn opens(&self, check_value: &[u8]) -> bool {
        let Some((&VERSION, sealed)) = check_value.split_first() else { return false };
        let mut sealed = sealed.to_vec();
        let opened = self.cipher().open(&self.associated(), &mut sealed);
        opened.is_ok_and(|length| sealed[cipher::NONCE..].starts_with(CHECK) && length == CHECK.len())
    }

    fn associated(&self) -> Associated {
        let mut associated = Associated::of(Purpose::Check, VERSION);
        associated.push(self.id.as_bytes());
        associated
    }

    /// Expanded for each use: master keys are used once per data key, and ring does not erase what it expands.
    pub(super) fn cipher(&self) -> Cipher {
        Cipher::new(&self.bytes)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, 32 bytes)", self.id)
    }
}

/// The master keys of a gateway: one seals, all open. A key is replaced by adding the new one to every gateway's ring, then
/// making it the active one; the old one stays until no row is sealed under it.
pub struct KeyRing {
    keys: Vec<Arc<MasterKey>>,
    active: usize,
}

impl KeyRing {
    /// A ring of `keys`, whose ids differ; `active` is the id of the one that seals.
    pub fn new(keys: Vec<Arc<MasterKey>>, active: &str) -> Result<Self, KeyError> {
        for (number, key) in keys.iter().enumerate() {
            if keys[..number].iter().any(|other| other.id == key.id) {
                return Err(KeyError::Duplicate(key.id.clone()));
            }
        }
        let Some(active) = keys.iter().position(|key| key.id == active) else {
            let ids: Vec<_> = keys.iter().map(|key| key.id()).collect();
            return Err(KeyError::ActiveMissing(if ids.is_empty() {
                "no key".into()
            } else {
                ids.join(", ")
            }));
        };
        Ok(Self { keys, active })
    }

    /// The key that seals.
    pub fn active(&self) -> &MasterKey {
        &self.keys[self.active]
    }

    /// All keys.
    pub fn keys(&self) -> &[Arc<MasterKey>] {
        &self.keys
    }

    /// The key with this id.
    pub fn get(&self, id: &str) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id == id).map(|key| &**key)
    }

    /// Checks that the ring has the master key `id`, and that it is the key that made `check_value`. A gateway that verifies
    /// the stored check values when it starts does not write rows that others cannot read, and does not report rows of another
    /// key as damaged.
    pub fn verify(&self, id: &str, check_value: &[u8]) -> Result<(), KeyError> {
        let key = self.get(id).ok_or_else(|| KeyError::Missing(id.to_owned()))?;
        if key.opens(check_value) { Ok(()) } else { Err(KeyError::Wrong(id.to_owned())) }
    }

    /// Length of the longest id, in bytes.
    pub(super) fn longest_id(&self) -> usize {
        self.keys.iter().map(|key| key.id.len()).max().unwrap_or(0)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys).field("active", &self.active().id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes in base64; no text of an error or of a debug form may have any part of it.
    const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";

    fn key(id: &str, byte: u8) -> MasterKey {
        MasterKey::new(id, Zeroizing::new([byte; KEY])).unwrap()
    }

    #[test]
    fn a_key_is_exactly_32_bytes_of_base64() {
        let parsed = MasterKey::from_base64("k", SECRET).unwrap();
        assert_eq!(*parsed.bytes, *b"secretsecretsecretsecretsecretse");
        assert_eq!(*MasterKey::from_base64("k", &format!(" {SECRET}\n")).unwrap().bytes, *parsed.bytes);
        let refused = |text: &str| MasterKey::from_base64("k", text).unwrap_err();
        for length in [0, 1, 16, 31, 33, 64] {
            assert_eq!(refused(&STANDARD.encode(vec![1; length])), KeyError::Length(length));
        }
        assert_eq!(refused(&SECRET.replace('=', "")), KeyError::NotBase64);
        assert_eq!(refused(&SECRET.replacen('c', "*", 1)), KeyError::NotBase64);
        assert_eq!(refused(&SECRET.replacen('c', "-", 1)), KeyError::NotBase64);
        assert_eq!(refused(&SECRET.replace("U=", "V=")), KeyError::NotBase64, "bits after the last byte");
    }

    #[test]
    fn no_text_has_a_part_of_a_secret() {
        let damaged = SECRET.replacen('c', "*", 1);
        let texts = [
            MasterKey::from_base64("k", &damaged).unwrap_err().to_string(),
            MasterKey::from_base64("k", &SECRET[4..]).unwrap_err().to_string(),
            MasterKey::from_base64(SECRET, SECRET).unwrap_err().to_string(),
            MasterKey::from_base64(SECRET, "k").unwrap_err().to_string(),
            format!("{:?}", MasterKey::from_base64("k", &damaged).unwrap_err()),
            format!("{:?}", MasterKey::from_base64("k", SECRET).unwrap()),
            format!(
                "{:#?}",
                KeyRing::new(vec![Arc::new(MasterKey::from_base64("k", SECRET).unwrap())], "k").unwrap()
            ),
            KeyRing::new(vec![Arc::new(key("k", 1))], SECRET).unwrap_err().to_string(),
        ];
        for text in texts {
            for part in SECRET.as_bytes().windows(8) {
                assert!(!text.contains(std::str::from_utf8(part).unwrap()), "{text}");
            }
            assert!(!text.contains("115"), "{text}");
        }
    }

    #[test]
    fn an_id_is_1_to_64_bytes_of_letters_digits_and_three_signs() {
        for good in ["a", "Z.9_-", &"x".repeat(64)] {
            assert_eq!(MasterKey::new(good, Zeroizing::new([0; KEY])).unwrap().id(), good);
        }
        for bad in ["", "a b", "a/b", "a=", "é", "a\0", &"x".repeat(65)] {
            assert_eq!(MasterKey::new(bad, Zeroizing::new([0; KEY])).unwrap_err(), KeyError::MalformedId);
        }
    }

    #[test]
    fn a_ring_has_each_id_once_and_its_active_key() {
        let ring = KeyRing::new(vec![Arc::new(key("a", 1)), Arc::new(key("b", 2))], "b").unwrap();
        assert_eq!((ring.active().id(), ring.keys().len(), ring.longest_id()), ("b", 2, 1));
        let refused = |keys, active| KeyRing::new(keys, active).unwrap_err();
        assert_eq!(
            refused(vec![Arc::new(key("a", 1)), Arc::new(key("a", 1))], "a"),
            KeyError::Duplicate("a".to_owned())
        );
        let missing = KeyError::ActiveMissing("a, b".to_owned());
        assert_eq!(refused(vec![Arc::new(key("a", 1)), Arc::new(key("b", 1))], "c"), missing);
        assert_eq!(refused(vec![], "c"), KeyError::ActiveMissing("no key".to_owned()));
    }

    #[test]
    fn a_check_value_verifies_its_key_and_no_other() {
        let made = key("a", 1).check_value().unwrap();
        assert_ne!(made, key("a", 1).check_value().unwrap());
        let ring = |byte| KeyRing::new(vec![Arc::new(key("a", byte)), Arc::new(key("b", 1))], "b").unwrap();
        ring(1).verify("a", &made).unwrap();
        let wrong = |id: &str| Err(KeyError::Wrong(id.to_owned()));
        assert_eq!(ring(2).verify("a", &made), wrong("a"));
        assert_eq!(ring(1).verify("b", &made), wrong("b"), "the same key under another id");
        assert_eq!(ring(1).verify("c", &made), Err(KeyError::Missing("c".to_owned())));
        for at in 0..made.len() {
            let mut flipped = made.to_vec();
            flipped[at] ^= 1;
            assert_eq!(ring(1).verify("a", &flipped), wrong("a"), "byte {at}");
            assert_eq!(ring(1).verify("a", &made[..at]), wrong("a"), "{at} bytes");
        }
    }
}
