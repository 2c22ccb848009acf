//! Outages of the database: never an empty answer, no acknowledged write is lost, and the gateway recovers without a restart
//! (ERR-1, DUR-1, HEALTH-1).

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::Options;
use prism_contract::keyvalue::{Get, KeyValueBackend, Predicate, Put, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use prism_testkit::{Backend, Cuttable, Private, skips};
use rstest::rstest;
use sqlx::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::common::{at, get, put, record};
use crate::test_db::{TestDb, test_db};

fn code<T>(answer: Result<T, Error>) -> Result<T, Code> {
    answer.map_err(|error| error.code())
}

#[tokio::test]
async fn an_unreachable_database_is_unavailable_until_it_is_reachable_again() {
    let db = test_db!("an_unreachable_database_is_unavailable_until_it_is_reachable_again");
    let relay = Cuttable::before(db.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    let written = store.put(put("a", "1")).await.unwrap();
    assert_eq!(store.get(&get(Predicate::All)).await.unwrap().items.len(), 1);

    relay.cut().await.unwrap();
    // Twice: first on broken connections, then without new ones.
    for _ in 0..2 {
        assert_eq!(code(store.get(&get(Predicate::All)).await), Err(Code::Unavailable));
        assert_eq!(code(store.put(put("b", "1")).await), Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
        assert_eq!(code(store.sweep(at(1)).await), Err(Code::Unavailable));
    }

    relay.restore().await.unwrap();
    assert_eq!(code(store.check().await), Ok(()));
    let page = store.get(&get(Predicate::All)).await.unwrap();
    assert_eq!(page.items[0].version, written[0].version);
    assert!(store.put(put("b", "1")).await.unwrap()[0].applied);
}

/// What a proxy without a server behind it does with a connection.
#[derive(Debug, Clone, Copy)]
enum Proxy {
    Closes,
    Answers(&'static str),
}

/// A proxy that takes connections, and is no Postgres. It ends with the test.
async fn proxy(kind: Proxy) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // After the whole request, or the close would be a reset.
            let _ = client.read(&mut [0; 512]).await;
            if let Proxy::Answers(text) = kind {
                let _ = client.write_all(text.as_bytes()).await;
            }
        }
    });
    format!("postgres://{address}/none")
}

