//! An item that was changed in the database is DATA_LOSS, for that item alone.

use std::sync::Arc;

use bytes::Bytes;
use prism_contract::keyvalue::{
    Direction, Entry, EntryPage, Get, Item, ItemPage, KeyValueBackend, Position, Predicate, Scan, Selection,
};
use prism_contract::{Code, Error};

use crate::common::{self, key};
use crate::fixture::{Content, Fixture, HERE, Place, content, encoded, get_at, metadata};

fn secret() -> Content {
    content("secret value", "secret/type", 2)
}

async fn sealed() -> (Fixture, Content) {
    let fixture = Fixture::new();
    fixture.put(HERE, secret()).await;
    let row = fixture.row(HERE).await;
    (fixture, row)
}

#[tokio::test]
async fn a_row_in_the_place_of_another_is_damaged() {
    let (fixture, row) = sealed().await;
    for (place, how) in [
        (Place("n", "r", "other"), "key"),
        (Place("n", "other", "k"), "id"),
        (Place("other", "r", "k"), "namespace"),
        (Place("n", "rk", "k"), "the id's end and the key's start"),
    ] {
        fixture.put(place, content("other", "", 0)).await;
        let other = fixture.row(place).await;
        fixture.replace(place, row.clone()).await;
        fixture.replace(HERE, other).await;
        fixture.assert_damaged(place, how).await;
        fixture.assert_damaged(HERE, how).await;
        fixture.replace(HERE, row.clone()).await;
        assert_eq!(fixture.get(HERE).await.unwrap(), secret(), "the row in its own place");
    }
}

#[tokio::test]
async fn the_header_of_another_namespace_is_damage() {
    let (fixture, row) = sealed().await;
    let there = Place("other", "r", "k");
    fixture.put(there, secret()).await;
    let (header, _) = metadata(&fixture.row(there).await);
    let (_, rest) = metadata(&row);
    fixture.replace(HERE, (row.0.clone(), encoded(&header, &rest), 0)).await;
    fixture.assert_damaged(HERE, "the data key of another namespace, which is in the cache").await;
    let fresh = Fixture::over(Arc::clone(&fixture.stored), &[("a", 1)]);
    fresh.assert_damaged(HERE, "the data key of another namespace, which is not in the cache").await;
}

#[tokio::test]
async fn the_metadata_of_another_item_or_another_write_is_damage() {
    let (fixture, row) = sealed().await;
    let there = Place("n", "r", "other");
    fixture.put(there, secret()).await;
    let (_, of_other, _) = fixture.row(there).await;
    fixture.replace(HERE, (row.0.clone(), of_other, 0)).await;
    fixture.assert_damaged(HERE, "the metadata of another item").await;
    fixture.put(HERE, secret()).await;
    let (value, _, _) = fixture.row(HERE).await;
    fixture.replace(HERE, (value, row.1.clone(), 0)).await;
    fixture.assert_damaged(HERE, "the metadata of the write before").await;
}

