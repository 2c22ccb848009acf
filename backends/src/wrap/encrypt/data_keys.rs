//! Data keys: made per namespace, wrapped by a master key, and cached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hashlink::LruCache;
use prism_contract::{Error, Namespace};
use prism_mutants::seeded;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::cipher::{self, Associated, Cipher, KEY, NONCE, OVERHEAD, Purpose};
use super::key_ring::{KeyRing, is_valid_id};

/// Version of the format of headers, and so of rows.
pub(super) const VERSION: u8 = 1;

/// Maximum seals under one data key, far below the 2^32 that NIST SP 800-38D allows for random nonces of 96 bits: the
/// probability that any two of 2^30 nonces are equal is 2^-37.
const SEALS: u64 = 1 << 30;

/// Maximum namespaces whose current data key is kept. A namespace that was evicted gets a new data key at its next Put, so the
/// number also limits how often data keys are wrapped: a master key may wrap 2^32.
const SEALING: usize = 4_096;

/// Maximum unwrapped data keys that are kept, about 1 KiB each.
const OPENED: usize = 8_192;

/// Length of a wrapped data key.
const WRAPPED: usize = KEY + OVERHEAD;

/// Length of a header's checksum.
const CHECKSUM: usize = 4;

/// Length of the header of a data key that is wrapped by a master key with an id of this length.
pub(super) const fn header_length(id: usize) -> usize {
    2 + id + WRAPPED + CHECKSUM
}

/// Why a stored item cannot be read. The text has no key and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Not damage: this gateway lacks a master key.
    #[error("the master key '{0}' of a stored item is not in the key ring")]
    MissingKey(String),
    /// The item was changed since it was sealed, or never was sealed.
    #[error("a stored item is damaged: {0}")]
    Damaged(&'static str),
}

/// A data key, and the header that lets other gateways unwrap it: the version, the length of the master key's id, the id, the
/// wrapped data key, and a checksum.
pub(super) struct DataKey {
    namespace: Namespace,
    master: String,
    header: Box<[u8]>,
    cipher: Cipher,
}

impl DataKey {
    /// A new random data key, wrapped by the active master key.
    fn generate(namespace: &Namespace, ring: &KeyRing) -> Result<Self, ring::error::Unspecified> {
        let master = ring.active();
        let mut bytes = Zeroizing::new([0; KEY]);
        cipher::random(bytes.as_mut_slice())?;
        let id = master.id();
        let length = u8::try_from(id.len()).expect("an id has at most 64 bytes");
        let mut header = Vec::with_capacity(header_length(id.len()));
        header.extend_from_slice(&[VERSION, length]);
        header.extend_from_slice(id.as_bytes());
        master.cipher().seal(cipher::nonce()?, &wrapping(namespace, id), &[bytes.as_slice()], &mut header);
        header.extend_from_slice(&checksum(&header));
        Ok(Self {
            namespace: namespace.clone(),
            master: id.to_owned(),
            header: header.into(),
            cipher: Cipher::new(&bytes),
        })
    }

    /// Unwraps the data key of a header.
    fn unwrap(namespace: &Namespace, header: &Header<'_>, ring: &KeyRing) -> Result<Self, Unreadable> {
        // Before the ring is searched: a damaged id is damage, and not a missing key.
        if checksum(header.checked) != header.checksum && !seeded("encrypt/ignores-the-checksum") {
            return Err(Unreadable::Damaged("the checksum of its header is wrong"));
        }
        let master = ring.get(header.id).ok_or_else(|| Unreadable::MissingKey(header.id.to_owned()))?;
        let mut wrapped = Zeroizing::new(*header.wrapped);
        let opened = master.cipher().open(&wrapping(namespace, header.id), wrapped.as_mut_slice());
        let bytes = match opened {
            Ok(KEY) => wrapped[NONCE..].first_chunk().expect("a wrapped key has more than 32 bytes"),
            Ok(_) | Err(_) => return Err(Unreadable::Damaged("its data key does not unwrap")),
        };
        Ok(Self {
            namespace: namespace.clone(),
            master: header.id.to_owned(),
            header: header.bytes.into(),
            cipher: Cipher::new(bytes),
        })
    }

    /// The id of its master key.
    pub(super) fn master(&self) -> &str {
        &self.master
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(super) fn cipher(&self) -> &Cipher {
        &self.cipher
    }
}

/// The parts of a header.
struct Header<'a> {
    /// All of it.
    bytes: &'a [u8],
    /// What the checksum covers.
    checked: &'a [u8],
    id: &'a str,
    wrapped: &'a [u8; WRAPPED],
    checksum: [u8; CHECKSUM],
}