#[rstest]
#[case::closes(Proxy::Closes)]
#[case::http(Proxy::Answers("HTTP/1.1 503 Service Unavailable\r\n\r\n"))]
#[case::no_tls_and_nothing_more(Proxy::Answers("N"))]
#[tokio::test]
async fn a_proxy_without_its_database_is_unavailable(#[case] kind: Proxy) {
    let db = test_db!("a_proxy_without_its_database_is_unavailable");
    let relay = Cuttable::before(db.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    relay.cut().await.unwrap();
    relay.point_to(&proxy(kind).await).unwrap();
    relay.restore().await.unwrap();
    for _ in 0..3 {
        assert_eq!(code(store.get(&get(Predicate::All)).await), Err(Code::Unavailable));
        assert_eq!(code(store.put(put("b", "1")).await), Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
        assert_eq!(code(store.sweep(at(1)).await), Err(Code::Unavailable));
    }
    relay.point_to(db.url()).unwrap();
    assert_eq!(store.get(&get(Predicate::All)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_read_succeeds_although_its_connection_broke_while_idle() {
    let db = test_db!("a_read_succeeds_although_its_connection_broke_while_idle");
    let relay = Cuttable::before(db.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    let all = get(Predicate::All);
    // Several connections, idle afterwards.
    for answer in join_all((0..4).map(|_| store.get(&all))).await {
        assert_eq!(answer.unwrap().items.len(), 1);
    }
    relay.cut().await.unwrap();
    relay.restore().await.unwrap();
    for answer in join_all((0..4).map(|_| store.get(&all))).await {
        assert_eq!(answer.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn an_outage_seen_by_one_writer_fails_no_write_of_another() {
    let db = test_db!("an_outage_seen_by_one_writer_fails_no_write_of_another");
    let relay = Cuttable::before(db.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    concurrent_writes_by_two_writers(&db, &store).await;
    relay.cut().await.unwrap();
    relay.restore().await.unwrap();
    // Both connections are broken, which has not been detected yet.
    let first = code(store.put(put("a", "1")).await.map(drop));
    assert!(matches!(first, Ok(()) | Err(Code::Unavailable)), "{first:?}");
    concurrent_writes_by_two_writers(&db, &store).await;
}

/// Two writes in progress at the same time.
async fn concurrent_writes_by_two_writers(db: &TestDb, store: &Postgres) {
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("LOCK TABLE prism_items").await.unwrap();
    let write = |id| async move { store.put(Put { id: record(id), ..put("a", "1") }).await };
    let second = async {
        while db.waiting().await < 1 {}
        write("second").await
    };
    let unlocking = async {
        while db.waiting().await < 2 {}
        other_client.execute("ROLLBACK").await
    };
    // A write that fails never waits for the table; then the timeout ends the wait.
    let both = futures::future::try_join(write("first"), second);
    let (both, unlocked) = futures::join!(both, timeout(Duration::from_secs(20), unlocking));
    let (first, second) = both.unwrap();
    assert!(first[0].applied && second[0].applied);
    unlocked.expect("two writes wait at the same time").unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_respond_is_unavailable_before_the_deadline() {
    let db = test_db!("a_database_that_does_not_respond_is_unavailable_before_the_deadline");
    let relay = Cuttable::before(db.url()).await.unwrap();
    let mut options = Options::new(relay.url());
    // The server's own timeouts do not apply: the network is slow.
    (options.statement_timeout, options.connect_timeout) = (Duration::from_secs(1), Duration::from_secs(2));
    let store = Postgres::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    relay.delay(Duration::from_mins(5));
    assert_eq!(code(store.get(&get(Predicate::All)).await), Err(Code::Unavailable));
    assert_eq!(code(store.put(put("a", "2")).await), Err(Code::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_stop_and_a_kill_of_the_server() {
    let test = "acknowledged_writes_survive_a_stop_and_a_kill_of_the_server";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let store = Postgres::open(Options::new(server.url())).await.unwrap();
    let mut last = 0;
    for round in 0..2 {
        // Writers that run until the database stops; each records its acknowledged versions.
        let writers = (0..4).map(|writer| write_until_failure(&store, format!("{round} {writer}")));
        let before = written(&store).await;
        let ending = async {
            while written(&store).await < before + 20 {}
            if round == 0 { server.stop().await } else { server.kill().await }.unwrap();
        };
        let (answered, ()) = futures::join!(join_all(writers), ending);
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
        server.start().await.unwrap();
        while store.check().await.is_err() {}
        for (id, versions) in answered {
            let page = store.get(&Get { id: record(&id), ..get(Predicate::All) }).await.unwrap();
            let found = page.items.iter().map(|item| item.version).max().unwrap_or(0);
            let answered = versions.last().copied().unwrap_or(0);
            // The write in progress may have taken effect.
            assert!(found >= answered, "{id}: version {found} after {answered} was acknowledged");
            last = last.max(found);
        }
        let next = store.put(put("next", "1")).await.unwrap()[0].version;
        assert!(next > last, "{next} after {last} (DUR-3)");
        last = next;
    }
    let token = Put { token: 9, ..put("token", "1") };
    assert!(store.put(token.clone()).await.unwrap()[0].applied);
    server.kill().await.unwrap();
    server.start().await.unwrap();
    while store.check().await.is_err() {}
    let repeated = store.put(token).await.unwrap();
    assert!(
        matches!(repeated[..], [PutResult { applied: false, version }] if version > last),
        "{repeated:?}"
    );
}

/// Overwrites one item of a separate record until that fails; returns the acknowledged versions.
async fn write_until_failure(store: &Postgres, id: String) -> (String, Vec<i64>) {
    let mut versions = Vec::new();
    loop {
        match store.put(Put { id: record(&id), ..put("a", "1") }).await {
            Ok(results) => versions.push(results[0].version),
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "{error:?}");
                return (id, versions);
            }
        }
    }
}

/// The highest version of any item, a measure of the writes so far.
async fn written(store: &Postgres) -> i64 {
    let page = store.scan(&crate::common::scan(Predicate::All)).await.unwrap();
    page.entries.iter().map(|entry| entry.item.version).max().unwrap_or(0)
}
