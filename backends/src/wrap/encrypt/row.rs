//! The format of a stored row: how an item is sealed and opened.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Buf, Bytes, BytesMut};
use prism_contract::keyvalue::{Item, Limits, NewItem, RecordId};
use prism_contract::{Error, Namespace};
use prism_mutants::seeded;

use super::cipher::{self, Associated, NONCE, OVERHEAD, Purpose, TAG};
use super::data_keys::{DataKey, DataKeys, Unreadable, VERSION};

/// Length of the compression in the sealed metadata.
const COMPRESSION: usize = 4;

/// How much more a stored item weighs than the client's, at most.
pub(super) const fn allowance(longest_header: usize, keys_only: bool) -> usize {
    let content_type = Limits::CONTENT_TYPE_BYTES;
    let metadata = longest_header + COMPRESSION + content_type + OVERHEAD;
    // In base64 without padding. A longer content type never has a smaller difference, so the longest has the greatest.
    let text = (metadata * 4).div_ceil(3);
    text - content_type + if keys_only { 0 } else { OVERHEAD }
}

/// Sets the associated data of a value or of metadata.
fn bind(associated: &mut Associated, purpose: Purpose, data_key: &DataKey, at: &At<'_>) {
    let At { namespace, id, key } = at;
    let fields = [namespace.as_str().as_bytes(), id.as_str().as_bytes(), key, data_key.master().as_bytes()];
    associated.set(purpose, VERSION, &fields);
}

/// Where an item is stored.
struct At<'a> {
    namespace: &'a Namespace,
    id: &'a RecordId,
    key: &'a [u8],
}

/// Seals the items of one Put.
pub(super) fn seal(
    data_keys: &DataKeys,
    namespace: &Namespace,
    id: &RecordId,
    items: &mut [NewItem],
) -> Result<(), Error> {
    let data_key = data_keys.current(namespace, 2 * items.len() as u64)?;
    // All nonces at once: each call of the generator is a system call.
    let mut nonces = vec![[[0; NONCE]; 2]; items.len()];
    cipher::random(nonces.as_flattened_mut().as_flattened_mut())
        .map_err(|_| Error::unavailable("the operating system returned no random bytes"))?;
    if seeded("encrypt/reuses-a-nonce") {
        let first = nonces[0];
        nonces.fill(first);
    }
    let (mut associated, mut metadata) = (Associated::default(), Vec::new());
    for (item, [of_metadata, of_value]) in items.iter_mut().zip(nonces) {
        let NewItem { key, value, content_type, compression } = item;
        let at = At { namespace, id, key };
        metadata.clear();
        metadata.extend_from_slice(data_key.header());
        let plain: [&[u8]; 2] = [&compression.to_le_bytes(), content_type.as_bytes()];
        bind(&mut associated, Purpose::Metadata, &data_key, &at);
        data_key.cipher().seal(of_metadata, &associated, &plain, &mut metadata);
        let given = std::mem::replace(content_type, STANDARD_NO_PAD.encode(&metadata));
        if seeded("encrypt/leaves-the-content-type-in-plain-text") {
            *content_type += &format!(":{given}");
        }
        *compression = 0;
        let mut sealed = Vec::with_capacity(value.len() + OVERHEAD);
        bind(&mut associated, Purpose::Value, &data_key, &at);
        associated.push(&of_metadata);
        data_key.cipher().seal(of_value, &associated, &[value], &mut sealed);
        *value = sealed.into();
    }
    Ok(())
}

/// Opens the items of one page.
pub(super) struct Opener<'a> {
    data_keys: &'a DataKeys,
    namespace: &'a Namespace,
    /// The data key of the last item.
    last: Option<Arc<DataKey>>,
    metadata: Vec<u8>,
    associated: Associated,
}

/// An item whose metadata is open, and whose value is sealed.
pub(super) struct HalfOpen {
    item: Item,
    data_key: Arc<DataKey>,
    /// The nonce of its metadata.
    nonce: [u8; NONCE],
}

