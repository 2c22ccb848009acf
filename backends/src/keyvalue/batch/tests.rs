//! Batches decided in memory: each write sees those before it, and the changes left to write.

use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::row::Row;
use prism_contract::keyvalue::{Delete, Key, NewItem, Precondition, Predicate, Put, PutResult, RecordId};
use prism_contract::{Error, Namespace, Timestamp};

use super::{Change, Decision, Overlay};
use crate::keyvalue::Request;

const HOUR: Duration = Duration::from_hours(1);

fn key(name: &'static str) -> Key {
    Key::new(name).unwrap()
}

fn guards(guards: &[(&'static str, i64)]) -> Vec<Precondition> {
    guards.iter().map(|&(name, version)| Precondition::new(key(name), version).unwrap()).collect()
}

fn put(name: &'static str, preconditions: &[(&'static str, i64)]) -> Put {
    Put {
        namespace: Namespace::new("n").unwrap(),
        id: RecordId::new("r").unwrap(),
        items: vec![NewItem {
            key: key(name),
            value: Bytes::from_static(b"v"),
            content_type: String::new(),
            compression: 0,
        }],
        token: 0,
        expires_at: None,
        preconditions: guards(preconditions),
        now: Timestamp::EPOCH,
    }
}

fn delete(predicate: Predicate, token: i64) -> Delete {
    Delete {
        namespace: Namespace::new("n").unwrap(),
        id: RecordId::new("r").unwrap(),
        predicate,
        token,
        preconditions: Vec::new(),
        now: Timestamp::EPOCH,
    }
}

fn live(version: i64, token: i64) -> Row {
    let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    Row { version, token, created_at, updated_at, expires_at: None, deleted_at: None }
}

fn applied(version: i64) -> Vec<PutResult> {
    vec![PutResult { applied: true, version }]
}

fn put_of(overlay: &mut Overlay<'_>, number: usize) -> Result<Vec<PutResult>, Error> {
    let Decision::Put(answer) = overlay.decide(number) else { panic!("write {number} is a Put") };
    answer
}

#[test]
fn a_write_sees_those_before_it_and_one_that_fails_changes_nothing() {
    let puts = [put("a", &[]), put("a", &[("a", 0)]), put("b", &[("a", 8)])];
    let requests: Vec<_> = puts.iter().map(Request::Put).collect();
    let mut overlay = Overlay::new(&requests, HOUR);
    overlay.continue_after(7);

    assert_eq!(put_of(&mut overlay, 0).unwrap(), applied(8));
    let Err(Error::PreconditionFailed(failures)) = put_of(&mut overlay, 1) else { panic!("it must fail") };
    assert_eq!((&failures[0].key[..], failures[0].current_version), (&b"a"[..], 8));
    assert_eq!(put_of(&mut overlay, 2).unwrap(), applied(9));

    let changed: Vec<_> = overlay.take_changes().iter().map(|pending| pending.full_key.key).collect();
    assert_eq!(changed, [b"a", b"b"]);
    assert_eq!(overlay.last_version(), 9);
}

#[test]
fn a_key_written_twice_is_written_once_as_the_last_write_left_it() {
    let (put, delete) = (put("a", &[]), delete(Predicate::keys([key("a")]).unwrap(), 3));
    let requests = [Request::Put(&put), Request::Put(&put), Request::Delete(&delete)];
    let mut overlay = Overlay::new(&requests, HOUR);
    let first = put_of(&mut overlay, 0).unwrap();
    assert_eq!((first, put_of(&mut overlay, 1).unwrap()), (applied(1), applied(2)));
    assert!(matches!(overlay.decide(2), Decision::Delete(Ok(1))));
    let changes = overlay.take_changes();
    assert_eq!(changes.len(), 1);
    assert!(matches!(changes[0].change, Change::Tombstone(Row { version: 2, token: 3, .. })));
    assert!(overlay.take_changes().is_empty(), "changes that were taken are no longer pending");
}

#[test]
fn a_delete_by_the_store_is_seen_by_the_writes_after_it() {
    let (first, last) = (put("a", &[]), put("c", &[("a", 0), ("b", 0), ("z", 0)]));
    let all = delete(Predicate::All, 0);
    let requests = [Request::Put(&first), Request::Delete(&all), Request::Put(&last)];
    let mut overlay = Overlay::new(&requests, HOUR);
    let slot = |name: &str, overlay: &Overlay<'_>| {
        overlay.full_keys().iter().position(|full_key| full_key.key == name.as_bytes()).unwrap()
    };
    let (b, z) = (slot("b", &overlay), slot("z", &overlay));
    overlay.set_row(b, live(1, 5));
    overlay.set_row(z, live(2, 0));
    overlay.continue_after(2);

    put_of(&mut overlay, 0).unwrap();
    let Decision::ByStore(delete) = overlay.decide(1) else { panic!("the store executes a delete of all") };
    assert_eq!(overlay.take_changes().len(), 1, "the Put comes before the Delete");
    overlay.apply_store_delete(delete);
    assert_eq!(put_of(&mut overlay, 2).unwrap(), applied(4));
    let changed: Vec<_> = overlay.take_changes().iter().map(|pending| pending.full_key.key).collect();
    assert_eq!(changed, [b"c"], "the store has written the changes of the Delete");
}
