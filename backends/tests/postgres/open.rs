//! Opening of databases: the schema is created once, and errors state the remedy.

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::{OpenError, Options, SCHEMA_VERSION};
use prism_contract::keyvalue::{KeyValueBackend, Predicate, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use sqlx::{Executor, Row};

use crate::common::{databases, get, put};
use crate::test_db::test_db;

async fn refusal(options: Options) -> OpenError {
    match Postgres::open(options).await {
        Err(error) => error,
        Ok(_) => panic!("the database was opened"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_start_concurrently_create_the_schema_once() {
    let db = test_db!("gateways_that_start_concurrently_create_the_schema_once");
    let stores = join_all((0..8).map(|_| db.open())).await;
    for store in &stores {
        store.put(put("a", "1")).await.unwrap();
    }
    let version = db.other_client().await.fetch_one("SELECT version FROM prism_schema").await.unwrap();
    assert_eq!(version.get::<i64, _>(0), SCHEMA_VERSION);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_unchanged() {
    let db = test_db!("a_newer_schema_is_refused_and_unchanged");
    db.open().await.close().await;
    db.run(&format!("UPDATE prism_schema SET version = {}", SCHEMA_VERSION + 1)).await;
    let error = refusal(db.options()).await;
    assert!(matches!(error, OpenError::Newer { found, .. } if found == SCHEMA_VERSION + 1), "{error}");
    assert!(error.to_string().ends_with("use the newer version of Prism"), "{error}");
    let version = db.other_client().await.fetch_one("SELECT version FROM prism_schema").await.unwrap();
    assert_eq!(version.get::<i64, _>(0), SCHEMA_VERSION + 1);
}

#[tokio::test]
async fn a_schema_without_the_right_to_create_tables_is_reported_with_the_grant() {
    let db = test_db!("a_schema_without_the_right_to_create_tables_is_reported_with_the_grant");
    // A later option wins: the search path is a schema that does not exist.
    let nowhere = format!("{}&options[search_path]=prism_no_such_schema", db.url());
    let error = refusal(Options::new(nowhere)).await;
    assert!(matches!(error, OpenError::Unprepared { .. }), "{error}");
    assert!(error.to_string().contains("GRANT USAGE, CREATE ON SCHEMA"), "{error}");
}

#[tokio::test]
async fn an_unreachable_server_is_reported_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refusal(Options::new(format!("postgres://ada:hunter2@{free}/d"))).await;
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("cannot open the Postgres database 'd' at {free} as user 'ada': ")),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_server_that_does_not_respond_is_reported_after_the_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options =
        Options::new(format!("postgres://u@{}/d?sslmode=disable", silent.local_addr().unwrap()));
    options.connect_timeout = Duration::from_millis(50);
    let error = refusal(options).await;
    assert!(error.to_string().contains("no response from the database"), "{error}");
}

#[tokio::test]
async fn options_out_of_bounds_are_named() {
    let options = |change: fn(&mut Options)| {
        let mut options = Options::new("postgres://u@h/d");
        change(&mut options);
        options
    };
    for (options, name) in [
        (options(|options| options.readers = 0), "readers"),
        (options(|options| options.writers = 0), "writers"),
        (options(|options| options.queue_length = 0), "queue_length"),
        (options(|options| options.queue_bytes = 0), "queue_bytes"),
        (options(|options| options.max_batch = 0), "max_batch"),
        (options(|options| options.statement_timeout = Duration::ZERO), "statement_timeout"),
        (options(|options| options.lock_timeout = Duration::MAX), "lock_timeout"),
        (options(|options| options.connect_timeout = Duration::from_nanos(1)), "connect_timeout"),
    ] {
        let error = refusal(options).await;
        assert!(matches!(error, OpenError::Option { option, .. } if option == name), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_read_only_database_is_refused_with_the_remedy() {
    let db = test_db!("a_read_only_database_is_refused_with_the_remedy");
    db.open().await.put(put("a", "1")).await.unwrap();
    // A standby, or a database made read-only by an operator, has this setting.
    let error =
        refusal(Options::new(format!("{}&options[default_transaction_read_only]=on", db.url()))).await;
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("give the address of the primary"), "{error}");
}

#[tokio::test]
async fn the_password_can_be_separate_from_the_url() {
    let db = test_db!("the_password_can_be_separate_from_the_url");
    let mut options = db.options();
    options.password = Some("hunter2".to_owned());
    assert!(!format!("{options:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_database_reports_durable_settings() {
    let db = test_db!("the_database_reports_durable_settings");
    // Whatever the database's default is, an acknowledged commit is on disk.
    let asynchronous = format!("{}&options[synchronous_commit]=off", db.url());
    let settings = Postgres::open(Options::new(asynchronous)).await.unwrap().settings().await.unwrap();
    assert!(settings.are_durable(), "{settings}");
    assert_eq!(settings.synchronous_commit, "on");
    assert_eq!(settings.schema_version, SCHEMA_VERSION);
}

#[tokio::test]
async fn closing_finishes_queued_writes_and_makes_the_backend_unavailable() {
    let db = test_db!("closing_finishes_queued_writes_and_makes_the_backend_unavailable");
    let store = db.open().await;
    let (written, ()) = futures::join!(store.put(put("a", "1")), store.close());
    assert!(matches!(written.unwrap()[..], [PutResult { applied: true, .. }]));
    let code = |error: Error| error.code();
    assert_eq!(store.put(put("b", "1")).await.map_err(code), Err(Code::Unavailable));
    assert_eq!(store.get(&get(Predicate::All)).await.map_err(code), Err(Code::Unavailable));
    assert_eq!(store.check().await.map_err(code), Err(Code::Unavailable));
    assert_eq!(db.open().await.get(&get(Predicate::All)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_complete_and_works() {
    let db = test_db!("a_database_of_an_earlier_version_is_complete_and_works");
    db.run(databases::POSTGRES).await;
    databases::is_complete_and_works(db.open().await).await;
}
