//! Opening of SQLite files, and its errors.

mod common;

use std::fs;
use std::time::Duration;

use common::{TestDb, databases, get, put};
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

/// The error names the file, and the remedy after a semicolon.
fn assert_helps(error: &OpenError, db: &TestDb) {
    let text = error.to_string();
    assert!(text.contains(&format!("'{}'", db.path().display())) && text.contains("; "), "{text}");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let db = TestDb::new();
    let error = refusal(Options::new(db.folder.path().join("no/such/prism.db"))).await;
    assert!(matches!(&error, OpenError::NoDirectory { .. }), "{error:?}");
    assert!(error.to_string().contains("create the directory"), "{error}");
}

#[tokio::test]
async fn a_directory_is_refused() {
    let db = TestDb::new();
    fs::create_dir(db.path()).unwrap();
    let error = refusal(db.options()).await;
    assert!(matches!(&error, OpenError::NotAFile { .. }), "{error:?}");
    assert_helps(&error, &db);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_unchanged() {
    let db = TestDb::new();
    let text = "a letter, and a long one ".repeat(100);
    fs::write(db.path(), &text).unwrap();
    let error = refusal(db.options()).await;
    assert!(matches!(&error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_helps(&error, &db);
    assert_eq!(fs::read_to_string(db.path()).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_another_application_is_refused_and_unchanged() {
    let db = TestDb::new();
    let mut other_client = db.other_client().await;
    other_client.execute("CREATE TABLE items (mine TEXT)").await.unwrap();
    other_client.close().await.unwrap();
    let before = fs::read(db.path()).unwrap();
    let error = refusal(db.options()).await;
    assert!(matches!(&error, OpenError::NotPrism { .. }), "{error:?}");
    assert_helps(&error, &db);
    assert!(fs::read(db.path()).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused_and_unchanged() {
    let db = TestDb::new();
    db.open().await.close().await;
    let mut other_client = db.other_client().await;
    let newer = SCHEMA_VERSION + 1;
    other_client.execute(AssertSqlSafe(format!("PRAGMA user_version = {newer}"))).await.unwrap();
    let error = refusal(db.options()).await;
    assert!(matches!(&error, OpenError::Newer { found, .. } if *found == newer), "{error:?}");
    assert_helps(&error, &db);
    let version: i64 = other_client.fetch_one("PRAGMA user_version").await.unwrap().get(0);
    assert_eq!(version, newer);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused_as_read_only() {
    let db = TestDb::new();
    db.open().await.close().await;
    // Byte 18 of the header is the file format write version. Above 2, SQLite opens the file read-only; unlike a file mode,
    // that applies to root as well.
    let mut bytes = fs::read(db.path()).unwrap();
    bytes[18] = 3;
    fs::write(db.path(), bytes).unwrap();
    let error = refusal(db.options()).await;
    assert!(matches!(&error, OpenError::ReadOnly { .. }), "{error:?}");
    assert_helps(&error, &db);
}

#[tokio::test]
async fn a_database_locked_by_another_connection_is_refused_as_locked() {
    let db = TestDb::new();
    db.open().await.close().await;
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut options = db.options();
    options.busy_timeout = Duration::from_millis(50);
    let error = refusal(options.clone()).await;
    assert!(matches!(&error, OpenError::Locked { .. }), "{error:?}");
    assert_helps(&error, &db);
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(Sqlite::open(options).await.is_ok(), "the lock is free again");
}

#[tokio::test]
async fn options_out_of_bounds_are_named() {
    type Change = fn(&mut Options);
    let db = TestDb::new();
    let faults: [(&str, Change); 6] = [
        ("readers", |options| options.readers = 0),
        ("queue_length", |options| options.queue_length = 0),
        ("queue_bytes", |options| options.queue_bytes = 0),
        ("max_batch", |options| options.max_batch = 0),
        ("delete_time", |options| options.delete_time = Duration::ZERO),
        ("busy_timeout", |options| options.busy_timeout = Duration::from_hours(1_000)),
    ];
    for (name, change) in faults {
        let mut options = db.options();
        change(&mut options);
        let error = refusal(options).await;
        assert!(matches!(&error, OpenError::Option { option, .. } if *option == name), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let db = TestDb::new();
    fs::write(db.path(), "").unwrap();
    db.open().await.put(put("a", "1")).await.unwrap();
}

#[tokio::test]
async fn a_path_that_looks_like_a_uri_is_a_path() {
    let db = TestDb::new();
    let path = db.folder.path().join("file:prism.db?mode=memory");
    let store = Sqlite::open(Options::new(&path)).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    store.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn a_new_file_can_be_opened_concurrently() {
    let db = TestDb::new();
    for opened in join_all([(); 6].map(|()| Sqlite::open(db.options()))).await {
        opened.unwrap().put(put("a", "1")).await.unwrap();
    }
}

#[tokio::test]
async fn opening_waits_for_a_brief_lock_on_a_new_file() {
    let db = TestDb::new();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut options = db.options();
    options.busy_timeout = Duration::from_mins(1);
    let mut opening = Box::pin(Sqlite::open(options));
    let early = timeout(Duration::from_millis(100), &mut opening).await;
    assert!(early.is_err(), "it did not wait for the lock");
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(opening.await.unwrap().settings().await.unwrap().are_durable());
}

/// Whether the store accepts writes, answers reads and is healthy: all or none.
async fn serves(store: &Sqlite) -> bool {
    // The write comes first: only its own check can detect the change.
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
    let healthy = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(healthy == 0 || healthy == answers.len(), "{answers:?}");
    healthy > 0
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_file_is_deleted_or_replaced_until_it_is_back() {
    let db = TestDb::new();
    let store = db.open().await;
    assert!(serves(&store).await);
    let elsewhere = db.folder.path().join("elsewhere.db");
    fs::rename(db.path(), &elsewhere).unwrap();
    assert!(!serves(&store).await);
    fs::write(db.path(), "").unwrap();
    assert!(!serves(&store).await);
    fs::copy(&elsewhere, db.path()).unwrap();
    assert!(!serves(&store).await, "a restored backup is another file");
    fs::rename(elsewhere, db.path()).unwrap();
    assert!(serves(&store).await);
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_log_or_its_index_is_deleted_or_replaced_until_it_is_back() {
    for suffix in ["-wal", "-shm"] {
        let db = TestDb::new();
        let store = db.open().await;
        assert!(serves(&store).await);
        let file = db.folder.path().join(format!("prism.db{suffix}"));
        let elsewhere = db.folder.path().join("elsewhere");
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
    let db = TestDb::new();
    let (folder, renamed) = (db.folder.path().join("folder"), db.folder.path().join("renamed"));
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
    let db = TestDb::new();
    let link = db.folder.path().join("link.db");
    std::os::unix::fs::symlink(db.path(), &link).unwrap();
    let store = Sqlite::open(Options::new(&link)).await.unwrap();
    assert!(serves(&store).await);
    let other = db.folder.path().join("other.db");
    Sqlite::open(Options::new(&other)).await.unwrap().close().await;
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert!(!serves(&store).await);
}

#[tokio::test]
async fn a_file_written_and_closed_by_others_is_still_the_same() {
    let db = TestDb::new();
    let store = db.open().await;
    assert!(serves(&store).await);
    let other = db.open().await;
    other.put(put("b", "1")).await.unwrap();
    other.close().await;
    let mut other_client = db.other_client().await;
    other_client.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    other_client.close().await.unwrap();
    assert!(serves(&store).await);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_database_is_accessible_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let db = TestDb::new();
    let store = db.open().await;
    store.put(put("a", "1")).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = db.folder.path().join(format!("prism.db{suffix}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_complete_and_works() {
    let db = TestDb::new();
    fs::write(db.path(), databases::SQLITE).unwrap();
    databases::is_complete_and_works(db.open().await).await;
}
