//! What the database holds.

use std::collections::HashSet;
use std::sync::Arc;

use prism_backends::wrap::Encrypt;
use prism_contract::Lifecycle;
use prism_contract::keyvalue::{KeyValueBackend, Predicate, Put, RecordId, Scan};

use crate::common::{self, TestDb};
use crate::fixture::{Fixture, HERE, Place, content, get_at, metadata, put_at, ring};

/// Whether `text` is in a file.
fn has(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

#[tokio::test]
async fn a_sqlite_file_has_ids_and_keys_and_neither_values_nor_content_types() {
    const VALUE: &str = "a value in plain text";
    const CONTENT_TYPE: &str = "application/x-plain-text";
    let place = Place("the.namespace", "the id of the record", "the key of the item");
    // The same texts in a plain store are found, so the search can find them.
    for encrypted in [false, true] {
        let db = TestDb::new();
        let sqlite = Arc::new(db.open().await);
        let store: Arc<dyn KeyValueBackend> =
            if encrypted { Arc::new(Encrypt::new(sqlite, ring(&[("k1", 1)]))) } else { sqlite };
        put_at(&*store, place, content(VALUE, CONTENT_TYPE, 1)).await;
        assert_eq!(get_at(&*store, place, false).await.unwrap().value, VALUE);
        let file = |name: &str| std::fs::read(db.folder.path().join(name)).unwrap();
        let while_open = [file("prism.db"), file("prism.db-wal")].concat();
        store.close().await;
        for (bytes, when) in [(while_open, "while open"), (file("prism.db"), "closed")] {
            for text in [place.0, place.1, place.2] {
                assert!(has(&bytes, text), "{text:?} is not in the file {when}");
            }
            for text in [VALUE, CONTENT_TYPE] {
                assert_eq!(has(&bytes, text), !encrypted, "{text:?}, {when}");
            }
        }
    }
}

#[tokio::test]
async fn empty_metadata_and_an_empty_value_are_sealed_too() {
    let fixture = Fixture::new();
    fixture.put(HERE, content("", "", 0)).await;
    let row = fixture.row(HERE).await;
    let (header, sealed) = metadata(&row);
    // 28 bytes of nonce and tag; the compression has 4.
    assert_eq!((row.0.len(), header.len(), sealed.len(), row.2), (28, 67, 32, 0));
    assert_eq!(fixture.get(HERE).await.unwrap(), content("", "", 0));
}

#[tokio::test]
async fn no_nonce_is_used_twice() {
    const ITEMS: usize = 1_000;
    let fixture = Fixture::new();
    for id in ["r", "s", "t"] {
        let items = (0..ITEMS).map(|number| common::item(format!("{number}"), "the same value"));
        let put = Put { id: RecordId::new(id).unwrap(), ..common::put_items(items.collect()) };
        KeyValueBackend::put(&fixture.encrypt, put).await.unwrap();
    }
    let mut nonces = HashSet::new();
    for id in ["r", "s", "t"] {
        let scan = Scan { id: Some(common::record(id)), ..common::scan(Predicate::All) };
        let page = KeyValueBackend::scan(&*fixture.stored, &scan).await.unwrap();
        for entry in page.entries {
            let row = (entry.item.value, entry.item.content_type, 0);
            nonces.insert(row.0[..12].to_vec());
            nonces.insert(metadata(&row).1[..12].to_vec());
        }
    }
    assert_eq!(nonces.len(), 3 * 2 * ITEMS);
}
