//! Writes that are committed together: each has its own answer, none is lost, none blocks another.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{TestDb, delete, get, item, key, precondition, put, put_items};
use futures::future::join_all;
use futures::{join, pin_mut, poll};
use prism_backends::Sqlite;
use prism_contract::keyvalue::{KeyValueBackend, Precondition, Predicate, Put, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use sqlx::Executor;

async fn version(store: &Sqlite, name: &'static str) -> i64 {
    let page = store.get(&get(Predicate::keys([key(name)]).unwrap())).await.unwrap();
    page.items.first().map_or(0, |item| item.version)
}

fn code<T>(answer: &Result<T, Error>) -> Option<Code> {
    answer.as_ref().err().map(Error::code)
}

// These tests run on one thread, where all requests are queued before the writer sees any of them.

#[tokio::test]
async fn a_failed_precondition_fails_only_its_own_request() {
    let db = TestDb::new();
    let store = db.open().await;
    let guarded = Put { preconditions: vec![precondition("a", 99)], ..put("a", "lost") };
    let (first, second, third) =
        join!(store.put(put("a", "1")), store.put(guarded), store.put(put("b", "2")));
    assert_eq!(first.unwrap(), [PutResult { applied: true, version: 1 }]);
    let Err(Error::PreconditionFailed(failures)) = second else { panic!("{second:?}") };
    assert_eq!((&failures[0].key[..], failures[0].current_version), (&b"a"[..], 1));
    assert_eq!(third.unwrap(), [PutResult { applied: true, version: 2 }]);
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let values: Vec<_> = page.items.iter().map(|item| &item.value[..]).collect();
    assert_eq!(values, [b"1", b"2"]);
}

#[tokio::test]
async fn a_request_rejected_by_the_database_does_not_fail_others() {
    let db = TestDb::new();
    let store = db.open().await;
    let mut other_client = db.other_client().await;
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON items WHEN NEW.key = x'626164' BEGIN SELECT RAISE(ABORT, 'no'); END";
    other_client.execute(trap).await.unwrap();
    let (first, bad, third) =
        join!(store.put(put("a", "1")), store.put(put("bad", "2")), store.put(put("c", "3")));
    assert!(first.unwrap()[0].applied);
    assert_eq!(code(&bad), Some(Code::Internal));
    assert!(third.unwrap()[0].applied);
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let keys: Vec<_> = page.items.iter().map(|item| item.key.clone()).collect();
    assert_eq!(keys, [key("a"), key("c")]);
}

#[tokio::test]
async fn a_key_queued_twice_is_written_by_each_in_order() {
    let db = TestDb::new();
    let store = db.open().await;
    let (first, second) = join!(store.put(put("a", "1")), store.put(put("a", "2")));
    assert_eq!(first.unwrap(), [PutResult { applied: true, version: 1 }]);
    assert_eq!(second.unwrap(), [PutResult { applied: true, version: 2 }]);
    let page = store.get(&get(Predicate::All)).await.unwrap();
    assert_eq!((page.items[0].value.as_ref(), page.items[0].version), (&b"2"[..], 2));
}

#[tokio::test]
async fn puts_of_more_items_than_one_statement_takes_are_committed_together() {
    let db = TestDb::new();
    let store = db.open().await;
    let puts = (0..200).map(|n| {
        let id = common::record(&format!("r{n:03}"));
        Put { id, ..put_items(vec![item("a", "1"), item("b", "2"), item("c", "3")]) }
    });
    let mut versions = Vec::new();
    for answer in join_all(puts.map(|put| store.put(put))).await {
        versions.extend(answer.unwrap().into_iter().map(|result| result.version));
    }
    assert!(versions.iter().copied().eq(1..=600));
    let whole = store.scan(&common::scan(Predicate::All)).await.unwrap();
    assert!(whole.entries.iter().map(|entry| entry.item.version).eq(1..=600));
}

#[tokio::test]
async fn a_cancelled_request_is_not_begun() {
    let db = TestDb::new();
    let store = db.open().await;
    let kept = store.put(put("kept", "1"));
    pin_mut!(kept);
    assert!(poll!(&mut kept).is_pending());
    {
        let gone = store.put(put("gone", "2"));
        pin_mut!(gone);
        assert!(poll!(&mut gone).is_pending());
    }
    kept.await.unwrap();
    assert_eq!(version(&store, "gone").await, 0);
    assert_eq!(version(&store, "kept").await, 1);
}

#[tokio::test]
async fn a_full_queue_sheds_new_requests_and_keeps_waiting_ones() {
    let db = TestDb::new();
    let mut options = db.options();
    options.queue_length = 2;
    let store = Sqlite::open(options).await.unwrap();
    let answers = join_all([put("a", "1"), put("b", "2"), put("c", "3")].map(|put| store.put(put))).await;
    let codes: Vec<_> = answers.iter().map(code).collect();
    assert_eq!(codes, [None, None, Some(Code::ResourceExhausted)]);
    assert!(store.put(put("c", "3")).await.is_ok(), "the queue has room again");
}

#[tokio::test]
async fn a_queue_full_of_bytes_sheds_new_requests() {
    let db = TestDb::new();
    let mut options = db.options();
    options.queue_bytes = 1_000;
    let store = Sqlite::open(options).await.unwrap();
    let large = || put("a", vec![0; 2_000]);
    let (first, second) = join!(store.put(large()), store.put(put("b", "2")));
    assert_eq!((code(&first), code(&second)), (None, Some(Code::ResourceExhausted)));
    assert!(store.put(large()).await.is_ok(), "its bytes were released");
}

#[tokio::test]
async fn a_lock_held_too_long_makes_writes_and_the_check_unavailable_until_it_is_free() {
    let db = TestDb::new();
    let mut options = db.options();
    options.busy_timeout = Duration::from_millis(50);
    let store = Sqlite::open(options).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(code(&store.put(put("a", "1")).await), Some(Code::Unavailable));
    assert_eq!(code(&store.check().await), Some(Code::Unavailable));
    assert!(store.get(&get(Predicate::All)).await.is_ok(), "reads do not need the lock");
    other_client.execute("ROLLBACK").await.unwrap();
    store.check().await.unwrap();
    assert_eq!(store.put(put("a", "1")).await.unwrap(), [PutResult { applied: true, version: 1 }]);
}

/// Lets the writer take queued writes.
async fn let_writer_run() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_cancelled_while_another_process_holds_the_lock_is_not_applied() {
    let db = TestDb::new();
    let mut options = db.options();
    options.busy_timeout = Duration::from_mins(1);
    let store = Sqlite::open(options).await.unwrap();
    let mut other_client = db.other_client().await;
    // Unconditional Puts, of which the first reserves versions for the next ones; then Puts that are decided in memory.
    for (round, token) in [(0_u8, 0), (1, 0), (2, 1), (3, 1)] {
        let write = |name: [u8; 2]| Put { token, ..put(name.to_vec(), "1") };
        other_client.execute("BEGIN IMMEDIATE").await.unwrap();
        let kept = store.put(write([b'k', round]));
        pin_mut!(kept);
        assert!(poll!(&mut kept).is_pending());
        {
            let cancelled = store.put(write([b'g', round]));
            pin_mut!(cancelled);
            assert!(poll!(cancelled).is_pending());
            let_writer_run().await;
        }
        // Long enough to count as a wait for a lock.
        tokio::time::sleep(Duration::from_millis(20)).await;
        other_client.execute("ROLLBACK").await.unwrap();
        kept.await.unwrap();

        other_client.execute("BEGIN IMMEDIATE").await.unwrap();
        {
            let alone = store.put(write([b'a', round]));
            pin_mut!(alone);
            assert!(poll!(alone).is_pending());
            let_writer_run().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        other_client.execute("ROLLBACK").await.unwrap();
        store.put(write([b'l', round])).await.unwrap();
    }
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|item| item.key.as_bytes()[0]).collect();
    assert_eq!(names, b"kkkkllll");
}

#[tokio::test]
async fn a_read_that_fails_is_never_an_empty_answer() {
    let db = TestDb::new();
    let store = db.open().await;
    store.put(put("a", "1")).await.unwrap();
    db.other_client().await.execute("DROP TABLE items").await.unwrap();
    assert_eq!(code(&store.get(&get(Predicate::All)).await), Some(Code::Internal));
    assert_eq!(code(&store.put(put("a", "1")).await), Some(Code::Internal));
}

#[tokio::test]
async fn closing_finishes_queued_writes_and_makes_the_backend_unavailable() {
    let db = TestDb::new();
    let store = db.open().await;
    let (written, ()) = join!(store.put(put("a", "1")), store.close());
    written.unwrap();
    assert_eq!(code(&store.put(put("b", "1")).await), Some(Code::Unavailable));
    assert_eq!(code(&store.get(&get(Predicate::All)).await), Some(Code::Unavailable));
    assert_eq!(code(&store.check().await), Some(Code::Unavailable));
    assert_eq!(version(&db.open().await, "a").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_by_compare_and_retry_add_up_through_two_stores_on_one_file() {
    const CALLERS: usize = 8;
    const EACH: u64 = 20;
    let db = TestDb::new();
    let stores = [Arc::new(db.open().await), Arc::new(db.open().await)];
    let callers = (0..CALLERS).map(|caller| {
        let store = Arc::clone(&stores[caller % 2]);
        tokio::spawn(async move {
            for _ in 0..EACH {
                while !increment(&store).await {}
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    let page = stores[0].get(&get(Predicate::All)).await.unwrap();
    assert_eq!(number(&page.items[0].value), CALLERS as u64 * EACH);
    // Each write increased it (VER-1), by more than one if the other store had drawn versions in between.
    assert!(page.items[0].version >= i64::try_from(CALLERS as u64 * EACH).unwrap());
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// Increments the counter; false if another writer was faster.
async fn increment(store: &Sqlite) -> bool {
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let (count, version) = page.items.first().map_or((0, 0), |item| (number(&item.value), item.version));
    let preconditions = vec![Precondition::new(key("counter"), version).unwrap()];
    let next = put("counter", (count + 1).to_string());
    match store.put(Put { preconditions, ..next }).await {
        Ok(_) => true,
        Err(Error::PreconditionFailed(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_delete_concurrent_with_a_put_removes_all_of_it_or_nothing() {
    let db = TestDb::new();
    let stores = [db.open().await, db.open().await];
    for round in 0..30 {
        let many = put_items((0..20).map(|n| item(format!("{n:02}"), "v")).collect());
        let range = Predicate::range(Bytes::from_static(b"0"), Bytes::from_static(b"2")).unwrap();
        let (written, deleted) = join!(stores[0].put(many), stores[1].delete(delete(range)));
        written.unwrap();
        let left = stores[0].get(&get(Predicate::All)).await.unwrap().items.len() as u64;
        let deleted = deleted.unwrap();
        assert!(
            matches!((left, deleted), (0, 20) | (20, 0 | 20)),
            "round {round}: {deleted} deleted, {left} left"
        );
    }
}

#[tokio::test]
async fn a_put_at_the_limits_is_read_back_byte_for_byte_over_pages() {
    let db = TestDb::new();
    let store = db.open().await;
    let large: Vec<_> =
        (0..4_u8).map(|n| item(vec![0xFF; 1_024 - usize::from(n)], vec![n; (1 << 20) - 2_048])).collect();
    store.put(put_items(large.clone())).await.unwrap();
    let mut left = large.into_iter().rev();
    let mut query = get(Predicate::All);
    loop {
        let page = store.get(&query.clone()).await.unwrap();
        for found in &page.items {
            let expected = left.next().unwrap();
            assert!(found.key == expected.key && found.value == expected.value);
        }
        if !page.more {
            break;
        }
        query.after = page.items.last().map(|item| item.key.clone());
    }
    assert!(left.next().is_none());
}

#[tokio::test]
async fn many_items_are_written_read_and_deleted_in_every_size_of_statement() {
    let db = TestDb::new();
    let store = db.open().await;
    // With a precondition a Put reads its rows first; without one it takes the fast path.
    let preconditions = [Vec::new(), vec![precondition("0000", 0)]];
    let counts = [1, 4, 5, 16, 17, 64, 65, 256, 257, 1_000];
    let mut last = 0;
    for (count, preconditions) in
        counts.into_iter().flat_map(|count| preconditions.clone().map(|preconditions| (count, preconditions)))
    {
        let names: Vec<_> = (0..count).map(|n| format!("{n:04}")).collect();
        let items = names.iter().map(|name| item(name.clone(), name.clone())).collect();
        let results = store.put(Put { preconditions, ..put_items(items) }).await.unwrap();
        let versions = last + 1..=last + i64::try_from(count).unwrap();
        last = *versions.end();
        assert!(
            results.iter().map(|result| (result.applied, result.version)).eq(versions.map(|v| (true, v)))
        );
        let keys = Predicate::keys(names.iter().map(|name| key(name.clone()))).unwrap();
        let page = store.get(&get(keys.clone())).await.unwrap();
        assert!(page.items.iter().all(|item| item.key.as_bytes() == item.value));
        assert!(page.items.iter().zip(&results).all(|(item, result)| item.version == result.version));
        assert_eq!((page.items.len(), page.more), (count, false));
        assert_eq!(store.delete(delete(keys)).await.unwrap(), count as u64);
        assert!(store.get(&get(Predicate::All)).await.unwrap().items.is_empty());
    }
}
