//! Batches decided in memory: what each write sees of those before it, and what is left to write.

use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::row::Row;
use prism_contract::keyvalue::{Delete, Key, NewItem, Precondition, Predicate, Put, PutResult, RecordId};
use prism_contract::{Error, Namespace, Timestamp};

use super::{Change, Decision, Overlay, Write, Written};

const HOUR: Duration = Duration::from_hours(1);

fn key(name: &'static str) -> Key {
    Key::new(name).unwrap()
}

fn guards(guards: &[(&'static str, i64)]) -> Vec<Precondition> {
    guards.iter().map(|&(name, version)| Precondition::new(key(name), version).unwrap()).collect()
}

fn put(name: &'static str, preconditions: &[(&'static str, i64)]) -> Write {
    Write::Put(Put {
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
    })
}

fn delete(predicate: Predicate, token: i64) -> Write {
    Write::Delete(Delete {
        namespace: Namespace::new("n").unwrap(),
        id: RecordId::new("r").unwrap(),
        predicate,
        token,
        preconditions: Vec::new(),
        now: Timestamp::EPOCH,
    })
}

fn live(version: i64, token: i64) -> Row {
    let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    Row { version, token, created_at, updated_at, expires_at: None, deleted_at: None }
}

fn answer(overlay: &mut Overlay<'_>, number: usize) -> Result<Written, Error> {
    match overlay.decide(number)? {
        Decision::Answer(written) => Ok(written),
        Decision::ByStore(delete) => panic!("{delete:?} was left to the store"),
    }
}

fn applied(version: i64) -> Written {
    Written::Put(vec![PutResult { applied: true, version }])
}

#[test]
fn a_write_sees_those_before_it_and_one_that_fails_leaves_no_trace() {
    let writes = [put("a", &[]), put("a", &[("a", 0)]), put("b", &[("a", 8)])];
    let writes: Vec<_> = writes.iter().collect();
    let mut overlay = Overlay::new(&writes, HOUR);
    overlay.continue_after(7);

    assert_eq!(answer(&mut overlay, 0).unwrap(), applied(8));
    let Err(Error::PreconditionFailed(failures)) = answer(&mut overlay, 1) else { panic!("it must fail") };
    assert_eq!((&failures[0].key[..], failures[0].current_version), (&b"a"[..], 8));
    assert_eq!(answer(&mut overlay, 2).unwrap(), applied(9));

    let changed: Vec<_> = overlay.take_changes().iter().map(|pending| pending.place.key).collect();
    assert_eq!(changed, [b"a", b"b"]);
    assert_eq!(overlay.last_version(), 9);
}

#[test]
fn a_key_written_twice_is_written_once_as_the_last_write_left_it() {
    let named = Predicate::keys([key("a")]).unwrap();
    let writes = [put("a", &[]), put("a", &[]), delete(named, 3)];
    let writes: Vec<_> = writes.iter().collect();
    let mut overlay = Overlay::new(&writes, HOUR);
    for number in 0..3 {
        answer(&mut overlay, number).unwrap();
    }
    let changes = overlay.take_changes();
    assert_eq!(changes.len(), 1);
    assert!(matches!(changes[0].change, Change::Tombstone(Row { version: 2, token: 3, .. })));
    assert!(overlay.take_changes().is_empty(), "what was taken is pending no more");
}

#[test]
fn a_delete_done_by_the_store_is_known_to_the_writes_after_it() {
    let writes = [put("a", &[]), delete(Predicate::All, 0), put("c", &[("a", 0), ("b", 0), ("z", 0)])];
    let writes: Vec<_> = writes.iter().collect();
    let mut overlay = Overlay::new(&writes, HOUR);
    let slot = |name: &str, overlay: &Overlay<'_>| {
        overlay.places().iter().position(|place| place.key == name.as_bytes()).unwrap()
    };
    let (b, z) = (slot("b", &overlay), slot("z", &overlay));
    overlay.know(b, live(1, 5));
    overlay.know(z, live(2, 0));
    overlay.continue_after(2);

    answer(&mut overlay, 0).unwrap();
    let Ok(Decision::ByStore(delete)) = overlay.decide(1) else { panic!("a delete of all is the store's") };
    assert_eq!(overlay.take_changes().len(), 1, "the Put comes before the Delete");
    overlay.swept_by(delete);
    assert_eq!(answer(&mut overlay, 2).unwrap(), applied(4));
    let changed: Vec<_> = overlay.take_changes().iter().map(|pending| pending.place.key).collect();
    assert_eq!(changed, [b"c"], "the store has written what the Delete did");
}