impl<'a> Opener<'a> {
    pub(super) fn new(data_keys: &'a DataKeys, namespace: &'a Namespace) -> Self {
        Self { data_keys, namespace, last: None, metadata: Vec::new(), associated: Associated::default() }
    }

    /// Opens the metadata of a stored item.
    pub(super) fn open_metadata(&mut self, id: &RecordId, item: Item) -> Result<HalfOpen, Unreadable> {
        let damaged = |what| Unreadable::Damaged(what);
        if item.compression != 0 {
            return Err(damaged("it was not sealed"));
        }
        self.metadata.clear();
        let stored = if seeded("encrypt/leaves-the-content-type-in-plain-text") {
            item.content_type.split(':').next().unwrap_or_default()
        } else {
            &item.content_type
        };
        STANDARD_NO_PAD
            .decode_vec(stored, &mut self.metadata)
            .map_err(|_| damaged("its metadata is not base64"))?;
        let data_key = self.data_keys.open(self.namespace, &self.metadata, self.last.as_ref())?;
        let at = At { namespace: self.namespace, id, key: &item.key };
        bind(&mut self.associated, Purpose::Metadata, &data_key, &at);
        let sealed = &mut self.metadata[data_key.header().len()..];
        let nonce = *sealed.first_chunk().ok_or(damaged("its metadata is cut short"))?;
        let length = data_key
            .cipher()
            .open(&self.associated, sealed)
            .map_err(|_| damaged("its metadata does not authenticate"))?;
        let plain = sealed[NONCE..NONCE + length].split_first_chunk::<COMPRESSION>();
        let (compression, content_type) = plain.ok_or(damaged("its metadata has no compression"))?;
        let content_type =
            std::str::from_utf8(content_type).map_err(|_| damaged("its content type is not UTF-8"))?;
        let item = Item {
            content_type: content_type.to_owned(),
            compression: i32::from_le_bytes(*compression),
            ..item
        };
        self.last = Some(Arc::clone(&data_key));
        Ok(HalfOpen { item, data_key, nonce })
    }

    /// Opens the value, too.
    pub(super) fn open_value(&mut self, id: &RecordId, half_open: HalfOpen) -> Result<Item, Unreadable> {
        let HalfOpen { mut item, data_key, nonce } = half_open;
        let at = At { namespace: self.namespace, id, key: &item.key };
        bind(&mut self.associated, Purpose::Value, &data_key, &at);
        self.associated.push(&nonce);
        let opened = open_in_place(&data_key, &self.associated, std::mem::take(&mut item.value));
        if seeded("encrypt/serves-a-damaged-value-as-an-empty-one") && opened.is_err() {
            return Ok(item);
        }
        item.value = opened?;
        Ok(item)
    }
}

/// The plaintext of a value, in the memory of the sealed value unless another has it too.
fn open_in_place(data_key: &DataKey, associated: &Associated, sealed: Bytes) -> Result<Bytes, Unreadable> {
    let mut sealed = sealed.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    let opened = data_key.cipher().open(associated, &mut sealed);
    let length = opened.map_err(|_| Unreadable::Damaged("its value does not authenticate"))?;
    debug_assert_eq!(length + NONCE + TAG, sealed.len());
    sealed.advance(NONCE);
    sealed.truncate(length);
    Ok(sealed.freeze())
}

impl HalfOpen {
    /// The weight of the client's item on a page (PAGE-7). A value too short to be sealed weighs as an empty one; it does not
    /// open.
    pub(super) fn weight(&self, keys_only: bool) -> usize {
        let Item { key, value, content_type, .. } = &self.item;
        let overhead = if seeded("encrypt/counts-the-size-of-sealed-values") { 0 } else { OVERHEAD };
        let value = if keys_only { 0 } else { value.len().saturating_sub(overhead) };
        Item::weigh(key.len(), value, content_type.len())
    }

    /// The item of a page without values (PAGE-8).
    pub(super) fn without_value(self) -> Item {
        Item { value: Bytes::new(), ..self.item }
    }
}
