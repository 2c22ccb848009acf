//! `prism check`, of databases that are sound, damaged, or out of its reach.

use std::fs;

use prism_testkit::{Backend, LazySchema, skips};
use serde_json::json;
use tempfile::TempDir;

use super::backup::json;
use crate::{Serving, prism, run, serve, stderr, wait_until_healthy};

#[test]
fn a_check_of_a_served_file_is_silent_and_one_of_a_damaged_file_exits_with_8() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = Serving::start(&mut serve(folder));
    serving.close_log();
    let url = format!("http://{}", serving.address);
    fs::write(folder.join("value"), vec![7; 500_000]).unwrap();
    let put = run(prism(folder).args(["put", "n", "r", "a=b", "--file", "k=value", "--endpoint", &url]));
    assert_eq!(put.status.code(), Some(0), "{}", stderr(&put));
    let sound = json(prism(folder).arg("check"));
    assert_eq!(sound["damage"], json!([]));
    assert_eq!(sound["keyvalue"]["items"], 2);
    assert_eq!(sound["keyvalue"]["largest"], json!([{"name": "n", "rows": 2, "bytes": 500_003}]));
    let text = run(prism(folder).arg("check"));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("./prism.db: sound; SQLite 3."), "{text}");
    assert!(!text.contains("damage"), "{text}");
    serving.signal("-TERM");
    serving.wait();

    let path = folder.join("prism.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let damaged = run(prism(folder).args(["check", "--json"]));
    assert_eq!(damaged.status.code(), Some(8), "{}", stderr(&damaged));
    assert!(stderr(&damaged).contains("damage was found: default"), "{}", stderr(&damaged));
    let report: serde_json::Value = serde_json::from_slice(&damaged.stdout).unwrap();
    assert_ne!(report["damage"], json!([]));
    let backup = run(prism(folder).args(["backup", "copy.db"]));
    assert_eq!(backup.status.code(), Some(8), "{}", stderr(&backup));
    assert!(!folder.join("copy.db").exists());
}

#[test]
fn a_check_refuses_databases_that_it_cannot_read_and_notes_those_without_one() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let missing = run(prism(folder).args(["check", "--database", "none.db"]));
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
    assert!(stderr(&missing).contains("there is no such file"), "{}", stderr(&missing));
    let memory = run(prism(folder).arg("check").env("PRISM_DATABASE_TYPE", "memory"));
    assert_eq!(memory.status.code(), Some(2), "{}", stderr(&memory));
    let several =
        "backends: {one: {path: prism.db}, two: {type: memory}}\nnamespaces: {default_backend: one}\n";
    fs::write(folder.join("several.yaml"), several).unwrap();
    let serving = Serving::start(serve(folder).args(["--config", "several.yaml"]));
    wait_until_healthy(folder, &serving.address);
    let checked = run(prism(folder).args(["check", "--config", "several.yaml", "--json"]));
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    assert!(stderr(&checked).contains("note: the backend two is in memory"), "{}", stderr(&checked));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(report["backend"], "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_of_postgres_needs_the_tables_of_a_gateway() {
    if skips(Backend::Postgres, "a_check_of_postgres_needs_the_tables_of_a_gateway") {
        return;
    }
    let (schema, folder) = (LazySchema::new(), TempDir::new().unwrap());
    let url = schema.url().await.unwrap();
    let refused = run(prism(folder.path()).arg("check").env("DATABASE_URL", url));
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("has no tables of Prism's"), "{}", stderr(&refused));
    let serving = Serving::start(serve(folder.path()).env("DATABASE_URL", url));
    let endpoint = format!("http://{}", serving.address);
    let put = run(prism(folder.path()).args(["put", "n", "r", "a=b", "--endpoint", &endpoint]));
    assert_eq!(put.status.code(), Some(0), "{}", stderr(&put));
    let report = json(prism(folder.path()).arg("check").env("DATABASE_URL", url));
    assert_eq!((&report["keyvalue"]["items"], &report["damage"]), (&json!(1), &json!([])));
    assert!(report["engine"].as_str().unwrap().starts_with("PostgreSQL "), "{report}");
}
