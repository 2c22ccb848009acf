//! Serializes items as JSON: the canonical lines of an export, and the items with metadata that `get` and `scan` print.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prism_contract::Timestamp;
use prism_contract::keyvalue::{Entry, Item};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{LineItem, compression};
use crate::client::time;

/// An item as an export writes it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ItemView<'a> {
    key: &'a [u8],
    value: &'a [u8],
    content_type: &'a str,
    compression: i32,
    expires_at: Option<Timestamp>,
}

impl<'a> From<&'a Item> for ItemView<'a> {
    fn from(item: &'a Item) -> Self {
        Self {
            key: &item.key,
            value: &item.value,
            content_type: &item.content_type,
            compression: item.compression,
            expires_at: item.expires_at,
        }
    }
}

impl<'a> From<&'a LineItem> for ItemView<'a> {
    fn from(LineItem { item, expires_at }: &'a LineItem) -> Self {
        Self {
            key: &item.key,
            value: &item.value,
            content_type: &item.content_type,
            compression: item.compression,
            expires_at: *expires_at,
        }
    }
}

impl ItemView<'_> {
    fn members<M: SerializeMap>(&self, map: &mut M, keys_only: bool) -> Result<(), M::Error> {
        bytes_member(map, "key", "key_base64", self.key)?;
        if !keys_only {
            bytes_member(map, "value", "value_base64", self.value)?;
        }
        if !self.content_type.is_empty() {
            map.serialize_entry("content_type", self.content_type)?;
        }
        if let Some(compression) = compression::json(self.compression) {
            map.serialize_entry("compression", &compression)?;
        }
        if let Some(at) = self.expires_at {
            map.serialize_entry("expires_at", &time::format(at))?;
        }
        Ok(())
    }
}

impl Serialize for ItemView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map, false)?;
        map.end()
    }
}

/// UTF-8 as the member `name`, other bytes in base64 as `name_base64`.
pub(in super::super) fn bytes_member<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    name_base64: &'static str,
    bytes: &[u8],
) -> Result<(), M::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.serialize_entry(name, text),
        Err(_) => map.serialize_entry(name_base64, &STANDARD.encode(bytes)),
    }
}

/// An item with the metadata the server keeps: what `get` and `scan` print as JSON, and what a full export writes.
#[derive(Clone, Copy)]
pub(in super::super) struct StoredItem<'a> {
    /// Its record's id, if the result may contain several records.
    pub(in super::super) id: Option<&'a str>,
    /// The item.
    pub(in super::super) item: &'a Item,
    /// The response holds no values, so none are printed (PAGE-8).
    pub(in super::super) keys_only: bool,
}

impl Serialize for StoredItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", id)?;
        }
        ItemView::from(self.item).members(&mut map, self.keys_only)?;
        map.serialize_entry("version", &self.item.version)?;
        if self.item.priority_token > 0 {
            map.serialize_entry("priority_token", &self.item.priority_token)?;
        }
        map.serialize_entry("created_at", &time::format(self.item.created_at))?;
        map.serialize_entry("updated_at", &time::format(self.item.updated_at))?;
        map.end()
    }
}

/// A line in canonical form, including its newline.
pub(in super::super) fn record_line<'a, T>(id: &str, items: &'a [T]) -> Vec<u8>
where
    ItemView<'a>: From<&'a T>,
{
    line(id, items.iter().map(ItemView::from))
}

/// A line of a full export in canonical form, including its newline: one item with all its metadata.
pub(in super::super) fn full_line(Entry { id, item }: &Entry) -> Vec<u8> {
    line(id.as_str(), std::iter::once(StoredItem { id: None, item, keys_only: false }))
}

fn line<T: Serialize>(id: &str, items: impl Iterator<Item = T> + Clone) -> Vec<u8> {
    struct Items<I>(I);

    impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for Items<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.clone())
        }
    }

    #[derive(Serialize)]
    struct Record<'a, I> {
        id: &'a str,
        items: I,
    }

    let mut line = serde_json::to_vec(&Record { id, items: Items(items) })
        .expect("serializing to JSON cannot fail: all member names are strings");
    line.push(b'\n');
    line
}

/// A JSON object with the key as its only member so far.
pub(in super::super) fn key_json(key: &[u8]) -> serde_json::Map<String, serde_json::Value> {
    let (name, text) = match std::str::from_utf8(key) {
        Ok(text) => ("key", text.to_owned()),
        Err(_) => ("key_base64", STANDARD.encode(key)),
    };
    serde_json::Map::from_iter([(name.to_owned(), text.into())])
}
