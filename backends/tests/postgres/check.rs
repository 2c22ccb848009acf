//! Checks of a database.

use std::time::Duration;

use prism_backends::check::{Damage, Report};
use prism_backends::postgres::{OpenError, Options, check, is_sweepable};
use prism_contract::keyvalue::{Delete, KeyValueBackend, Predicate, Put};
use prism_contract::timeseries::{
    Append, Event, EventId, Series, SeriesEvent, Tags, TimeSeriesBackend, Window,
};
use prism_contract::{Lifecycle, Timestamp};

use crate::common::{at, delete, item, key, namespace, put, put_items};
use crate::test_db::TestDb;

const LIMIT: Duration = Duration::from_secs(30);

fn now() -> Timestamp {
    at(10_000)
}

async fn report(options: &Options) -> Report {
    check(options, now(), LIMIT).await.unwrap()
}

/// The name of a kind of damage, and its rows.
type Kind = (&'static str, Option<u64>);

fn names(damage: &[Damage]) -> Vec<Kind> {
    damage.iter().map(|damage| (damage.name, damage.rows)).collect()
}

fn event(series: &str, id: usize) -> SeriesEvent {
    let event = Event {
        time: at(1),
        id: EventId::new(id.to_string().into_bytes()).unwrap(),
        payload: "payload".into(),
        content_type: String::new(),
        tags: Tags::default(),
    };
    SeriesEvent { series: Series::new(series).unwrap(), event }
}

/// Two live items, an expired one and a tombstone; five events of two series in a namespace with one partition.
async fn fill(db: &TestDb) {
    let store = db.open().await;
    store.put(put_items(vec![item("a", "1"), item("b", "22")])).await.unwrap();
    store.put(Put { expires_at: Some(at(2_000)), ..put("c", "333") }).await.unwrap();
    store.put(Put { token: 7, ..put("d", "4444") }).await.unwrap();
    let predicate = Predicate::keys(vec![key("d")]).unwrap();
    assert_eq!(store.delete(Delete { token: 8, ..delete(predicate) }).await.unwrap(), 1);
    let append = Append {
        namespace: namespace(),
        events: (0..5).map(|number| event(["x", "y"][number % 2], number)).collect(),
        now: at(1_000),
        window: Window::default(),
        expired: None,
        partitions: 1,
    };
    store.append(append).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_check_counts_everything_and_finds_no_damage_in_a_sound_database() {
    let Some(db) = TestDb::new("a_check_counts_everything").await else { return };
    let refused = check(&db.options(), now(), LIMIT).await.unwrap_err();
    assert!(matches!(refused, OpenError::NoTables { .. }), "{refused}");
    db.open().await.close().await;
    assert_eq!(report(&db.options()).await.parts.len(), 1, "TimeSeries has no tables before its first use");
    fill(&db).await;
    let found = report(&db.options()).await;
    assert_eq!(found.damage, []);
    for (part, name, number) in [
        ("keyvalue", "items", 2),
        ("keyvalue", "expired", 1),
        ("keyvalue", "tombstones", 1),
        ("keyvalue", "sweepable", 1),
        ("keyvalue", "bytes", 10),
        ("timeseries", "events", 5),
        ("timeseries", "bytes", 35),
        ("timeseries", "series", 2),
        ("timeseries", "series_without_events", 0),
        ("timeseries", "namespaces", 1),
    ] {
        assert_eq!(found.count(part, name), Some(number), "{name}");
    }
    for part in &found.parts {
        let largest: Vec<_> =
            part.namespaces.iter().map(|of| (of.name.as_str(), of.rows, of.bytes)).collect();
        assert_eq!(largest, [if part.name == "keyvalue" { ("ns", 3, 9) } else { ("ns", 5, 35) }]);
    }
    let soon = Options { retention: Duration::from_millis(1), ..db.options() };
    assert_eq!(report(&soon).await.count("keyvalue", "sweepable"), Some(2));
}

#[tokio::test]
async fn a_check_names_each_kind_of_damage_and_no_other() {
    let kinds: [(&str, &[Kind]); 10] = [
        ("DELETE FROM prism_ts_series WHERE name = 'x'", &[("events_without_series", Some(3))]),
        (
            "UPDATE prism_ts_series SET partition = partition + 1, namespace = namespace WHERE name = 'y'",
            &[("events_in_another_partition", Some(2)), ("series_without_partition", Some(1))],
        ),
        (
            "DELETE FROM prism_ts_partitions",
            &[("events_without_partition", Some(5)), ("series_without_partition", Some(2))],
        ),
        ("DELETE FROM prism_ts_namespaces", &[("partitions_without_namespace", Some(1))]),
        ("UPDATE prism_ts_partitions SET position = 3", &[("positions_beyond_the_end", Some(2))]),
        ("UPDATE prism_ts_events SET position = 1", &[("duplicate_positions", Some(1))]),
        ("DELETE FROM prism_ts_store", &[("no_incarnation", Some(1))]),
        ("SELECT setval('prism_versions', 1)", &[("versions_beyond_the_counter", Some(3))]),
        ("UPDATE prism_items SET value = 'v' WHERE key = 'd'", &[("tombstones_with_content", Some(1))]),
        ("UPDATE prism_items SET token = 0 WHERE key = 'd'", &[("tombstones_with_content", Some(1))]),
    ];
    for (statement, expected) in kinds {
        let Some(db) = TestDb::new("a_check_names_each_kind_of_damage").await else { return };
        fill(&db).await;
        db.run(statement).await;
        assert_eq!(names(&report(&db.options()).await.damage), expected, "{statement}");
    }
}

#[tokio::test]
async fn each_statement_of_a_check_has_a_time_limit() {
    let Some(db) = TestDb::new("each_statement_of_a_check_has_a_time_limit").await else { return };
    fill(&db).await;
    let mut other = db.other_client().await;
    // A lock with which nothing else may read the table.
    sqlx::raw_sql("BEGIN; LOCK TABLE prism_ts_events IN ACCESS EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let late = check(&db.options(), now(), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(&late, OpenError::Unchecked { .. }), "{late}");
    assert!(late.to_string().contains("statement timeout"), "{late}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(report(&db.options()).await.damage, []);
}

#[tokio::test]
async fn what_a_sweep_leaves_to_another_gateway_is_still_sweepable() {
    let Some(db) = TestDb::new("what_a_sweep_leaves").await else { return };
    fill(&db).await;
    let store = db.open().await;
    assert!(!is_sweepable(&db.options(), at(1_000)).await.unwrap());
    assert!(is_sweepable(&db.options(), now()).await.unwrap());
    assert!(!store.sweep(now()).await.unwrap().more);
    assert!(!is_sweepable(&db.options(), now()).await.unwrap());
    let soon = Options { retention: Duration::from_millis(1), ..db.options() };
    assert!(is_sweepable(&soon, now()).await.unwrap());
}
