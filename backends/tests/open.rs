//! What can be opened, and the errors for what cannot.

mod common;

use std::fs;
use std::time::Duration;

use common::{Place, databases, get, put};
use futures::future::join_all;
use prism_backends::Sqlite;
use prism_backends::sqlite::{OpenError, Options, SCHEMA_VERSION};
use prism_contract::keyvalue::{KeyValueBackend, Predicate};
use prism_contract::{Code, Lifecycle};
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
    let faults: [(&str, Spoil); 6] = [
        ("readers", |options| options.readers = 0),
        ("queue_length", |options| options.queue_length = 0),
        ("queue_bytes", |options| options.queue_bytes = 0),
        ("max_batch", |options| options.max_batch = 0),
        ("delete_time", |options| options.delete_time = Duration::ZERO),
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

/// Whether the store takes writes, answers reads and is well; all three or none.
async fn serves(store: &Sqlite) -> bool {
    // The write comes first: nothing but its own look can know.
    let answers = [
        store.put(put("a", "1")).await.map(drop),
        store.get(&get(Predicate::All)).await.map(drop),
        store.scan(&common::scan(Predicate::All)).await.map(drop),
        store.check().await,
        store.put(put("a", "2")).await.map(drop),
    ];
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    }
    let well = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(well == 0 || well == answers.len(), "{answers:?}");
    well > 0
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_file_is_deleted_or_replaced_until_it_is_back() {
    let place = Place::new();
    let store = place.open().await;
    assert!(serves(&store).await);
    let elsewhere = place.folder.path().join("elsewhere.db");
    fs::rename(place.path(), &elsewhere).unwrap();
    assert!(!serves(&store).await);
    fs::write(place.path(), "").unwrap();
    assert!(!serves(&store).await);
    fs::copy(&elsewhere, place.path()).unwrap();
    assert!(!serves(&store).await, "a backup that was put in its place is another file");
    fs::rename(elsewhere, place.path()).unwrap();
    assert!(serves(&store).await);
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_log_or_its_index_is_deleted_or_replaced_until_it_is_back() {
    for suffix in ["-wal", "-shm"] {
        let place = Place::new();
        let store = place.open().await;
        assert!(serves(&store).await);
        let file = place.folder.path().join(format!("prism.db{suffix}"));
        let elsewhere = place.folder.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        assert!(!serves(&store).await, "{suffix}");
        fs::copy(&elsewhere, &file).unwrap();
        assert!(!serves(&store).await, "{suffix}");
        fs::rename(&elsewhere, &file).unwrap();
        assert!(serves(&store).await, "{suffix}");
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_folder_is_renamed_until_it_is_back() {
    let place = Place::new();
    let (folder, renamed) = (place.folder.path().join("folder"), place.folder.path().join("renamed"));
    fs::create_dir(&folder).unwrap();
    let store = Sqlite::open(Options::new(folder.join("prism.db"))).await.unwrap();
    assert!(serves(&store).await);
    fs::rename(&folder, &renamed).unwrap();
    assert!(!serves(&store).await);
    fs::rename(&renamed, &folder).unwrap();
    assert!(serves(&store).await);
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_acknowledged_once_a_link_leads_to_another_file() {
    let place = Place::new();
    let link = place.folder.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let store = Sqlite::open(Options::new(&link)).await.unwrap();
    assert!(serves(&store).await);
    let other = place.folder.path().join("other.db");
    Sqlite::open(Options::new(&other)).await.unwrap().close().await;
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert!(!serves(&store).await);
}

#[tokio::test]
async fn a_file_that_others_write_to_and_close_is_still_the_same() {
    let place = Place::new();
    let store = place.open().await;
    assert!(serves(&store).await);
    let other = place.open().await;
    other.put(put("b", "1")).await.unwrap();
    other.close().await;
    let mut stranger = place.stranger().await;
    stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    stranger.close().await.unwrap();
    assert!(serves(&store).await);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open().await;
    store.put(put("a", "1")).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = place.folder.path().join(format!("prism.db{suffix}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_whole_and_works() {
    let place = Place::new();
    fs::write(place.path(), databases::SQLITE).unwrap();
    databases::is_whole_and_works(place.open().await).await;
}
