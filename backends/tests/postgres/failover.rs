//! A name that leads to another server: nothing is read from a standby, nothing that was answered is lost from sight, and the
//! gateway works again by itself as soon as the name leads to a server that takes writes (LIN-1, DUR-1, HEALTH-1).

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

/// How soon a backend is to work again.
const SOON: Duration = Duration::from_secs(2);

/// A primary and its standby, and a name for one of them.
struct Pair {
    primary: Private,
    standby: Private,
    name: Cuttable,
}

impl Pair {
    async fn new(test: &str) -> Option<Self> {
        if skips(Backend::Postgres, test) || lacks(&["initdb", "pg_basebackup"], test) {
            return None;
        }
        let primary = Private::launch_by_programs().await.unwrap_or_else(|error| panic!("{error}"));
        let standby = primary.standby().await.unwrap_or_else(|error| panic!("{error}"));
        let name = Cuttable::before(primary.url()).await.unwrap();
        Some(Self { primary, standby, name })
    }

    async fn open(&self) -> Postgres {
        Postgres::open(Options::new(self.name.url())).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The name leads elsewhere from now on, and connections made before are reset.
    async fn lead_to(&self, server: &Private) {
        self.name.point_to(server.url()).unwrap();
        self.name.cut().await.unwrap();
        self.name.restore().await.unwrap();
    }

    /// Waits until the standby has all that the primary has.
    async fn caught_up(&self) {
        let written: String = query(&self.primary, "SELECT pg_current_wal_lsn()::text").await;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn");
        while !query::<bool>(&self.standby, &replayed).await {}
    }
}

async fn run(server: &Private, statement: &str) {
    let mut stranger = PgConnection::connect(server.url()).await.unwrap();
    stranger.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.unwrap();
}

async fn query<T>(server: &Private, question: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let mut stranger = PgConnection::connect(server.url()).await.unwrap();
    stranger.fetch_one(sqlx::raw_sql(AssertSqlSafe(question.to_owned()))).await.unwrap().get(0)
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

/// Tries until it is done, which must be soon; meanwhile everything else is UNAVAILABLE.
async fn soon<T>(what: &str, mut tried: impl AsyncFnMut() -> Result<T, Code>) -> T {
    let until = Instant::now() + SOON;
    loop {
        match tried().await {
            Ok(done) => return done,
            Err(code) => assert!(code == Code::Unavailable && Instant::now() < until, "{what}: {code}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_a_standby_for_a_while_serves_nothing_from_it_and_all_is_well_afterwards() {
    let test = "a_name_that_leads_to_a_standby_for_a_while_serves_nothing_from_it_and_all_is_well_afterwards";
    let Some(pair) = Pair::new(test).await else { return };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    pair.caught_up().await;
    run(&pair.standby, "SELECT pg_wal_replay_pause()").await;
    write(&store, "two").await.unwrap();

    pair.lead_to(&pair.standby).await;
    for _ in 0..5 {
        let reads = join_all((0..10).map(|_| read(&store))).await;
        assert!(reads.iter().all(|read| *read == Err(Code::Unavailable)), "{reads:?}");
        assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
    }
    assert!(
        matches!(Postgres::open(Options::new(pair.name.url())).await, Err(OpenError::ReadOnly { .. })),
        "a gateway that starts now"
    );

    pair.lead_to(&pair.primary).await;
    soon("a Put", async || write(&store, "three").await).await;
    let reads = join_all((0..20).map(|_| read(&store))).await;
    assert!(reads.iter().all(|read| *read == Ok("three".to_owned())), "{reads:?}");
    assert_eq!(code(store.check().await), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_two_servers_are_never_used_side_by_side() {
    let Some(pair) = Pair::new("sessions_of_two_servers_are_never_used_side_by_side").await else { return };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    pair.caught_up().await;
    run(&pair.standby, "SELECT pg_wal_replay_pause()").await;
    write(&store, "two").await.unwrap();
    // What is open stays with the primary; what is opened now meets the standby, which has `one`.
    pair.name.point_to(pair.standby.url()).unwrap();
    for _ in 0..5 {
        for read in join_all((0..20).map(|_| read(&store))).await {
            assert!(matches!(&read, Err(Code::Unavailable)) || read == Ok("two".to_owned()), "{read:?}");
        }
    }
    // The standby is promoted while the old primary is still up, with the sessions that were opened there.
    pair.name.point_to(pair.primary.url()).unwrap();
    soon("a Put", async || write(&store, "three").await).await;
    run(&pair.standby, "SELECT pg_wal_replay_resume()").await;
    pair.caught_up().await;
    pair.standby.promote().await.unwrap();
    pair.name.point_to(pair.standby.url()).unwrap();
    // Many at once, so that new sessions are opened beside the old ones.
    soon("reads", async || {
        join_all((0..20).map(|_| read(&store))).await.into_iter().collect::<Result<Vec<_>, _>>()
    })
    .await;
    write(&store, "four").await.unwrap();
    for _ in 0..5 {
        let reads = join_all((0..20).map(|_| read(&store))).await;
        assert!(reads.iter().all(|read| *read == Ok("four".to_owned())), "{reads:?}");
    }
    let value: String = query(&pair.standby, "SELECT convert_from(value, 'UTF8') FROM prism_items").await;
    assert_eq!(value, "four", "the server that the name leads to has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_read_from_the_standby_that_took_over() {
    let Some(pair) = Pair::new("what_was_answered_is_read_from_the_standby_that_took_over").await else {
        return;
    };
    let store = pair.open().await;
    write(&store, "one").await.unwrap();
    let before = store.put(put("k", "two")).await.unwrap()[0].version;
    pair.caught_up().await;
    pair.primary.stop().await.unwrap();
    assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
    pair.standby.promote().await.unwrap();
    pair.lead_to(&pair.standby).await;
    assert_eq!(soon("a Get", async || read(&store).await).await, "two");
    soon("a Put", async || write(&store, "three").await).await;
    // The old primary comes back, and is not asked.
    pair.primary.start().await.unwrap();
    let reads = join_all((0..20).map(|_| read(&store))).await;
    assert!(reads.iter().all(|read| *read == Ok("three".to_owned())), "{reads:?}");
    let after = store.put(put("k", "four")).await.unwrap()[0].version;
    assert!(after > before, "{after} after {before} (DUR-3)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_closed_for_writes_serves_nothing_until_it_is_open_again() {
    let test = "a_server_that_is_closed_for_writes_serves_nothing_until_it_is_open_again";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap_or_else(|error| panic!("{error}"));
    let set = async |value: &str| {
        // A session that is read-only itself may still run this.
        run(&server, &format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await;
        run(&server, "SELECT pg_reload_conf()").await;
        while query::<String>(&server, "SHOW default_transaction_read_only").await != value {}
    };
    let store = Postgres::open(Options::new(server.url())).await.unwrap();
    write(&store, "one").await.unwrap();
    set("on").await;
    // At the latest once a write was refused, every session is given up; those that begin now are refused.
    while write(&store, "lost").await.is_ok() {}
    for _ in 0..5 {
        assert_eq!(write(&store, "lost").await, Err(Code::Unavailable));
        assert_eq!(read(&store).await, Err(Code::Unavailable));
        assert_eq!(code(store.check().await), Err(Code::Unavailable));
    }
    set("off").await;
    soon("a Put", async || write(&store, "two").await).await;
    assert_eq!(soon("a Get", async || read(&store).await).await, "two");
    assert_eq!(code(store.check().await), Ok(()));
    // Noticed by the check alone, without any write.
    set("on").await;
    let until = Instant::now() + SOON;
    while store.check().await.is_ok() {
        assert!(Instant::now() < until, "the check does not see that the server is closed for writes");
    }
    assert_eq!(read(&store).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_connection_that_fell_silent_while_it_rested_is_left_within_about_a_second() {
    let place =
        crate::place::place!("a_connection_that_fell_silent_while_it_rested_is_left_within_about_a_second");
    let relay = Cuttable::before(place.url()).await.unwrap();
    let store = Postgres::open(Options::new(relay.url())).await.unwrap();
    write(&store, "one").await.unwrap();
    assert_eq!(read(&store).await.unwrap(), "one");
    relay.strand(Duration::from_mins(5));
    // A connection is asked whether it is there after a second of rest.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (read, written) =
        timeout(Duration::from_secs(3), async { futures::join!(read(&store), write(&store, "two")) })
            .await
            .expect("the connections that rested are waited for too long");
    assert_eq!((read.map(|value| value.is_empty()), written), (Ok(false), Ok(())));
}