impl<'a> Header<'a> {
    /// The header at the start of `bytes`.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[version, length], rest) = bytes.split_first_chunk()?;
        let (id, rest) = rest.split_at_checked(length.into())?;
        let (wrapped, rest) = rest.split_first_chunk()?;
        let (&checksum, _) = rest.split_first_chunk()?;
        if version != VERSION || !is_valid_id(id) {
            return None;
        }
        let length = header_length(id.len());
        Some(Self {
            bytes: &bytes[..length],
            checked: &bytes[..length - CHECKSUM],
            id: std::str::from_utf8(id).ok()?,
            wrapped,
            checksum,
        })
    }
}

/// The id of the master key of a stored item, by its content type; `None`: it is not sealed, or damaged.
pub(super) fn master_of(content_type: &str) -> Option<String> {
    let bytes = STANDARD_NO_PAD.decode(content_type).ok()?;
    let header = Header::parse(&bytes)?;
    (checksum(header.checked) == header.checksum).then(|| header.id.to_owned())
}

/// Distinguishes a damaged header from one of a missing master key. It is no protection: the seals are.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    *digest(&SHA256, bytes).as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// The associated data of a wrapped data key.
fn wrapping(namespace: &Namespace, master: &str) -> Associated {
    let mut associated = Associated::of(Purpose::DataKey, VERSION);
    associated.push(namespace.as_str().as_bytes());
    associated.push(master.as_bytes());
    associated
}

/// The data keys of a process.
pub(super) struct DataKeys {
    ring: Arc<KeyRing>,
    /// Maximum seals under one data key.
    max_seals: u64,
    /// The current data key of each namespace, and its seals so far.
    sealing: Mutex<LruCache<Namespace, (Arc<DataKey>, u64)>>,
    /// By header.
    opened: Mutex<LruCache<Box<[u8]>, Arc<DataKey>>>,
}

impl DataKeys {
    pub(super) fn new(ring: Arc<KeyRing>) -> Self {
        Self::with_limits(ring, SEALS, SEALING, OPENED)
    }

    pub(super) fn with_limits(ring: Arc<KeyRing>, max_seals: u64, sealing: usize, opened: usize) -> Self {
        let (sealing, opened) = (Mutex::new(LruCache::new(sealing)), Mutex::new(LruCache::new(opened)));
        Self { ring, max_seals, sealing, opened }
    }

    /// Length of the longest header that these keys make or open.
    pub(super) fn longest_header(&self) -> usize {
        header_length(self.ring.longest_id())
    }

