//! Failover of a hostname to another server: nothing is read from a standby, acknowledged writes stay visible, and the
//! gateway recovers by itself as soon as the hostname points to a server that accepts writes (LIN-1, DUR-1, HEALTH-1).

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::{OpenError, Options};
use prism_contract::keyvalue::{KeyValueBackend, Predicate, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use prism_testkit::{Backend, Cuttable, Private, lacks, skips};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::{Instant, timeout};

use crate::common::{get, put};

/// Maximum recovery time of a backend.
const RECOVERY: Duration = Duration::from_secs(2);

/// A primary and its standby, and an endpoint that points to one of them.
struct Pair {
    primary: Private,
    standby: Private,
    endpoint: Cuttable,
}

impl Pair {
    async fn new(test: &str) -> Option<Self> {
        if skips(Backend::Postgres, test) || lacks(&["initdb", "pg_basebackup"], test) {
            return None;
        }
        let primary = Private::launch_by_programs().await.unwrap_or_else(|error| panic!("{error}"));
        let standby = primary.standby().await.unwrap_or_else(|error| panic!("{error}"));
        let endpoint = Cuttable::before(primary.url()).await.unwrap();
        Some(Self { primary, standby, endpoint })
    }

    async fn open(&self) -> Postgres {
        Postgres::open(Options::new(self.endpoint.url())).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Points the endpoint to `server`, and resets existing connections.
    async fn point_to(&self, server: &Private) {
        self.endpoint.point_to(server.url()).unwrap();
        self.endpoint.cut().await.unwrap();
        self.endpoint.restore().await.unwrap();
    }

    /// Waits until the standby has replayed all writes of the primary.
    async fn caught_up(&self) {
        let written: String = query(&self.primary, "SELECT pg_current_wal_lsn()::text").await;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn");
        while !query::<bool>(&self.standby, &replayed).await {}
    }
}

async fn run(server: &Private, statement: &str) {
    let mut other_client = PgConnection::connect(server.url()).await.unwrap();
    other_client.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.unwrap();
}

async fn query<T>(server: &Private, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let mut other_client = PgConnection::connect(server.url()).await.unwrap();
    other_client.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap().get(0)
}

fn code<T>(answer: Result<T, Error>) -> Result<T, Code> {
    answer.map_err(|error| error.code())
}

/// The value of the only item.
async fn read(store: &Postgres) -> Result<String, Code> {
    let page = code(store.get(&get(Predicate::All)).await)?;
    Ok(page.items.iter().map(|item| String::from_utf8_lossy(&item.value).into_owned()).collect())
}

async fn write(store: &Postgres, value: &'static str) -> Result<(), Code> {
    let answer = code(store.put(put("k", value)).await)?;
    assert!(matches!(answer[..], [PutResult { applied: true, .. }]), "{answer:?}");
    Ok(())
}

/// Retries until success within [`RECOVERY`]; every failure must be UNAVAILABLE.
async fn recovers<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, Code>) -> T {
    let until = Instant::now() + RECOVERY;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(code) => assert!(code == Code::Unavailable && Instant::now() < until, "{what}: {code}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostname_that_points_to_a_standby_temporarily_serves_nothing_from_it_and_recovers() {
    let test = "a_hostname_that_points_to_a_standby_temporarily_serves_nothing_from_it_and_recovers";
    let Some(pair) = Pair::new(test).await else { return };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    pair.caught_up().await;
    run(&pair.standby, "SELECT pg_wal_replay_pause()").await;
    write(&store, "two").await.unwrap();

    pair.point_to(&pair.standby).await;
    for _ in 0..5 {
        let reads = join_all((0..10).map(|_| read(&store))).await;
        assert!(reads.iter().all(|read| *read == Err(Code::Unavailable)), "{reads:?}");
        assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
    }
    assert!(
        matches!(Postgres::open(Options::new(pair.endpoint.url())).await, Err(OpenError::ReadOnly { .. })),
        "a gateway that starts now"
    );

    pair.point_to(&pair.primary).await;
    recovers("a Put", async || write(&store, "three").await).await;
    let reads = join_all((0..20).map(|_| read(&store))).await;
    assert!(reads.iter().all(|read| *read == Ok("three".to_owned())), "{reads:?}");
    assert_eq!(code(store.check().await), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_two_servers_are_never_used_together() {
    let Some(pair) = Pair::new("sessions_of_two_servers_are_never_used_together").await else { return };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    pair.caught_up().await;
    run(&pair.standby, "SELECT pg_wal_replay_pause()").await;
    write(&store, "two").await.unwrap();
    // Open sessions stay with the primary; new ones go to the standby, which has `one`.
    pair.endpoint.point_to(pair.standby.url()).unwrap();
    for _ in 0..5 {
        for read in join_all((0..20).map(|_| read(&store))).await {
            assert!(matches!(&read, Err(Code::Unavailable)) || read == Ok("two".to_owned()), "{read:?}");
        }
    }
    // The standby is promoted while the old primary still runs, with open sessions.
    pair.endpoint.point_to(pair.primary.url()).unwrap();
    recovers("a Put", async || write(&store, "three").await).await;
    run(&pair.standby, "SELECT pg_wal_replay_resume()").await;
    pair.caught_up().await;
    pair.standby.promote().await.unwrap();
    pair.endpoint.point_to(pair.standby.url()).unwrap();
    // Many at once, so that new sessions are opened in addition to the old ones.
    recovers("reads", async || {
        join_all((0..20).map(|_| read(&store))).await.into_iter().collect::<Result<Vec<_>, _>>()
    })
    .await;
    write(&store, "four").await.unwrap();
    for _ in 0..5 {
        let reads = join_all((0..20).map(|_| read(&store))).await;
        assert!(reads.iter().all(|read| *read == Ok("four".to_owned())), "{reads:?}");
    }
    let value: String = query(&pair.standby, "SELECT convert_from(value, 'UTF8') FROM prism_items").await;
    assert_eq!(value, "four", "the server of the hostname has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_are_read_from_the_promoted_standby() {
    let Some(pair) = Pair::new("acknowledged_writes_are_read_from_the_promoted_standby").await else {
        return;
    };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    let before = store.put(put("k", "two")).await.unwrap()[0].version;
    pair.caught_up().await;
    pair.primary.stop().await.unwrap();
    assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
    pair.standby.promote().await.unwrap();
    pair.point_to(&pair.standby).await;
    assert_eq!(recovers("a Get", async || read(&store).await).await, "two");
    recovers("a Put", async || write(&store, "three").await).await;
    // The old primary comes back, and is not used.
    pair.primary.start().await.unwrap();
    let reads = join_all((0..20).map(|_| read(&store))).await;
    assert!(reads.iter().all(|read| *read == Ok("three".to_owned())), "{reads:?}");
    let after = store.put(put("k", "four")).await.unwrap()[0].version;
    assert!(after > before, "{after} after {before} (DUR-3)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_serves_nothing_until_it_accepts_writes() {
    let test = "a_read_only_server_serves_nothing_until_it_accepts_writes";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let set = async |value: &str| {
        // A read-only session may still run this.
        run(&server, &format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await;
        run(&server, "SELECT pg_reload_conf()").await;
        while query::<String>(&server, "SHOW default_transaction_read_only").await != value {}
    };
    let store = Postgres::open(Options::new(server.url())).await.unwrap();
    write(&store, "one").await.unwrap();
    set("on").await;
    // At the latest when a write is refused, every session is invalidated; new ones are refused.
    while write(&store, "lost").await.is_ok() {}
    for _ in 0..5 {
        assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
        assert_eq!(read(&store).await, Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
    }
    set("off").await;
    recovers("a Put", async || write(&store, "two").await).await;
    assert_eq!(recovers("a Get", async || read(&store).await).await, "two");
    assert_eq!(code(store.check().await), Ok(()));
    // Detected by the check, without any write.
    set("on").await;
    let until = Instant::now() + RECOVERY;
    while store.check().await.is_ok() {
        assert!(Instant::now() < until, "the check does not detect the read-only server");
    }
    assert_eq!(read(&store).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn an_idle_connection_that_stopped_responding_is_dropped_within_about_a_second() {
    let db = crate::test_db::test_db!(
        "an_idle_connection_that_stopped_responding_is_dropped_within_about_a_second"
    );
    let relay = Cuttable::before(db.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    write(&store, "one").await.unwrap();
    assert_eq!(read(&store).await.unwrap(), "one");
    relay.strand(Duration::from_mins(5));
    // A connection is pinged if it was idle for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (read, written) =
        timeout(Duration::from_secs(3), async { futures::join!(read(&store), write(&store, "two")) })
            .await
            .expect("idle connections are waited for too long");
    assert_eq!((read.map(|value| value.is_empty()), written), (Ok(false), Ok(())));
}
