//! What can be opened, and what is said of what cannot.

mod common;

use std::fs;
use std::time::Duration;

use common::{Place, get, put};
use futures::future::join_all;
use prism_backends::Sqlite;
use prism_backends::sqlite::{OpenError, Options, SCHEMA_VERSION};
use prism_contract::keyvalue::{Code, KeyValueBackend, Predicate};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::time::timeout;

async fn refusal(options: Options) -> OpenError {
    match Sqlite::open(options).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// The refusal names the file, and says what to do after a semicolon.
fn assert_helps(error: &OpenError, place: &Place) {
    let text = error.to_string();
    assert!(text.contains(&format!("'{}'", place.path().display())) && text.contains("; "), "{text}");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let place = Place::new();
    let error = refusal(Options::new(place.folder.path().join("no/such/prism.db"))).await;
    assert!(matches!(&error, OpenError::NoDirectory { .. }), "{error:?}");
    assert!(error.to_string().contains("create the directory"), "{error}");
}

#[tokio::test]
async fn a_directory_is_no_database() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let error = refusal(place.options()).await;
    assert!(matches!(&error, OpenError::NotAFile { .. }), "{error:?}");
    assert_helps(&error, &place);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = "a letter, and a long one ".repeat(100);
    fs::write(place.path(), &text).unwrap();
    let error = refusal(place.options()).await;
    assert!(matches!(&error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_helps(&error, &place);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused_and_left_alone() {
    let place = Place::new();
    let mut stranger = place.stranger().await;
    stranger.execute("CREATE TABLE items (mine TEXT)").await.unwrap();
    stranger.close().await.unwrap();
    let before = fs::read(place.path()).unwrap();
    let error = refusal(place.options()).await;
    assert!(matches!(&error, OpenError::NotPrism { .. }), "{error:?}");
    assert_helps(&error, &place);
    assert!(fs::read(place.path()).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused_and_left_alone() {
    let place = Place::new();
    place.open().await.close().await;
    let mut stranger = place.stranger().await;
    let newer = SCHEMA_VERSION + 1;
    stranger.execute(AssertSqlSafe(format!("PRAGMA user_version = {newer}"))).await.unwrap();
    let error = refusal(place.options()).await;
    assert!(matches!(&error, OpenError::Newer { found, .. } if *found == newer), "{error:?}");
    assert_helps(&error, &place);
    let version: i64 = stranger.fetch_one("PRAGMA user_version").await.unwrap().get(0);
    assert_eq!(version, newer);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused_as_read_only() {
    let place = Place::new();
    place.open().await.close().await;
    // Byte 18 of the header is the version needed to write the file. Above 2, SQLite only reads it, and unlike a file's
    // mode this stops root as well.
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[18] = 3;
    fs::write(place.path(), bytes).unwrap();
    let error = refusal(place.options()).await;
    assert!(matches!(&error, OpenError::ReadOnly { .. }), "{error:?}");
    assert_helps(&error, &place);
}

#[tokio::test]
async fn a_database_locked_by_another_connection_is_refused_as_locked() {
    let place = Place::new();
    place.open().await.close().await;
    let mut stranger = place.stranger().await;
    stranger.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut options = place.options();
    options.busy_timeout = Duration::from_millis(50);
    let error = refusal(options.clone()).await;
    assert!(matches!(&error, OpenError::Locked { .. }), "{error:?}");
    assert_helps(&error, &place);
    stranger.execute("ROLLBACK").await.unwrap();
    assert!(Sqlite::open(options).await.is_ok(), "the lock is free again");
}

#[tokio::test]
async fn options_out_of_bounds_are_named() {
    type Spoil = fn(&mut Options);
    let place = Place::new();
    let faults: [(&str, Spoil); 5] = [
        ("readers", |options| options.readers = 0),
        ("queue_length", |options| options.queue_length = 0),
        ("queue_bytes", |options| options.queue_bytes = 0),
        ("max_batch", |options| options.max_batch = 0),
        ("busy_timeout", |options| options.busy_timeout = Duration::from_hours(1_000)),
    ];
    for (name, spoil) in faults {
        let mut options = place.options();
        spoil(&mut options);
        let error = refusal(options).await;
        assert!(matches!(&error, OpenError::Option { option, .. } if *option == name), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    place.open().await.put(put("a", "1")).await.unwrap();
}

#[tokio::test]
async fn a_name_that_looks_like_a_uri_is_a_name() {
    let place = Place::new();
    let path = place.folder.path().join("file:prism.db?mode=memory");
    let store = Sqlite::open(Options::new(&path)).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    store.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn many_may_open_a_new_file_at_once() {
    let place = Place::new();
    for opened in join_all([(); 6].map(|()| Sqlite::open(place.options()))).await {
        opened.unwrap().put(put("a", "1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_file_that_another_locks_for_a_moment_is_waited_for() {
    let place = Place::new();
    let mut stranger = place.stranger().await;
    stranger.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut options = place.options();
    options.busy_timeout = Duration::from_mins(1);
    let mut opening = Box::pin(Sqlite::open(options));
    let early = timeout(Duration::from_millis(100), &mut opening).await;
    assert!(early.is_err(), "it did not wait for the lock");
    stranger.execute("ROLLBACK").await.unwrap();
    assert!(opening.await.unwrap().settings().await.unwrap().are_durable());
}

#[tokio::test]
async fn a_file_deleted_or_replaced_under_a_running_store_makes_it_unavailable() {
    let place = Place::new();
    let store = place.open().await;
    store.put(put("a", "1")).await.unwrap();
    store.check().await.unwrap();
    fs::rename(place.path(), place.folder.path().join("elsewhere.db")).unwrap();
    assert_eq!(store.check().await.unwrap_err().code(), Code::Unavailable);
    fs::write(place.path(), "").unwrap();
    assert_eq!(store.check().await.unwrap_err().code(), Code::Unavailable);
    fs::rename(place.folder.path().join("elsewhere.db"), place.path()).unwrap();
    store.check().await.unwrap();
    assert_eq!(store.get(get(Predicate::All)).await.unwrap().items.len(), 1);
}
