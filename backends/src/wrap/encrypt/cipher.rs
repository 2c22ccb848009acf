//! AES-256-GCM with random nonces and associated data, on ring.

use prism_mutants::seeded;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};

/// Length of a key, in bytes.
pub(super) const KEY: usize = 32;
/// Length of a nonce, in bytes.
pub(super) const NONCE: usize = 12;
/// Length of an authentication tag, in bytes.
pub(super) const TAG: usize = 16;
/// Length of a seal without its plaintext, in bytes.
pub(super) const OVERHEAD: usize = NONCE + TAG;

/// Fills `bytes` from the operating system's generator.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), Unspecified> {
    SystemRandom::new().fill(bytes)
}

/// A nonce from the operating system's generator.
pub(super) fn nonce() -> Result<[u8; NONCE], Unspecified> {
    let mut nonce = [0; NONCE];
    if seeded("encrypt/wraps-data-keys-under-one-nonce") {
        return Ok(nonce);
    }
    random(&mut nonce).map(|()| nonce)
}

/// An expanded key. ring does not erase it on drop.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    pub(super) fn new(key: &[u8; KEY]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes")))
    }

    /// Appends the seal of `plain` to `out`: the nonce, the ciphertext and the tag. A nonce is used once per key.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE],
        associated: &Associated,
        plain: &[&[u8]],
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&nonce);
        let start = out.len();
        for part in plain {
            out.extend_from_slice(part);
        }
        let aad = Aad::from(associated.bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, aad, &mut out[start..]);
        out.extend_from_slice(tag.expect("AES-GCM seals up to 64 GiB").as_ref());
    }

    /// Opens a seal in place; its plaintext is at [`NONCE`]. Returns the length of the plaintext. If it fails, `sealed` holds
    /// neither the seal nor a plaintext.
    pub(super) fn open(&self, associated: &Associated, sealed: &mut [u8]) -> Result<usize, Unspecified> {
        let Some((nonce, ciphertext)) = sealed.split_first_chunk_mut() else { return Err(Unspecified) };
        let aad = Aad::from(associated.bytes());
        let plain = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, ciphertext)?;
        Ok(plain.len())
    }
}

/// What a seal is made for; it opens for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Value,
    Metadata,
    DataKey,
    Check,
}

impl Purpose {
    const fn tag(self) -> &'static [u8] {
        match self {
            Self::Value => b"prism value",
            Self::Metadata => b"prism metadata",
            Self::DataKey => b"prism data key",
            Self::Check => b"prism key check",
        }
    }
}

/// Associated data: fields, each after its length, so that no two lists of fields have the same bytes.
#[derive(Debug, Default)]
pub(super) struct Associated(Vec<u8>);

impl Associated {
    /// The first fields of every seal: its purpose and the version of the format.
    pub(super) fn of(purpose: Purpose, version: u8) -> Self {
        let mut associated = Self::default();
        associated.set(purpose, version, &[]);
        associated
    }

    /// Replaces all fields; the memory is used again.
    pub(super) fn set(&mut self, purpose: Purpose, version: u8, fields: &[&[u8]]) {
        self.0.clear();
        self.push(purpose.tag());
        self.push(&[version]);
        for field in fields {
            self.push(field);
        }
    }

    /// Adds a field.
    pub(super) fn push(&mut self, field: &[u8]) {
        let length = u32::try_from(field.len()).expect("a field of associated data is shorter than 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field);
    }

    fn bytes(&self) -> &[u8] {
        let forgets = |purpose: Purpose, mutant| seeded(mutant) && self.0[4..].starts_with(purpose.tag());
        if forgets(Purpose::Value, "encrypt/forgets-the-associated-data-of-values")
            || forgets(Purpose::Metadata, "encrypt/forgets-the-associated-data-of-metadata")
            || forgets(Purpose::DataKey, "encrypt/forgets-the-associated-data-of-data-keys")
        {
            return &[];
        }
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEY_OF_TEST: [u8; KEY] = [7; KEY];

    fn seal(associated: &Associated, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        Cipher::new(&KEY_OF_TEST).seal(nonce().unwrap(), associated, &[plain], &mut sealed);
        sealed
    }

    fn open(associated: &Associated, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let length = Cipher::new(&KEY_OF_TEST).open(associated, &mut sealed).ok()?;
        Some(sealed[NONCE..NONCE + length].to_vec())
    }

    #[test]
    fn a_seal_opens_for_its_purpose_version_and_fields_only() {
        let associated = |purpose, version, fields: &[&[u8]]| {
            let mut associated = Associated::default();
            associated.set(purpose, version, fields);
            associated
        };
        let sealed = seal(&associated(Purpose::Value, 1, &[b"ab", b"c"]), b"plain");
        assert_eq!(sealed.len(), b"plain".len() + OVERHEAD);
        let right = associated(Purpose::Value, 1, &[b"ab", b"c"]);
        assert_eq!(open(&right, sealed.clone()).unwrap(), b"plain");
        for wrong in [
            associated(Purpose::Metadata, 1, &[b"ab", b"c"]),
            associated(Purpose::Value, 2, &[b"ab", b"c"]),
            associated(Purpose::Value, 1, &[b"a", b"bc"]),
            associated(Purpose::Value, 1, &[b"abc"]),
            associated(Purpose::Value, 1, &[b"ab", b"c", b""]),
        ] {
            assert_eq!(open(&wrong, sealed.clone()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_seal_of_any_shorter_length_does_not_open() {
        let associated = Associated::of(Purpose::Value, 1);
        let sealed = seal(&associated, b"plain");
        for length in 0..sealed.len() {
            assert_eq!(open(&associated, sealed[..length].to_vec()), None, "{length} bytes");
        }
    }

    #[test]
    fn no_nonce_of_a_hundred_thousand_is_repeated() {
        let nonces: HashSet<_> = (0..100_000).map(|_| nonce().unwrap()).collect();
        assert_eq!(nonces.len(), 100_000);
    }
}