/// A read of keys only opens no value, so nothing but the metadata can show that the row was moved.
#[tokio::test]
async fn a_row_in_the_place_of_another_is_damaged_to_a_read_of_keys_only_too() {
    let (fixture, row) = sealed().await;
    for place in [Place("n", "r", "other"), Place("n", "other", "k"), Place("other", "r", "k")] {
        fixture.replace(place, row.clone()).await;
        let error = get_at(&fixture.encrypt, place, true).await.unwrap_err();
        assert!(matches!(error, Error::DataLoss { item: 0, .. }), "{place:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_value_is_no_metadata_and_metadata_is_no_value() {
    let (fixture, (value, content_type, _)) = sealed().await;
    let (header, sealed) = metadata(&(value.clone(), content_type.clone(), 0));
    fixture.replace(HERE, (value.clone(), encoded(&header, &value), 0)).await;
    fixture.assert_damaged(HERE, "the value as the metadata").await;
    fixture.replace(HERE, (sealed.into(), content_type, 0)).await;
    fixture.assert_damaged(HERE, "the metadata as the value").await;
}

#[tokio::test]
async fn a_row_cut_at_any_length_is_damaged() {
    let (fixture, (value, content_type, _)) = sealed().await;
    for length in 0..value.len() {
        fixture.replace(HERE, (value.slice(..length), content_type.clone(), 0)).await;
        fixture.assert_damaged(HERE, &format!("{length} bytes of the value")).await;
    }
    for length in 0..content_type.len() {
        fixture.replace(HERE, (value.clone(), content_type[..length].to_owned(), 0)).await;
        fixture.assert_damaged(HERE, &format!("{length} bytes of the metadata")).await;
    }
    let longer = [&value[..], &[0]].concat();
    fixture.replace(HERE, (longer.into(), content_type.clone(), 0)).await;
    fixture.assert_damaged(HERE, "a byte after the value").await;
    for more in ["A", "AAAA", "=", "\n"] {
        fixture.replace(HERE, (value.clone(), format!("{content_type}{more}"), 0)).await;
        fixture.assert_damaged(HERE, "text after the metadata").await;
    }
}

#[tokio::test]
async fn a_row_with_any_bit_changed_is_damaged() {
    let (fixture, row) = sealed().await;
    let (value, content_type, _) = row.clone();
    for at in 0..value.len() {
        for bit in 0..8 {
            let mut flipped = value.to_vec();
            flipped[at] ^= 1 << bit;
            fixture.replace(HERE, (flipped.into(), content_type.clone(), 0)).await;
            fixture.assert_damaged(HERE, &format!("bit {bit} of byte {at} of the value")).await;
        }
    }
    let (header, sealed) = metadata(&row);
    let whole = [header, sealed].concat();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fixture.replace(HERE, (value.clone(), encoded(&flipped, &[]), 0)).await;
            fixture.assert_damaged(HERE, &format!("bit {bit} of byte {at} of the metadata")).await;
        }
    }
    fixture.replace(HERE, (value, content_type, 1)).await;
    fixture.assert_damaged(HERE, "a compression").await;
    fixture.replace(HERE, row).await;
    assert_eq!(fixture.get(HERE).await.unwrap(), secret());
}

#[tokio::test]
async fn plain_text_in_an_encrypted_namespace_is_damaged() {
    let fixture = Fixture::new();
    for row in [secret(), content("secret", "", 0), content("", "", 0), content("secret", "AAAA", 0)] {
        fixture.replace(HERE, row).await;
        fixture.assert_damaged(HERE, "plain text").await;
    }
}

#[tokio::test]
async fn another_key_of_the_same_id_is_damage_and_a_missing_id_is_an_outage() {
    let (fixture, row) = sealed().await;
    Fixture::over(Arc::clone(&fixture.stored), &[("a", 2)]).assert_damaged(HERE, "another key").await;
    let lacking = Fixture::over(Arc::clone(&fixture.stored), &[("b", 1)]);
    let error = lacking.get(HERE).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
    let cause = format!("{:?}", error.cause().unwrap());
    assert_eq!(cause, "the master key 'a' of a stored item is not in the key ring");
    assert!(!error.to_string().contains('\''), "{error}");
    // Items of the key that is there can be read, and the one that is not can be overwritten.
    let there = Place("n", "r", "other");
    lacking.put(there, secret()).await;
    assert_eq!(lacking.get(there).await.unwrap(), secret());
    lacking.put(HERE, secret()).await;
    assert_eq!(lacking.get(HERE).await.unwrap(), secret());
    assert_ne!(lacking.row(HERE).await, row);
}

#[tokio::test]
async fn a_gateway_with_another_active_key_reads_what_the_first_wrote() {
    let (fixture, _) = sealed().await;
    let rotated = Fixture::over(Arc::clone(&fixture.stored), &[("b", 2), ("a", 1)]);
    assert_eq!(rotated.get(HERE).await.unwrap(), secret());
    rotated.put(HERE, content("new", "", 0)).await;
    let both = Fixture::over(Arc::clone(&fixture.stored), &[("a", 1), ("b", 2)]);
    assert_eq!(both.get(HERE).await.unwrap(), content("new", "", 0));
    assert_eq!(fixture.get(HERE).await.unwrap_err().code(), Code::Unavailable);
}

/// The keys of items.
fn names<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<&'a [u8]> {
    items.into_iter().map(|item| item.key.as_bytes()).collect()
}

/// Five items, of which the one in the middle has a damaged value, or damaged metadata too.
async fn damaged_in_the_middle(metadata: bool) -> Fixture {
    let fixture = Fixture::new();
    for name in ["1", "2", "3", "4", "5"] {
        fixture.put(Place("ns", "r", name), secret()).await;
    }
    let (_, content_type, _) = fixture.row(Place("ns", "r", "3")).await;
    let content_type = if metadata { String::new() } else { content_type };
    fixture.replace(Place("ns", "r", "3"), (Bytes::from("garbage"), content_type, 0)).await;
    fixture
}

