//! Outages on purpose: a server of a test's own that is stopped, killed and started again, and a way that is cut.

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

/// What kind of error of the system a new connection gets.
async fn refusal(url: &str) -> Option<ErrorKind> {
    match PgConnection::connect(url).await {
        Err(sqlx::Error::Io(error)) => Some(error.kind()),
        _ => None,
    }
}

#[tokio::test]
async fn what_a_private_server_acknowledged_is_there_after_a_stop_and_after_a_kill() {
    if skips(Backend::Postgres, "what_a_private_server_acknowledged_is_there_after_a_stop_and_after_a_kill") {
        return;
    }
    let server = Private::launch().await.unwrap();
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut connection).await.unwrap();
    insert(&mut connection).await;

    server.stop().await.unwrap();
    assert_eq!(refusal(server.url()).await, Some(ErrorKind::ConnectionRefused));
    server.start().await.unwrap();
    assert_eq!(count(server.url()).await, 1);

    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    insert(&mut connection).await;
    server.kill().await.unwrap();
    assert_eq!(refusal(server.url()).await, Some(ErrorKind::ConnectionRefused));
    server.start().await.unwrap();
    assert_eq!(count(server.url()).await, 2);

    let url = server.url().to_owned();
    drop(server);
    assert_eq!(refusal(&url).await, Some(ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_way_that_is_cut_resets_and_refuses_and_lets_through_again_once_it_is_restored() {
    if skips(
        Backend::Postgres,
        "a_way_that_is_cut_resets_and_refuses_and_lets_through_again_once_it_is_restored",
    ) {
        return;
    }
    let schema = Postgres::shared().await.unwrap().schema().await.unwrap();
    let way = Cuttable::before(schema.url()).await.unwrap();
    let mut before = PgConnection::connect(way.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut before).await.unwrap();

    way.cut().await.unwrap();
    way.cut().await.unwrap();
    let error = sqlx::query("SELECT 1").execute(&mut before).await.unwrap_err();
    assert!(
        matches!(&error, sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionReset),
        "{error:?}"
    );
    assert_eq!(refusal(way.url()).await, Some(ErrorKind::ConnectionRefused));
    assert_eq!(count(schema.url()).await, 0);

    way.restore().await.unwrap();
    way.restore().await.unwrap();
    assert_eq!(count(way.url()).await, 0);
}

#[tokio::test]
async fn a_delay_holds_back_each_direction_and_ends() {
    if skips(Backend::Postgres, "a_delay_holds_back_each_direction_and_ends") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let way = Cuttable::before(server.url()).await.unwrap();
    let mut connection = PgConnection::connect(way.url()).await.unwrap();
    way.delay(Duration::from_millis(150));
    let begun = Instant::now();
    let big: String =
        sqlx::query_scalar("SELECT repeat('x', 1000000)").fetch_one(&mut connection).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(big.len(), 1_000_000);
    way.delay(Duration::ZERO);
    assert_eq!(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_of_the_relay() {
    let error = Cuttable::before("nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "the address of a server: relative URL without a base");
}
