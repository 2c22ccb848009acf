//! An encrypted store in memory, whose stored rows can be read and replaced.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use prism_backends::wrap::Encrypt;
use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_contract::keyvalue::{
    Delete, Get, Item, KeyValueBackend, Memory, NewItem, Predicate, Put, RecordId, Selection,
};
use prism_contract::{Error, Namespace};

use crate::common;
use crate::common::{key, record};

/// A master key of 32 equal bytes.
pub(crate) fn master(id: &str, byte: u8) -> MasterKey {
    MasterKey::from_base64(id, &STANDARD.encode([byte; 32])).unwrap()
}

/// A ring of these keys, the first of them active.
pub(crate) fn ring(keys: &[(&str, u8)]) -> Arc<KeyRing> {
    let masters = keys.iter().map(|(id, byte)| Arc::new(master(id, *byte))).collect();
    Arc::new(KeyRing::new(masters, keys[0].0).unwrap())
}

/// Where an item is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const HERE: Place = Place("n", "r", "k");

/// What an item holds besides its key.
pub(crate) type Content = (Bytes, String, i32);

pub(crate) fn content(value: &'static str, content_type: &str, compression: i32) -> Content {
    (value.into(), content_type.to_owned(), compression)
}

pub(crate) async fn put_at(store: &dyn KeyValueBackend, place: Place, content: Content) {
    let (value, content_type, compression) = content;
    let Place(namespace, id, name) = place;
    let item = NewItem { key: key(name), value, content_type, compression };
    let namespace = Namespace::new(namespace).unwrap();
    let put = Put { namespace, id: RecordId::new(id).unwrap(), ..common::put_items(vec![item]) };
    assert!(store.put(put).await.unwrap()[0].applied);
}

/// The item at a place; it is there.
pub(crate) async fn get_at(
    store: &dyn KeyValueBackend,
    place: Place,
    keys_only: bool,
) -> Result<Item, Error> {
    let Place(namespace, id, name) = place;
    let get = Get {
        namespace: Namespace::new(namespace).unwrap(),
        id: record(id),
        selection: Selection { keys_only, ..Selection::default() },
        ..common::get(Predicate::keys([key(name)]).unwrap())
    };
    store.get(&get).await.map(|page| page.items.into_iter().next().expect("the item is there"))
}

/// A store in memory, and the same store encrypted.
pub(crate) struct Fixture {
    pub(crate) stored: Arc<Memory>,
    pub(crate) encrypt: Encrypt,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::over(Arc::default(), &[("a", 1)])
    }

    pub(crate) fn over(stored: Arc<Memory>, keys: &[(&str, u8)]) -> Self {
        Self { encrypt: Encrypt::new(Arc::clone(&stored) as _, ring(keys)), stored }
    }

    pub(crate) async fn put(&self, place: Place, content: Content) {
        put_at(&self.encrypt, place, content).await;
    }

    pub(crate) async fn get(&self, place: Place) -> Result<Content, Error> {
        let item = get_at(&self.encrypt, place, false).await?;
        Ok((item.value, item.content_type, item.compression))
    }

    /// The row at a place, as the database has it.
    pub(crate) async fn row(&self, place: Place) -> Content {
        let item = get_at(&*self.stored, place, false).await.unwrap();
        (item.value, item.content_type, item.compression)
    }

    /// Replaces the row at a place, as write access to the database allows.
    pub(crate) async fn replace(&self, place: Place, row: Content) {
        put_at(&*self.stored, place, row).await;
    }

    pub(crate) async fn delete(&self, place: Place) -> u64 {
        let Place(namespace, id, name) = place;
        let named = Predicate::keys([key(name)]).unwrap();
        let namespace = Namespace::new(namespace).unwrap();
        self.encrypt.delete(Delete { namespace, id: record(id), ..common::delete(named) }).await.unwrap()
    }

    /// Asserts that the item at a place is damaged, and that no text for clients or for the log has its key or value.
    pub(crate) async fn assert_damaged(&self, place: Place, how: &str) {
        let error = match self.get(place).await {
            Ok(content) => panic!("{how}: {content:?} was read"),
            Err(error) => error,
        };
        assert!(matches!(error, Error::DataLoss { item: 0, .. }), "{how}: {error:?}");
        let cause = format!("{:?}", error.cause().unwrap());
        assert!(cause.starts_with("a stored item is damaged: "), "{how}: {cause}");
        for text in [error.to_string(), cause] {
            assert!(!text.contains("secret"), "{how}: {text}");
        }
    }
}

/// The metadata of a row: its bytes up to its nonce, and the rest.
pub(crate) fn metadata(row: &Content) -> (Vec<u8>, Vec<u8>) {
    let mut header = STANDARD_NO_PAD.decode(&row.1).unwrap();
    let sealed = header.split_off(2 + usize::from(header[1]) + 60 + 4);
    (header, sealed)
}

pub(crate) fn encoded(header: &[u8], sealed: &[u8]) -> String {
    STANDARD_NO_PAD.encode([header, sealed].concat())
}
