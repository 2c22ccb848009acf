//! A database that goes away and comes back: never an empty answer, nothing that was answered is lost, and no restart of the
//! gateway is needed (ERR-1, DUR-1, HEALTH-1).

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::Options;
use prism_contract::keyvalue::{Get, KeyValueBackend, Predicate, Put, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use prism_testkit::{Backend, Cuttable, Private, skips};
use sqlx::Executor;
use tokio::time::timeout;

use crate::common::{at, get, put, record};
use crate::place::{Place, place};

fn code<T>(answer: Result<T, Error>) -> Result<T, Code> {
    answer.map_err(|error| error.code())
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_unavailable_and_well_again_when_it_can() {
    let place = place!("a_database_that_cannot_be_reached_is_unavailable_and_well_again_when_it_can");
    let relay = Cuttable::before(place.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    let written = store.put(put("a", "1")).await.unwrap();
    assert_eq!(store.get(&get(Predicate::All)).await.unwrap().items.len(), 1);

    relay.cut().await.unwrap();
    // Twice: once on the connections that broke, once on those that cannot be made.
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

#[tokio::test]
async fn a_read_does_not_notice_that_its_connection_broke_while_nobody_used_it() {
    let place = place!("a_read_does_not_notice_that_its_connection_broke_while_nobody_used_it");
    let relay = Cuttable::before(place.url()).await.unwrap();
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
async fn an_outage_that_one_writer_met_fails_no_write_of_another_one() {
    let place = place!("an_outage_that_one_writer_met_fails_no_write_of_another_one");
    let relay = Cuttable::before(place.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    at_once_by_two_writers(&place, &store).await;
    relay.cut().await.unwrap();
    relay.restore().await.unwrap();
    // Both connections are broken, which has not been noticed yet.
    let met = code(store.put(put("a", "1")).await.map(drop));
    assert!(matches!(met, Ok(()) | Err(Code::Unavailable)), "{met:?}");
    at_once_by_two_writers(&place, &store).await;
}

/// Two writes that are under way at the same time.
async fn at_once_by_two_writers(place: &Place, store: &Postgres) {
    let mut stranger = place.stranger().await;
    stranger.execute("BEGIN").await.unwrap();
    stranger.execute("LOCK TABLE prism_items").await.unwrap();
    let write = |id| async move { store.put(Put { id: record(id), ..put("a", "1") }).await };
    let second = async {
        while place.waiting().await < 1 {}
        write("second").await
    };
    let letting_go = async {
        while place.waiting().await < 2 {}
        stranger.execute("ROLLBACK").await
    };
    // A write that fails never waits for the table: then the stranger is the one that gives up.
    let both = futures::future::try_join(write("first"), second);
    let (both, let_go) = futures::join!(both, timeout(Duration::from_secs(20), letting_go));
    let (first, second) = both.unwrap();
    assert!(first[0].applied && second[0].applied);
    let_go.expect("two write at the same time").unwrap();
}

#[tokio::test]
async fn a_database_that_says_nothing_is_unavailable_before_a_method_ends() {
    let place = place!("a_database_that_says_nothing_is_unavailable_before_a_method_ends");
    let relay = Cuttable::before(place.url()).await.unwrap();
    let mut options = Options::new(relay.url());
    // The server's own timeouts never come: it is the way to it that is slow.
    (options.statement_timeout, options.connect_timeout) = (Duration::from_secs(1), Duration::from_secs(2));
    let store = Postgres::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    relay.delay(Duration::from_mins(5));
    assert_eq!(code(store.get(&get(Predicate::All)).await), Err(Code::Unavailable));
    assert_eq!(code(store.put(put("a", "2")).await), Err(Code::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_the_server_stopped_and_after_it_was_killed() {
    let test = "what_was_answered_is_there_after_the_server_stopped_and_after_it_was_killed";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let store = Postgres::open(Options::new(server.url())).await.unwrap();
    let mut last = 0;
    for round in 0..2 {
        // Writers that never stop, until the database does: each keeps what was answered.
        let writers = (0..4).map(|writer| answered(&store, format!("{round} {writer}")));
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
            // The write that was under way may have taken effect.
            assert!(found >= answered, "{id}: version {found} after {answered} was answered");
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

/// Writes one item of a record of its own over and over, until that fails; answers the versions it was told.
async fn answered(store: &Postgres, id: String) -> (String, Vec<i64>) {
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

/// The highest version of any item, which tells how much was written.
async fn written(store: &Postgres) -> i64 {
    let page = store.scan(&crate::common::scan(Predicate::All)).await.unwrap();
    page.entries.iter().map(|entry| entry.item.version).max().unwrap_or(0)
}
