//! Simulated outages: a dedicated server that is stopped, killed and restarted, and a relay that is cut.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use prism_testkit::{Backend, Cuttable, Postgres, Private, skips};
use sqlx::{Connection as _, PgConnection};

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut connection).await.unwrap()
}

async fn insert(connection: &mut PgConnection) {
    sqlx::query("INSERT INTO t VALUES (1)").execute(connection).await.unwrap();
}

/// The I/O error kind of a new connection.
async fn connect_error(url: &str) -> Option<ErrorKind> {
    match PgConnection::connect(url).await {
        Err(sqlx::Error::Io(error)) => Some(error.kind()),
        _ => None,
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_stop_and_kill() {
    if skips(Backend::Postgres, "acknowledged_writes_survive_stop_and_kill") {
        return;
    }
    let server = Private::launch().await.unwrap();
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut connection).await.unwrap();
    insert(&mut connection).await;

    server.stop().await.unwrap();
    assert_eq!(connect_error(server.url()).await, Some(ErrorKind::ConnectionRefused));
    server.start().await.unwrap();
    assert_eq!(count(server.url()).await, 1);

    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    insert(&mut connection).await;
    server.kill().await.unwrap();
    assert_eq!(connect_error(server.url()).await, Some(ErrorKind::ConnectionRefused));
    server.start().await.unwrap();
    assert_eq!(count(server.url()).await, 2);

    let url = server.url().to_owned();
    drop(server);
    assert_eq!(connect_error(&url).await, Some(ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_cut_relay_resets_and_refuses_connections_until_restored() {
    if skips(Backend::Postgres, "a_cut_relay_resets_and_refuses_connections_until_restored") {
        return;
    }
    let schema = Postgres::shared().await.unwrap().schema().await.unwrap();
    let relay = Cuttable::before(schema.url()).await.unwrap();
    let mut before = PgConnection::connect(relay.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut before).await.unwrap();

    relay.cut().await.unwrap();
    relay.cut().await.unwrap();
    let error = sqlx::query("SELECT 1").execute(&mut before).await.unwrap_err();
    assert!(
        matches!(&error, sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionReset),
        "{error:?}"
    );
    assert_eq!(connect_error(relay.url()).await, Some(ErrorKind::ConnectionRefused));
    assert_eq!(count(schema.url()).await, 0);

    relay.restore().await.unwrap();
    relay.restore().await.unwrap();
    assert_eq!(count(relay.url()).await, 0);
}

#[tokio::test]
async fn a_delay_applies_to_each_direction_until_reset() {
    if skips(Backend::Postgres, "a_delay_applies_to_each_direction_until_reset") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let relay = Cuttable::before(server.url()).await.unwrap();
    let mut connection = PgConnection::connect(relay.url()).await.unwrap();
    relay.delay(Duration::from_millis(150));
    let begun = Instant::now();
    let big: String =
        sqlx::query_scalar("SELECT repeat('x', 1000000)").fetch_one(&mut connection).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(big.len(), 1_000_000);
    relay.delay(Duration::ZERO);
    assert_eq!(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn an_invalid_server_address_is_an_error() {
    let error = Cuttable::before("nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "server address: relative URL without a base");
}
