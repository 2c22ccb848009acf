//! Encryption: seals the values and the client metadata of a store, so that its database holds neither.
//!
//! # What is encrypted, and what is not
//! An item's value, its content type and its compression are sealed with AES-256-GCM. In plain text remain: namespaces, record
//! ids and keys, because the store orders and selects by them; versions, priority tokens and times; and the lengths of value
//! and content type. Versions, tokens and times are not authenticated either, because the store chooses them: with write
//! access to the database one can change them, delete items, and replace an item by an earlier row of the same item.
//!
//! # Keys
//! Each process makes a random data key per namespace, and wraps it with the active master key of its [`KeyRing`]. Every row
//! has the wrapped data key and the id of the master key, so any gateway with that master key reads it; gateways share
//! nothing else. A data key makes at most 2^30 seals. A master key is used only to wrap data keys, of which it may wrap 2^32
//! (random nonces again): one for each process start, namespace and 2^30 seals. A process keeps the data keys of the 4,096
//! namespaces last written to, and makes new ones beyond that.
//!
//! The store has a record of the master keys that have sealed data of each namespace ([`KeyUse`]), with check values: a
//! gateway verifies them when it opens the store, and a Put does before the first seal in a namespace.
//!
//! The gateway's own data ([`Namespace::internal`]) is not sealed, since this record is read before any key is: an encrypted
//! store can be encrypted again, and both layers find the record of the other.
//!
//! Master keys are erased from memory on drop. Expanded keys are not, since `ring` does not erase them, so the memory of a
//! gateway has its data keys.
//!
//! # Format
//! The stored `content_type` is this, in base64 without padding; the stored compression is 0:
//!
//! ```text
//! version = 1 | length of id | id | wrapped data key (60) | checksum (4) | nonce (12) | sealed metadata | tag (16)
//! ```
//!
//! and the stored value is `nonce (12) | ciphertext | tag (16)`. The metadata is sealed even if it is empty, because its seal
//! carries the data key; the header is here and not in the value, so that a read of keys only does not fetch values, and a row
//! has it once. The metadata is the compression (4 bytes, little-endian) and the content type.
//!
//! The associated data of each seal names its purpose, the version of the format, namespace, record id, key and master key
//! id, and for a value also the nonce of its metadata: no part of a row opens in another row, as another part, or beside a
//! part of another write. The checksum (of SHA-256) distinguishes a damaged id from the id of a missing master key.
//!
//! In the store, a value is 28 bytes longer, and a content type of n bytes takes (98 + length of the id + n) · 4/3 bytes. That
//! is more than the 127 bytes of RT-5: a store must take content types of up to 386 bytes.
//!
//! # Damage
//! An item that does not open is [`Error::DataLoss`] for that item alone. A page ends before such an item, with more to
//! follow; a page fails only if its first item is damaged. So a Get or a Scan yields all items before the first damaged one, and in
//! the reverse order all items after the last; a Get by the keys of others, a Put over it and a Delete of it work. Items
//! that were written before the namespace was encrypted are damage too: if plaintext were accepted, the database could
//! forge it.
//!
//! An item whose master key is not in the ring is not damaged, and another gateway may have the key: [`Error::Unavailable`],
//! for the same pages.

mod cipher;
mod data_keys;
mod key_ring;
mod key_use;
mod rekey;
mod row;

use std::sync::Arc;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    EntryPage, Get, Item, ItemPage, KeyValueBackend, Put, PutResult, RecordId, Scan, Selection,
};
use prism_contract::{Error, Lifecycle, Namespace, PageSize, forward};
use prism_mutants::seeded;

pub use self::key_ring::{KeyError, KeyRing, MasterKey};
pub use self::key_use::KeyUse;
pub use self::rekey::{Progress, Rekey};

use self::data_keys::{DataKeys, Unreadable};
use self::key_use::Recorder;
use self::row::Opener;

/// A backend whose values and client metadata are encrypted: see the [module](self).
///
/// Sealing and opening take place in the task of the request.
pub struct Encrypt {
    inner: Arc<dyn KeyValueBackend>,
    ring: Arc<KeyRing>,
    keys: DataKeys,
    uses: Recorder,
}

impl Encrypt {
    /// Encrypts every namespace of `inner` with the keys of `ring`.
    pub fn new(inner: Arc<dyn KeyValueBackend>, ring: Arc<KeyRing>) -> Self {
        let (keys, uses) = (DataKeys::new(Arc::clone(&ring)), Recorder::new(Arc::clone(&inner)));
        Self { inner, ring, keys, uses }
    }

    /// The selection for the inner store: it must return every item of the client's page, whose items weigh less.
    fn stored(&self, selection: Selection) -> Selection {
        let bytes = row::allowance(self.keys.longest_header(), selection.keys_only);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bytes = if seeded("encrypt/reads-pages-without-an-allowance") { 0 } else { bytes };
        Selection { page: selection.page.with_allowance(bytes), ..selection }
    }

    fn page<'a>(&'a self, namespace: &'a Namespace, selection: &Selection) -> Page<'a> {
        let Selection { page: size, keys_only, .. } = *selection;
        Page { opener: Opener::new(&self.keys, namespace), size, keys_only, items: 0, bytes: 0 }
    }
}

/// A page of which items are being opened.
struct Page<'a> {
    opener: Opener<'a>,
    size: PageSize,
    keys_only: bool,
    /// Items so far.
    items: usize,
    /// Their weight.
    bytes: usize,
}