async fn get(
    fixture: &Fixture,
    predicate: Predicate,
    after: Option<&'static str>,
    selection: Selection,
) -> Result<ItemPage, Error> {
    let get = Get { selection, after: after.map(key), ..common::get(predicate) };
    fixture.encrypt.get(&get).await
}

async fn scan(
    fixture: &Fixture,
    after: Option<&'static str>,
    selection: Selection,
) -> Result<EntryPage, Error> {
    let after = after.map(|name| Position { id: common::record("r"), key: key(name) });
    fixture.encrypt.scan(&Scan { selection, after, ..common::scan(Predicate::All) }).await
}

#[tokio::test]
async fn a_page_ends_before_a_damaged_item_and_only_the_page_that_begins_with_it_fails() {
    for metadata in [false, true] {
        let fixture = damaged_in_the_middle(metadata).await;
        for (direction, before, last) in
            [(Direction::Forward, [b"1", b"2"], "2"), (Direction::Reverse, [b"5", b"4"], "4")]
        {
            let selection = Selection { direction, ..Selection::default() };
            let page = get(&fixture, Predicate::All, None, selection).await.unwrap();
            assert_eq!((names(&page.items), page.more), (before.map(|name| &name[..]).to_vec(), true));
            let error = get(&fixture, Predicate::All, Some(last), selection).await.unwrap_err();
            assert!(matches!(error, Error::DataLoss { item: 0, .. }), "{error:?}");
            let page = scan(&fixture, None, selection).await.unwrap();
            let items = page.entries.iter().map(|Entry { item, .. }| item);
            assert_eq!((names(items), page.more), (before.map(|name| &name[..]).to_vec(), true));
            let error = scan(&fixture, Some(last), selection).await.unwrap_err();
            assert!(matches!(error, Error::DataLoss { item: 0, .. }), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_read_of_keys_only_does_not_meet_a_damaged_value() {
    let selection = Selection { keys_only: true, ..Selection::default() };
    let fixture = damaged_in_the_middle(false).await;
    let page = get(&fixture, Predicate::All, None, selection).await.unwrap();
    assert_eq!((page.items.len(), page.more), (5, false));
    assert!(page.items.iter().all(|item| item.value.is_empty() && item.content_type == "secret/type"));
    let fixture = damaged_in_the_middle(true).await;
    let page = get(&fixture, Predicate::All, None, selection).await.unwrap();
    assert_eq!((page.items.len(), page.more), (2, true));
}

#[tokio::test]
async fn a_damaged_item_keeps_no_other_from_being_read_and_can_be_overwritten_and_deleted() {
    let place = Place("ns", "r", "3");
    for metadata in [false, true] {
        let fixture = damaged_in_the_middle(metadata).await;
        let others = Predicate::keys(["1", "4", "5"].map(key)).unwrap();
        let page = get(&fixture, others, None, Selection::default()).await.unwrap();
        assert_eq!((page.items.len(), page.more), (3, false));
        fixture.put(place, content("new", "", 0)).await;
        assert_eq!(fixture.get(place).await.unwrap(), content("new", "", 0));
        let fixture = damaged_in_the_middle(metadata).await;
        assert_eq!(fixture.delete(place).await, 1);
        let page = get(&fixture, Predicate::All, None, Selection::default()).await.unwrap();
        assert_eq!((page.items.len(), page.more), (4, false));
    }
}

#[tokio::test]
async fn an_item_of_another_master_key_ends_a_page_as_a_damaged_one_does() {
    let fixture = Fixture::new();
    fixture.put(Place("ns", "r", "1"), secret()).await;
    let other = Fixture::over(Arc::clone(&fixture.stored), &[("b", 1)]);
    other.put(Place("ns", "r", "2"), secret()).await;
    let page = get(&fixture, Predicate::All, None, Selection::default()).await.unwrap();
    assert_eq!((names(&page.items), page.more), (vec![&b"1"[..]], true));
    let error = get(&fixture, Predicate::All, Some("1"), Selection::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(get_at(&other.encrypt, Place("ns", "r", "2"), true).await.unwrap().value.is_empty());
}
