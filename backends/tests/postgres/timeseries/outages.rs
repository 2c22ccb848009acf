//! Appends whose session ends: each is there whole or not at all, and a repetition completes it.

use std::sync::Arc;
use std::time::Duration;

use prism_backends::Postgres;
use prism_contract::Code;
use prism_contract::timeseries::{SeriesEvent, TimeSeriesBackend};
use sqlx::{Executor, Row};
use tokio::time::timeout;

use super::{append, event, ids};
use crate::test_db::test_db;

fn events(round: i64) -> Vec<SeriesEvent> {
    ["a", "b", "c"].map(|of| event(of, round, "x")).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_session_is_killed_while_it_waits_is_absent_and_can_be_repeated() {
    let db = test_db!("an_append_whose_session_is_killed_while_it_waits_is_absent_and_can_be_repeated");
    let store = Arc::new(db.open().await);
    store.append(append(events(1))).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_ts_partitions FOR UPDATE").await.unwrap();
    let appending = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.append(append(events(2))).await })
    };
    while db.waiting_for_partitions().await == 0 {}
    db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'prism_ts_partitions'::regclass \
         AND mode = 'RowExclusiveLock'",
    )
    .await;
    let killed = appending.await.unwrap().map_err(|error| error.code());
    assert_eq!(killed, Err(Code::Unavailable));
    other_client.execute("ROLLBACK").await.unwrap();
    assert_eq!(ids(&*store, "a").await.len(), 1);
    assert_eq!(store.append(append(events(2))).await.unwrap(), [false; 3]);
    assert_eq!(ids(&*store, "a").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_session_is_killed_at_any_moment_is_there_whole_or_not_at_all() {
    let db = test_db!("an_append_whose_session_is_killed_at_any_moment_is_there_whole_or_not_at_all");
    let (store, observer) = (Arc::new(db.open().await), db.open().await);
    let mut killer = db.other_client().await;
    let mut failed = 0;
    for round in 0..60 {
        let appending = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.append(append(events(round))).await })
        };
        // Up to 4 ms later, in a scattered order.
        let moment = Duration::from_micros(u64::try_from(round).unwrap() * 1_597 % 4_000);
        let _ = timeout(moment, std::future::pending::<()>()).await;
        let pids = "SELECT pid FROM pg_locks WHERE relation = to_regclass('prism_ts_partitions') \
                    AND mode = 'RowExclusiveLock'";
        // On a busy machine the Append may begin later.
        let sessions = loop {
            let sessions = killer.fetch_all(pids).await.unwrap();
            if !sessions.is_empty() || appending.is_finished() {
                break sessions;
            }
        };
        for row in sessions {
            let kill = sqlx::query("SELECT pg_terminate_backend($1)").bind(row.get::<i32, _>(0));
            killer.execute(kill).await.unwrap();
        }
        let answer = appending.await.unwrap().map_err(|error| error.code());
        let mut is_there = is_whole(&observer, round).await;
        match answer {
            Ok(duplicates) => assert!(is_there && duplicates == [false; 3], "{duplicates:?}"),
            Err(code) => {
                assert_eq!(code, Code::Unavailable);
                failed += 1;
            }
        }
        // A session that was killed after its commit fails the next write.
        loop {
            match store.append(append(events(round))).await {
                Ok(duplicates) => {
                    assert_eq!(duplicates, [is_there; 3]);
                    break;
                }
                Err(error) => assert_eq!(error.code(), Code::Unavailable),
            }
            is_there = is_whole(&observer, round).await;
        }
    }
    assert!(failed > 0, "no session was killed in time");
}

/// Whether the events of this round are there; they are all or none.
async fn is_whole(store: &Postgres, round: i64) -> bool {
    let mut there = Vec::new();
    for of in ["a", "b", "c"] {
        there.push(ids(store, of).await.len() > usize::try_from(round).unwrap());
    }
    assert!(there.iter().all(|is_there| *is_there == there[0]), "a part of an Append: {there:?}");
    there[0]
}
