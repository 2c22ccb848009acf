//! Checks and copies of SQLite files.

mod common;

#[path = "timeseries/events.rs"]
#[expect(dead_code, reason = "the tests of TimeSeries use the rest")]
mod events;

use std::fs;
use std::path::Path;

use common::{TestDb, at, delete, item, put, put_items};
use events::{append, beginning, event, follow, now, tail};
use prism_backends::Sqlite;
use prism_backends::check::{Damage, NamespaceSize, Report};
use prism_backends::sqlite::{BackupError, OpenError, Options, SCHEMA_VERSION, back_up, check};
use prism_contract::keyvalue::{KeyValueBackend, Predicate, Put};
use prism_contract::timeseries::TimeSeriesBackend;
use prism_contract::{Error, Lifecycle, Timestamp};
use sqlx::{AssertSqlSafe, Connection, Executor};

const NOW: i64 = 10_000;

fn now_of_check() -> Timestamp {
    at(NOW)
}

async fn report(options: &Options) -> Report {
    check(options, now_of_check()).await.unwrap()
}

/// The name of a kind of damage, and its rows.
type Kind = (&'static str, Option<u64>);

fn names(damage: &[Damage]) -> Vec<Kind> {
    damage.iter().map(|damage| (damage.name, damage.rows)).collect()
}

/// Two live items, an expired one and a tombstone; five events of two series.
async fn fill(store: &Sqlite) {
    store.put(put_items(vec![item("a", "1"), item("b", "22")])).await.unwrap();
    store.put(Put { expires_at: Some(at(2_000)), ..put("c", "333") }).await.unwrap();
    store.put(Put { token: 7, ..put("d", "4444") }).await.unwrap();
    let predicate = Predicate::keys(vec![common::key("d")]).unwrap();
    assert_eq!(
        store.delete(prism_contract::keyvalue::Delete { token: 8, ..delete(predicate) }).await.unwrap(),
        1
    );
    let events = (0..5).map(|number| event(["x", "y"][number % 2], 1, &number.to_string(), "payload"));
    store.append(append(events.collect())).await.unwrap();
}

#[tokio::test]
async fn a_check_counts_everything_and_finds_no_damage_in_a_sound_database_that_is_served() {
    let db = TestDb::new();
    let store = db.open().await;
    fill(&store).await;
    let options = db.options();
    let report = report(&options).await;
    assert_eq!(report.damage, []);
    assert_eq!(report.schema_version, SCHEMA_VERSION);
    let counts = |part| {
        let part = report.parts.iter().find(|found| found.name == part).unwrap();
        part.counts.iter().map(|count| (count.name, count.number)).collect::<Vec<_>>()
    };
    let keyvalue = [("items", 2), ("expired", 1), ("tombstones", 1), ("sweepable", 1), ("bytes", 10)];
    assert_eq!(counts("keyvalue"), keyvalue);
    let timeseries =
        [("events", 5), ("bytes", 35), ("series", 2), ("series_without_events", 0), ("namespaces", 1)];
    assert_eq!(counts("timeseries"), timeseries);
    let largest = |rows, bytes| vec![NamespaceSize { name: "ns".to_owned(), rows, bytes }];
    assert_eq!(report.parts[0].namespaces, largest(3, 9));
    assert_eq!(report.parts[1].namespaces, largest(5, 35));
    let wal = report.sizes.iter().find(|size| size.name == "wal_bytes").unwrap();
    assert_eq!(wal.number, fs::metadata(db.folder.path().join("prism.db-wal")).unwrap().len());
    assert!(wal.number > 0);
    // By another retention the tombstone is due as well.
    let soon = Options { retention: std::time::Duration::from_millis(1), ..options };
    assert_eq!(check(&soon, now_of_check()).await.unwrap().count("keyvalue", "sweepable"), Some(2));
}

#[tokio::test]
async fn a_check_names_each_kind_of_damage_and_no_other() {
    let kinds: [(&str, &[Kind]); 13] = [
        ("DELETE FROM ts_series WHERE name = x'78'", &[("events_without_series", Some(3))]),
        (
            "UPDATE ts_events SET namespace = 9 WHERE position = 1",
            &[("events_in_another_namespace", Some(1))],
        ),
        ("DELETE FROM ts_namespaces", &[("series_without_namespace", Some(2))]),
        ("UPDATE ts_namespaces SET position = 3", &[("positions_beyond_the_end", Some(2))]),
        ("UPDATE ts_events SET position = 0 WHERE position = 4", &[("positions_beyond_the_end", Some(1))]),
        ("UPDATE ts_events SET position = 1", &[("duplicate_positions", Some(1))]),
        ("UPDATE ts_namespaces SET partitions = 257", &[("invalid_partitions", Some(1))]),
        ("INSERT INTO ts_swept VALUES (1, 8, x'')", &[("swept_without_partition", Some(1))]),
        ("DELETE FROM ts_store", &[("no_incarnation", Some(1))]),
        ("DELETE FROM versions", &[("no_version_counter", Some(1))]),
        ("UPDATE versions SET last = last - 1", &[("versions_beyond_the_counter", Some(1))]),
        ("UPDATE items SET value = x'00' WHERE key = x'64'", &[("tombstones_with_content", Some(1))]),
        ("UPDATE items SET token = 0 WHERE key = x'64'", &[("tombstones_with_content", Some(1))]),
    ];
    for (statement, expected) in kinds {
        let db = TestDb::new();
        let store = db.open().await;
        fill(&store).await;
        store.close().await;
        db.other_client().await.execute(AssertSqlSafe(statement)).await.unwrap();
        assert_eq!(names(&report(&db.options()).await.damage), expected, "{statement}");
    }
}

/// Overwrites a page in the middle of the largest part of a file.
fn damage_a_page(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

/// A closed database of several hundred pages.
async fn large() -> TestDb {
    let db = TestDb::new();
    let store = db.open().await;
    for first in 0..20 {
        let items = (0..50).map(|number| item(format!("{first}-{number}"), vec![7; 1_000]));
        store.put(put_items(items.collect())).await.unwrap();
    }
    store.close().await;
    db
}

#[tokio::test]
async fn a_check_reports_a_damaged_page_and_ends() {
    let db = large().await;
    assert_eq!(report(&db.options()).await.damage, []);
    damage_a_page(&db.path());
    let damage = report(&db.options()).await.damage;
    assert!(damage.iter().any(|damage| ["integrity", "unreadable"].contains(&damage.name)), "{damage:?}");
    assert!(damage.len() <= 102, "{}", damage.len());
}

#[tokio::test]
async fn a_check_and_a_backup_refuse_what_is_not_a_database_of_prisms_and_create_nothing() {
    let db = TestDb::new();
    let copy = db.folder.path().join("copy.db");
    let both = async || {
        let checked = check(&db.options(), now_of_check()).await.unwrap_err();
        let BackupError::Source(copied) = back_up(&db.options(), &copy, now_of_check()).await.unwrap_err()
        else {
            panic!("it is not the fault of the database");
        };
        assert_eq!(checked.to_string(), copied.to_string());
        checked
    };
    assert!(matches!(both().await, OpenError::NoFile { .. }));
    assert_eq!(fs::read_dir(db.folder.path()).unwrap().count(), 0);
    db.other_client().await.execute("CREATE TABLE other (a)").await.unwrap();
    assert!(matches!(both().await, OpenError::NotPrism { .. }));
    fs::write(db.path(), "text ".repeat(1_000)).unwrap();
    assert!(matches!(both().await, OpenError::NotADatabase { .. }));
    fs::remove_file(db.path()).unwrap();
    db.open().await.close().await;
    db.other_client().await.execute("PRAGMA user_version = 99").await.unwrap();
    assert!(matches!(both().await, OpenError::Newer { found: 99, .. }));
    fs::remove_file(db.path()).unwrap();
    fs::create_dir(db.path()).unwrap();
    assert!(matches!(both().await, OpenError::NotAFile { .. }));
    // SQLite leaves the log and its index, which are empty, after the last connection only read.
    let names = fs::read_dir(db.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let made: Vec<_> = names.filter(|name| !name.to_string_lossy().starts_with("prism.db")).collect();
    assert!(made.is_empty(), "{made:?}");
}

#[tokio::test]
async fn a_copy_has_the_same_content_and_ends_the_tokens_of_the_original() {
    let db = TestDb::new();
    let store = db.open().await;
    fill(&store).await;
    let copy = db.folder.path().join("copy.db");
    let backup = back_up(&db.options(), &copy, now_of_check()).await.unwrap();
    assert_eq!(backup.bytes, fs::metadata(&copy).unwrap().len());
    assert_eq!(backup.report.count("keyvalue", "items"), Some(2));
    assert_eq!(backup.report.count("timeseries", "events"), Some(5));
    // Both go on, and the copy comes as far as the token.
    store.append(append(vec![event("x", 9, "after", "p")])).await.unwrap();
    let token = now(&store).await;
    let restored = Sqlite::open(Options::new(&copy)).await.unwrap();
    let other: Vec<_> = ["1", "2"].map(|id| event("x", 9, id, "p")).into();
    restored.append(append(other.clone())).await.unwrap();
    let refused = follow(&restored, tail(None, token.clone())).await;
    assert!(matches!(refused, Err(Error::TokenExpired)), "{refused:?}");
    assert_eq!(follow(&store, tail(None, token)).await.unwrap().0, []);
    let read = follow(&restored, tail(None, beginning(&restored).await)).await.unwrap().0;
    assert_eq!((read.len(), &read[5..]), (7, &other[..]));
    let page =
        |store: Sqlite| async move { store.scan(&common::scan(Predicate::All)).await.unwrap().entries };
    assert_eq!(page(restored).await, page(store).await);
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_is_readable_by_its_user_only_and_leaves_no_other_file() {
    use std::os::unix::fs::MetadataExt;
    let db = TestDb::new();
    db.open().await.close().await;
    let folder = db.folder.path().join("copies");
    fs::create_dir(&folder).unwrap();
    back_up(&db.options(), &folder.join("copy.db"), now_of_check()).await.unwrap();
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["copy.db"]);
    assert_eq!(fs::metadata(folder.join("copy.db")).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_is_a_file_in_a_folder_that_exists() {
    let db = TestDb::new();
    db.open().await.close().await;
    let refused = async |name: &str| {
        let error = back_up(&db.options(), &db.folder.path().join(name), now_of_check()).await.unwrap_err();
        assert!(error.to_string().contains("; "), "{error}");
        error
    };
    fs::write(db.folder.path().join("taken"), "content").unwrap();
    assert!(matches!(refused("taken").await, BackupError::Exists { .. }));
    assert!(matches!(refused("prism.db").await, BackupError::Exists { .. }));
    assert!(matches!(refused("").await, BackupError::Name { .. }));
    assert!(matches!(refused("other.db-wal").await, BackupError::Name { .. }));
    assert!(matches!(refused("none/copy.db").await, BackupError::NoDirectory { .. }));
    assert_eq!(fs::read_to_string(db.folder.path().join("taken")).unwrap(), "content");
    let mut left: Vec<_> =
        fs::read_dir(db.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["prism.db", "taken"]);
}

#[tokio::test]
async fn a_damaged_database_has_no_copy() {
    let by_page = large().await;
    damage_a_page(&by_page.path());
    let by_row = TestDb::new();
    let store = by_row.open().await;
    fill(&store).await;
    by_row.other_client().await.execute("DELETE FROM ts_series").await.unwrap();
    for db in [by_page, by_row] {
        let copy = db.folder.path().join("copy.db");
        let error = back_up(&db.options(), &copy, now_of_check()).await.unwrap_err();
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        let names = fs::read_dir(db.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left = names.filter(|name| name.to_string_lossy().starts_with("copy.db")).count();
        assert_eq!(left, 0, "{error}");
    }
}

#[tokio::test]
async fn a_database_of_an_older_schema_can_be_checked_and_copied() {
    let db = TestDb::new();
    db.open().await.close().await;
    let old = "DROP TABLE ts_store; DROP TABLE ts_namespaces; DROP TABLE ts_series; DROP TABLE ts_events; \
               DROP TABLE ts_swept; PRAGMA user_version = 1";
    let mut client = db.other_client().await;
    client.execute(sqlx::raw_sql(old)).await.unwrap();
    client.close().await.unwrap();
    let copy = db.folder.path().join("copy.db");
    let report = back_up(&db.options(), &copy, now_of_check()).await.unwrap().report;
    assert_eq!((report.schema_version, report.parts.len()), (1, 1));
    let restored = Sqlite::open(Options::new(&copy)).await.unwrap();
    restored.append(append(vec![event("x", 1, "i", "p")])).await.unwrap();
    restored.close().await;
    let report = check(&Options::new(&copy), now_of_check()).await.unwrap();
    assert_eq!((report.schema_version, report.count("timeseries", "events")), (SCHEMA_VERSION, Some(1)));
    assert_eq!(report.damage, []);
}
