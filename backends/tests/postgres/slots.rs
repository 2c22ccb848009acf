//! A Postgres with few connection slots: requests wait for a session that becomes free, and checks do not block them.

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::Options;
use prism_contract::keyvalue::{KeyValueBackend, Predicate, Put};
use prism_contract::{Code, Lifecycle};
use prism_testkit::{Backend, Private, skips};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, timeout};

use crate::common::{get, put, record};
use crate::test_db::test_db;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_few_slots_requests_wait_for_a_session_that_becomes_free() {
    let test = "with_too_few_slots_requests_wait_for_a_session_that_becomes_free";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let mut admin = PgConnection::connect(server.url()).await.unwrap();
    let role =
        "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 2; GRANT CREATE ON SCHEMA public TO few";
    admin.execute(sqlx::raw_sql(role)).await.unwrap();
    let url = few(server.url());
    let store = Postgres::open(Options::new(&url)).await.unwrap();
    for round in 0..5 {
        let reads = (0..40).map(|_| async { store.get(&get(Predicate::All)).await.map(drop) });
        let scans =
            (0..20).map(|_| async { store.scan(&crate::common::scan(Predicate::All)).await.map(drop) });
        let writes = (0..40).map(|n| {
            let put = Put { id: record(&format!("r{n}")), ..put("a", "1") };
            async { store.put(put).await.map(drop) }
        });
        let (reads, scans, writes, check) =
            futures::join!(join_all(reads), join_all(scans), join_all(writes), store.check());
        for answer in reads.into_iter().chain(scans).chain(writes).chain([check]) {
            answer.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        }
    }
    // Others take every slot, and we hold no session: an immediate error with a retry delay.
    admin.execute("ALTER ROLE few CONNECTION LIMIT 0").await.unwrap();
    admin
        .execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'few'")
        .await
        .unwrap();
    let begun = Instant::now();
    while let Ok(_page) = store.get(&get(Predicate::All)).await {}
    let error = store.put(put("a", "1")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.retry_after().is_some() && begun.elapsed() < Duration::from_secs(1), "{error:?}");
    assert_eq!(store.check().await.map_err(|error| error.code()), Err(Code::Unavailable));
    admin.execute("ALTER ROLE few CONNECTION LIMIT 2").await.unwrap();
    store.put(put("a", "1")).await.unwrap();
}

/// The same database as the role `few`.
fn few(url: &str) -> String {
    let (_, address) = url.split_once('@').expect("a URL with a user");
    format!("postgres://few:few@{address}")
}

#[tokio::test]
async fn a_check_waits_neither_for_readers_nor_for_writers_and_leaves_nothing_behind() {
    let db = test_db!("a_check_waits_neither_for_readers_nor_for_writers_and_leaves_nothing_behind");
    let mut options = db.options();
    (options.readers, options.writers) = (1, 1);
    let store = Postgres::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("LOCK TABLE prism_items").await.unwrap();
    let busy = async {
        let reads =
            (0..20).map(|_| async { store.scan(&crate::common::scan(Predicate::All)).await.map(drop) });
        let writes = (0..20).map(|_| async { store.put(put("a", "2")).await.map(drop) });
        futures::join!(join_all(reads), join_all(writes))
    };
    let checked = async {
        while db.waiting().await < 2 {}
        for _ in 0..100 {
            // Cancelled at once: polled, and dropped.
            let _ = timeout(Duration::ZERO, store.check()).await;
        }
        let checked = timeout(Duration::from_secs(1), store.check()).await;
        other_client.execute("ROLLBACK").await.unwrap();
        checked
    };
    let ((reads, writes), checked) = futures::join!(busy, checked);
    assert!(matches!(checked, Ok(Ok(()))), "{checked:?}");
    reads.into_iter().chain(writes).collect::<Result<(), _>>().unwrap();
}