    /// The current data key of a namespace, for this many seals; a new one if there is none or it has too few left.
    pub(super) fn current(&self, namespace: &Namespace, seals: u64) -> Result<Arc<DataKey>, Error> {
        let mut sealing = lock(&self.sealing);
        if let Some((key, used)) = sealing.get_mut(namespace)
            && (used.saturating_add(seals) <= self.max_seals || seeded("encrypt/never-replaces-a-data-key"))
        {
            *used += seals;
            return Ok(Arc::clone(key));
        }
        let key = DataKey::generate(namespace, &self.ring);
        let key =
            Arc::new(key.map_err(|_| Error::unavailable("the operating system returned no random bytes"))?);
        sealing.insert(namespace.clone(), (Arc::clone(&key), seals));
        lock(&self.opened).insert(key.header.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// The data key of the header at the start of `bytes`. `last` is a data key that is tried first, without a lock: most items
    /// of a page have the same.
    pub(super) fn open(
        &self,
        namespace: &Namespace,
        bytes: &[u8],
        last: Option<&Arc<DataKey>>,
    ) -> Result<Arc<DataKey>, Unreadable> {
        let is_in = |key: &DataKey| {
            key.namespace == *namespace || seeded("encrypt/opens-a-cached-data-key-of-another-namespace")
        };
        let is_of = |key: &&Arc<DataKey>| is_in(key) && bytes.starts_with(&key.header);
        if let Some(key) = last.filter(is_of) {
            return Ok(Arc::clone(key));
        }
        let header = Header::parse(bytes).ok_or(Unreadable::Damaged("it has no header"))?;
        // A header of another namespace is in the cache too, and must not open here.
        if let Some(key) = lock(&self.opened).get(header.bytes).filter(is_of) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(DataKey::unwrap(namespace, &header, &self.ring)?);
        lock(&self.opened).insert(key.header.clone(), Arc::clone(&key));
        Ok(key)
    }
}

/// No panic can leave a cache half written, so poison is ignored.
fn lock<T>(cache: &Mutex<T>) -> MutexGuard<'_, T> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::key_ring::MasterKey;
    use super::*;

    fn ring(keys: &[(&str, u8)]) -> Arc<KeyRing> {
        let master = |(id, byte): &(&str, u8)| MasterKey::new(*id, Zeroizing::new([*byte; KEY])).unwrap();
        let masters = keys.iter().map(|key| Arc::new(master(key))).collect();
        Arc::new(KeyRing::new(masters, keys[0].0).unwrap())
    }

    fn namespace(name: &str) -> Namespace {
        Namespace::new(name).unwrap()
    }

    fn header(keys: &DataKeys, name: &str, seals: u64) -> Vec<u8> {
        keys.current(&namespace(name), seals).unwrap().header().to_vec()
    }

    #[test]
    fn a_data_key_is_replaced_before_it_exceeds_its_seals() {
        let keys = DataKeys::with_limits(ring(&[("a", 1)]), 10, 8, 8);
        let first = header(&keys, "n", 4);
        assert_eq!(header(&keys, "n", 6), first);
        let second = header(&keys, "n", 2);
        assert_ne!(second, first);
        assert_eq!(header(&keys, "n", 8), second);
        // More than a key allows: a new key.
        let third = header(&keys, "n", 11);
        assert_ne!(third, second);
        assert_ne!(header(&keys, "n", 1), third);
        assert!(keys.open(&namespace("n"), &first, None).is_ok(), "the old key still opens");
    }

    #[test]
    fn every_namespace_and_process_has_another_data_key_and_every_process_opens_it() {
        let (one, two) = (DataKeys::new(ring(&[("a", 1)])), DataKeys::new(ring(&[("b", 2), ("a", 1)])));
        let (first, second) = (header(&one, "n", 1), header(&two, "n", 1));
        assert_ne!(first, second);
        assert_ne!(first, header(&one, "m", 1));
        let opened = two.open(&namespace("n"), &first, None).unwrap();
        assert_eq!(opened.master(), "a");
        let missing = one.open(&namespace("n"), &second, None).err();
        assert_eq!(missing, Some(Unreadable::MissingKey("b".to_owned())));
    }

    #[test]
    fn a_header_opens_in_its_namespace_only_even_when_cached() {
        let keys = DataKeys::new(ring(&[("a", 1)]));
        let header = header(&keys, "n", 1);
        let cached = keys.open(&namespace("n"), &header, None).unwrap();
        for last in [None, Some(&cached)] {
            let refused = keys.open(&namespace("m"), &header, last).err();
            assert_eq!(refused, Some(Unreadable::Damaged("its data key does not unwrap")));
        }
    }

    #[test]
    fn a_header_with_any_byte_changed_or_cut_is_damaged() {
        let keys = DataKeys::new(ring(&[("a", 1)]));
        let header = header(&keys, "n", 1);
        for at in 0..header.len() {
            for bit in 0..8 {
                let mut flipped = header.clone();
                flipped[at] ^= 1 << bit;
                let refused = keys.open(&namespace("n"), &flipped, None).err();
                assert!(matches!(refused, Some(Unreadable::Damaged(_))), "byte {at}: {refused:?}");
            }
            let refused = keys.open(&namespace("n"), &header[..at], None).err();
            assert!(matches!(refused, Some(Unreadable::Damaged(_))), "{at} bytes: {refused:?}");
        }
    }

    #[test]
    fn another_master_key_of_the_same_id_does_not_unwrap() {
        let header = header(&DataKeys::new(ring(&[("a", 1)])), "n", 1);
        let refused = DataKeys::new(ring(&[("a", 2)])).open(&namespace("n"), &header, None).err();
        assert_eq!(refused, Some(Unreadable::Damaged("its data key does not unwrap")));
    }

    #[test]
    fn both_caches_are_bounded() {
        let keys = DataKeys::with_limits(ring(&[("a", 1)]), 10, 2, 3);
        let first = header(&keys, "n0", 1);
        for number in 1..10 {
            header(&keys, &format!("n{number}"), 1);
        }
        assert_eq!((lock(&keys.sealing).len(), lock(&keys.opened).len()), (2, 3));
        assert!(keys.open(&namespace("n0"), &first, None).is_ok(), "it was unwrapped again");
        assert_eq!(lock(&keys.opened).len(), 3);
    }
}
