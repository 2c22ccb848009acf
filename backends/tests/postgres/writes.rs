//! Writes that are committed together: each has its own answer, none is lost, none blocks another.

use std::time::Duration;

use futures::future::join_all;
use futures::{join, pin_mut, poll};
use prism_backends::Postgres;
use prism_contract::keyvalue::{KeyValueBackend, Predicate, Put, PutResult};
use prism_contract::{Code, Error};
use sqlx::Executor;

use crate::common::{delete, get, item, key, precondition, put, put_items, record};
use crate::test_db::test_db;

fn code<T>(answer: &Result<T, Error>) -> Option<Code> {
    answer.as_ref().err().map(Error::code)
}

async fn keys(store: &Postgres) -> Vec<Vec<u8>> {
    store.get(&get(Predicate::All)).await.unwrap().items.iter().map(|item| item.key.to_vec()).collect()
}

// These tests run on one thread, where all requests are queued before a writer sees any of them.

#[tokio::test]
async fn a_failed_precondition_fails_only_its_own_request() {
    let db = test_db!("a_failed_precondition_fails_only_its_own_request");
    let store = db.open().await;
    let guarded = Put { preconditions: vec![precondition("a", 99)], ..put("a", "lost") };
    let (first, second, third) =
        join!(store.put(put("a", "1")), store.put(guarded), store.put(put("b", "2")));
    let first = first.unwrap();
    let Err(Error::PreconditionFailed(failures)) = second else { panic!("{second:?}") };
    assert_eq!((&failures[0].key[..], failures[0].current_version), (&b"a"[..], first[0].version));
    assert!(third.unwrap()[0].applied);
    assert_eq!(keys(&store).await, [b"a", b"b"]);
}

#[tokio::test]
async fn a_request_rejected_by_the_database_does_not_fail_others() {
    let db = test_db!("a_request_rejected_by_the_database_does_not_fail_others");
    let store = db.open().await;
    db
        .run(
            "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
             CREATE TRIGGER trap BEFORE INSERT ON prism_items FOR EACH ROW WHEN (NEW.key = 'bad') EXECUTE FUNCTION trap()",
        )
        .await;
    let guarded = || Put { preconditions: vec![precondition("none", 0)], ..put("bad", "2") };
    for bad in [put("bad", "2"), guarded()] {
        let (first, bad, third) = join!(store.put(put("a", "1")), store.put(bad), store.put(put("c", "3")));
        assert!(first.unwrap()[0].applied);
        assert_eq!(code(&bad), Some(Code::Internal));
        assert!(third.unwrap()[0].applied);
    }
    assert_eq!(keys(&store).await, [b"a", b"c"]);
}

#[tokio::test]
async fn a_row_locked_by_another_session_blocks_only_its_own_writes() {
    let db = test_db!("a_row_locked_by_another_session_blocks_only_its_own_writes");
    let mut options = db.options();
    options.lock_timeout = Duration::from_millis(50);
    let store = Postgres::open(options).await.unwrap();
    store.put(put("held", "1")).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_items FOR UPDATE").await.unwrap();
    let elsewhere = |name| Put { id: record("elsewhere"), ..put(name, "2") };
    let (first, second, free) =
        join!(store.put(put("held", "2")), store.put(put("held", "3")), store.put(elsewhere("free")));
    assert_eq!((code(&first), code(&second)), (Some(Code::Unavailable), Some(Code::Unavailable)));
    assert!(free.unwrap()[0].applied);
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(store.put(put("held", "2")).await.unwrap()[0].applied);
}

#[tokio::test]
async fn a_table_locked_by_another_session_is_not_waited_for_by_every_write() {
    let db = test_db!("a_table_locked_by_another_session_is_not_waited_for_by_every_write");
    let mut options = db.options();
    options.lock_timeout = Duration::from_millis(100);
    let store = Postgres::open(options).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("LOCK TABLE prism_items").await.unwrap();
    let puts = (0..200).map(|n| store.put(Put { id: record(&format!("r{n}")), ..put("a", "1") }));
    // One lock timeout per write would take 20 s.
    let answers = tokio::time::timeout(Duration::from_secs(10), join_all(puts)).await;
    let codes: Vec<_> = answers.expect("they wait for each other").iter().map(code).collect();
    assert_eq!(codes, vec![Some(Code::Unavailable); 200]);
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(store.put(put("a", "1")).await.unwrap()[0].applied);
}

#[tokio::test]
async fn a_record_locked_by_another_gateway_blocks_only_its_own_writes() {
    let db = test_db!("a_record_locked_by_another_gateway_blocks_only_its_own_writes");
    let guarded = |name| Put { preconditions: vec![precondition("none", 0)], ..put(name, "2") };
    let holder = db.open().await;
    holder.put(put("held", "1")).await.unwrap();
    // The holder has the record's lock and waits for a row.
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_items FOR UPDATE").await.unwrap();
    let holding = tokio::spawn(async move { holder.put(guarded("held")).await });
    while db.waiting().await == 0 {}

    let mut options = db.options();
    (options.lock_timeout, options.writers) = (Duration::from_millis(50), 1);
    let store = Postgres::open(options).await.unwrap();
    assert_eq!(code(&store.put(guarded("other")).await), Some(Code::Unavailable));
    assert_eq!(code(&store.put(put("other", "2")).await), Some(Code::Unavailable));
    // The same connection, in another record.
    let elsewhere = Put { id: record("elsewhere"), ..guarded("a") };
    assert!(store.put(elsewhere).await.unwrap()[0].applied);
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(holding.await.unwrap().unwrap()[0].applied);
    assert!(store.put(guarded("other")).await.unwrap()[0].applied);
}

