//! Opening a database: made once however many come at once, and refused with a sentence that helps.

use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::{OpenError, Options, SCHEMA_VERSION};
use prism_contract::keyvalue::{KeyValueBackend, Predicate, PutResult};
use prism_contract::{Code, Error, Lifecycle};
use sqlx::{Executor, Row};

use crate::common::{databases, get, put};
use crate::place::place;

async fn refusal(options: Options) -> OpenError {
    match Postgres::open(options).await {
        Err(error) => error,
        Ok(_) => panic!("the database was opened"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_start_at_once_make_the_schema_once() {
    let place = place!("gateways_that_start_at_once_make_the_schema_once");
    let stores = join_all((0..8).map(|_| place.open())).await;
    for store in &stores {
        store.put(put("a", "1")).await.unwrap();
    }
    let version = place.stranger().await.fetch_one("SELECT version FROM prism_schema").await.unwrap();
    assert_eq!(version.get::<i64, _>(0), SCHEMA_VERSION);
}

#[tokio::test]
async fn a_schema_that_is_newer_is_refused_and_left_as_it_is() {
    let place = place!("a_schema_that_is_newer_is_refused_and_left_as_it_is");
    place.open().await.close().await;
    place.run(&format!("UPDATE prism_schema SET version = {}", SCHEMA_VERSION + 1)).await;
    let error = refusal(place.options()).await;
    assert!(matches!(error, OpenError::Newer { found, .. } if found == SCHEMA_VERSION + 1), "{error}");
    assert!(error.to_string().ends_with("use the newer version of Prism"), "{error}");
    let version = place.stranger().await.fetch_one("SELECT version FROM prism_schema").await.unwrap();
    assert_eq!(version.get::<i64, _>(0), SCHEMA_VERSION + 1);
}

#[tokio::test]
async fn a_schema_in_which_no_table_can_be_made_is_told_with_what_to_grant() {
    let place = place!("a_schema_in_which_no_table_can_be_made_is_told_with_what_to_grant");
    // The last word on the search path: a schema that does not exist.
    let nowhere = format!("{}&options[search_path]=prism_no_such_schema", place.url());
    let error = refusal(Options::new(nowhere)).await;
    assert!(matches!(error, OpenError::Unprepared { .. }), "{error}");
    assert!(error.to_string().contains("GRANT USAGE, CREATE ON SCHEMA"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refusal(Options::new(format!("postgres://ada:hunter2@{free}/d"))).await;
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("cannot open the Postgres database 'd' at {free} as user 'ada': ")),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options =
        Options::new(format!("postgres://u@{}/d?sslmode=disable", silent.local_addr().unwrap()));
    options.connect_timeout = Duration::from_millis(50);
    let error = refusal(options).await;
    assert!(error.to_string().contains("the database does not answer"), "{error}");
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
async fn a_database_that_takes_no_writes_is_refused_with_what_to_do() {
    let place = place!("a_database_that_takes_no_writes_is_refused_with_what_to_do");
    place.open().await.put(put("a", "1")).await.unwrap();
    // A standby, or a database that an operator has closed for writes, says so by this setting.
    let error =
        refusal(Options::new(format!("{}&options[default_transaction_read_only]=on", place.url()))).await;
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("give the address of the primary"), "{error}");
}

#[tokio::test]
async fn the_password_can_be_said_apart_from_the_url() {
    let place = place!("the_password_can_be_said_apart_from_the_url");
    let mut options = place.options();
    options.password = Some("hunter2".to_owned());
    assert!(!format!("{options:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_database_says_that_its_settings_are_the_durable_ones() {
    let place = place!("the_database_says_that_its_settings_are_the_durable_ones");
    // Whatever the database's default is: a commit that is acknowledged is on disk.
    let prefetching = format!("{}&options[synchronous_commit]=off", place.url());
    let settings = Postgres::open(Options::new(prefetching)).await.unwrap().settings().await.unwrap();
    assert!(settings.are_durable(), "{settings}");
    assert_eq!(settings.synchronous_commit, "on");
    assert_eq!(settings.schema_version, SCHEMA_VERSION);
}

#[tokio::test]
async fn a_closed_backend_finishes_what_waits_and_is_unavailable_from_then_on() {
    let place = place!("a_closed_backend_finishes_what_waits_and_is_unavailable_from_then_on");
    let store = place.open().await;
    let (written, ()) = futures::join!(store.put(put("a", "1")), store.close());
    assert!(matches!(written.unwrap()[..], [PutResult { applied: true, .. }]));
    let code = |error: Error| error.code();
    assert_eq!(store.put(put("b", "1")).await.map_err(code), Err(Code::Unavailable));
    assert_eq!(store.get(&get(Predicate::All)).await.map_err(code), Err(Code::Unavailable));
    assert_eq!(store.check().await.map_err(code), Err(Code::Unavailable));
    assert_eq!(place.open().await.get(&get(Predicate::All)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_whole_and_works() {
    let place = place!("a_database_of_an_earlier_version_is_whole_and_works");
    place.run(databases::POSTGRES).await;
    databases::is_whole_and_works(place.open().await).await;
}