impl Page<'_> {
    /// The next item of the page, opened; `extra` is what it weighs besides itself. `None`: the page ends before it, because it
    /// does not fit, or because it cannot be read and is not the first.
    fn next(&mut self, id: &RecordId, item: Item, extra: usize) -> Result<Option<Item>, Error> {
        match self.open(id, item, extra) {
            Ok(item) => Ok(item),
            Err(_) if self.items > 0 && !seeded("encrypt/fails-a-page-for-a-later-item") => Ok(None),
            Err(damaged @ Unreadable::Damaged(_)) => Err(Error::data_loss(0, damaged)),
            Err(missing) if seeded("encrypt/reports-a-missing-key-as-damage") => {
                Err(Error::data_loss(0, missing))
            }
            Err(missing @ Unreadable::MissingKey(_)) => Err(Error::unavailable(missing)),
        }
    }

    fn open(&mut self, id: &RecordId, item: Item, extra: usize) -> Result<Option<Item>, Unreadable> {
        if seeded("encrypt/accepts-a-plain-row") && data_keys::master_of(&item.content_type).is_none() {
            self.items += 1;
            return Ok(Some(item));
        }
        let half_open = self.opener.open_metadata(id, item)?;
        let weight = half_open.weight(self.keys_only) + extra;
        if !self.size.fits(self.items, self.bytes, weight) {
            return Ok(None);
        }
        let item =
            if self.keys_only { half_open.without_value() } else { self.opener.open_value(id, half_open)? };
        self.items += 1;
        self.bytes += weight;
        Ok(Some(item))
    }
}

#[async_trait]
impl Lifecycle for Encrypt {
    forward!(Lifecycle: self => self.inner, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Encrypt {
    forward!(KeyValueBackend: self => self.inner, [capabilities, delete]);

    async fn put(&self, mut put: Put) -> Result<Vec<PutResult>, Error> {
        if put.namespace.is_internal() {
            return self.inner.put(put).await;
        }
        self.uses.record(&put.namespace, &self.ring, put.now).await?;
        row::seal(&self.keys, &put.namespace, &put.id, &mut put.items)?;
        self.inner.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        if get.namespace.is_internal() {
            return self.inner.get(get).await;
        }
        let stored = self.inner.get(&Get { selection: self.stored(get.selection), ..get.clone() }).await?;
        let mut page = self.page(&get.namespace, &get.selection);
        let mut items = Vec::with_capacity(stored.items.len());
        for item in stored.items {
            match page.next(&get.id, item, 0)? {
                Some(item) => items.push(item),
                None => return Ok(ItemPage { items, more: true }),
            }
        }
        Ok(ItemPage { items, more: stored.more })
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        if scan.namespace.is_internal() {
            return self.inner.scan(scan).await;
        }
        let stored =
            self.inner.scan(&Scan { selection: self.stored(scan.selection), ..scan.clone() }).await?;
        let mut page = self.page(&scan.namespace, &scan.selection);
        let mut entries = Vec::with_capacity(stored.entries.len());
        for mut entry in stored.entries {
            match page.next(&entry.id, entry.item, entry.id.as_str().len())? {
                Some(item) => {
                    entry.item = item;
                    entries.push(entry);
                }
                None => return Ok(EntryPage { entries, more: true }),
            }
        }
        Ok(EntryPage { entries, more: stored.more })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use prism_contract::Timestamp;
    use prism_contract::keyvalue::{Key, Memory, NewItem, Predicate};
    use zeroize::Zeroizing;

    use super::*;

    #[tokio::test]
    async fn a_page_of_items_under_several_data_keys_is_read() {
        let key = MasterKey::new("a", Zeroizing::new([1; 32])).unwrap();
        let ring = Arc::new(KeyRing::new(vec![Arc::new(key)], "a").unwrap());
        let stored = Arc::new(Memory::default());
        let encrypt = Encrypt {
            // Two seals per item, so three items per data key; one unwrapped data key is kept.
            keys: DataKeys::with_limits(Arc::clone(&ring), 6, 1, 1),
            uses: Recorder::new(Arc::clone(&stored) as _),
            inner: Arc::clone(&stored) as _,
            ring,
        };
        let (namespace, id) = (Namespace::new("n").unwrap(), RecordId::new("r").unwrap());
        let now = Timestamp::EPOCH;
        for number in 0..10 {
            let key = Key::new(vec![number]).unwrap();
            let item =
                NewItem { key, value: vec![number].into(), content_type: String::new(), compression: 0 };
            let (namespace, id, items) = (namespace.clone(), id.clone(), vec![item]);
            let put = Put { namespace, id, items, token: 0, expires_at: None, preconditions: vec![], now };
            encrypt.put(put).await.unwrap();
        }
        let (predicate, selection) = (Predicate::All, Selection::default());
        let get = Get { namespace, id, predicate, selection, after: None, now };
        let rows = stored.get(&get).await.unwrap().items;
        let header = |item: &Item| {
            let mut bytes = STANDARD_NO_PAD.decode(&item.content_type).unwrap();
            bytes.truncate(data_keys::header_length(1));
            bytes
        };
        assert_eq!(rows.iter().map(header).collect::<HashSet<_>>().len(), 4);
        let page = encrypt.get(&get).await.unwrap();
        let values: Vec<_> = page.items.iter().map(|item| item.value[0]).collect();
        assert_eq!(values, (0..10).collect::<Vec<_>>());
    }
}