#[tokio::test]
async fn a_cancelled_request_is_not_begun() {
    let db = test_db!("a_cancelled_request_is_not_begun");
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
    assert_eq!(keys(&store).await, [b"kept"]);
}

#[tokio::test]
async fn a_full_queue_sheds_new_requests_and_keeps_waiting_ones() {
    let db = test_db!("a_full_queue_sheds_new_requests_and_keeps_waiting_ones");
    let mut options = db.options();
    options.queue_length = 2;
    let store = Postgres::open(options).await.unwrap();
    let answers = join_all([put("a", "1"), put("b", "2"), put("c", "3")].map(|put| store.put(put))).await;
    let codes: Vec<_> = answers.iter().map(code).collect();
    assert_eq!(codes, [None, None, Some(Code::ResourceExhausted)]);
    assert!(store.put(put("c", "3")).await.unwrap()[0].applied, "the queue has room again");
}

#[tokio::test]
async fn a_put_superseded_by_its_token_is_batched_with_others_and_returns_the_version() {
    let db = test_db!("a_put_superseded_by_its_token_is_batched_with_others_and_returns_the_version");
    let store = db.open().await;
    let seen = store.put(Put { token: 5, ..put("seen", "1") }).await.unwrap();
    let late = Put { token: 5, ..put("seen", "late") };
    let newer = Put { token: 6, ..put("newer", "1") };
    let (before, late, newer, after) =
        join!(store.put(put("a", "1")), store.put(late), store.put(newer), store.put(put("z", "1")));
    assert_eq!(late.unwrap(), [PutResult { applied: false, version: seen[0].version }]);
    for applied in [before, newer, after] {
        assert!(applied.unwrap()[0].applied);
    }
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let values: Vec<_> = page.items.iter().map(|item| (&item.key[..], item.priority_token)).collect();
    assert_eq!(values, [(&b"a"[..], 0), (b"newer", 6), (b"seen", 5), (b"z", 0)]);
}

#[tokio::test]
async fn a_key_queued_twice_is_written_by_each_in_order() {
    let db = test_db!("a_key_queued_twice_is_written_by_each_in_order");
    let store = db.open().await;
    let (first, second) = join!(store.put(put("a", "1")), store.put(put("a", "2")));
    let versions = [first.unwrap()[0].version, second.unwrap()[0].version];
    assert!(versions[0] < versions[1], "{versions:?}");
    let page = store.get(&get(Predicate::All)).await.unwrap();
    assert_eq!((page.items[0].value.as_ref(), page.items[0].version), (&b"2"[..], versions[1]));
}

#[tokio::test]
async fn writes_of_many_records_are_committed_together() {
    let db = test_db!("writes_of_many_records_are_committed_together");
    let store = db.open().await;
    let puts = (0..300)
        .map(|n| Put { id: record(&format!("r{n}")), ..put_items(vec![item("a", "1"), item("b", "2")]) });
    for answer in join_all(puts.map(|put| store.put(put))).await {
        let answer = answer.unwrap();
        assert!(answer.len() == 2 && answer.iter().all(|result| result.applied));
    }
    let whole = store.scan(&crate::common::scan(Predicate::All)).await.unwrap();
    assert_eq!((whole.entries.len(), whole.more), (600, false));
}

#[tokio::test]
async fn many_items_are_written_read_and_deleted_in_one_request() {
    let db = test_db!("many_items_are_written_read_and_deleted_in_one_request");
    let store = db.open().await;
    for count in [1, 2, 16, 17, 1_000] {
        let names: Vec<_> = (0..count).map(|n| format!("{n:04}")).collect();
        let items = names.iter().map(|name| item(name.clone(), name.clone())).collect();
        store.put(put_items(items)).await.unwrap();
        let keys = Predicate::keys(names.iter().map(|name| key(name.clone()))).unwrap();
        let page = store.get(&get(keys.clone())).await.unwrap();
        assert!(page.items.iter().all(|item| item.key.as_bytes() == item.value));
        assert_eq!((page.items.len(), page.more), (count, false));
        assert_eq!(store.delete(delete(keys)).await.unwrap(), count as u64);
        assert!(store.get(&get(Predicate::All)).await.unwrap().items.is_empty());
    }
}

#[tokio::test]
async fn a_put_at_the_limits_is_read_back_byte_for_byte_over_pages() {
    let db = test_db!("a_put_at_the_limits_is_read_back_byte_for_byte_over_pages");
    let store = db.open().await;
    // Incompressible bytes: a btree accepts a long run of one byte, but possibly not these.
    let mut state = 1_u32;
    let mut noise = |len: usize| {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect::<Vec<u8>>()
    };
    let large: Vec<_> = (0..4_u8)
        .map(|n| {
            let mut name = vec![n];
            name.extend(noise(1_023));
            item(name, noise((1 << 20) - 2_048))
        })
        .collect();
    let id = record(&"é".repeat(256));
    store.put(Put { id: id.clone(), ..put_items(large.clone()) }).await.unwrap();
    let mut left = large.into_iter();
    let mut query = prism_contract::keyvalue::Get { id, ..get(Predicate::All) };
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
async fn a_read_that_fails_is_never_an_empty_answer() {
    let db = test_db!("a_read_that_fails_is_never_an_empty_answer");
    let store = db.open().await;
    store.put(put("a", "1")).await.unwrap();
    db.run("DROP TABLE prism_items").await;
    assert_eq!(code(&store.get(&get(Predicate::All)).await), Some(Code::Internal));
    assert_eq!(code(&store.put(put("a", "1")).await), Some(Code::Internal));
}
