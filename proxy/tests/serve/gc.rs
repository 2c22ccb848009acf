//! `prism gc` beside a gateway that does not sweep.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use prism_testkit::{Backend, LazySchema, skips};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::backup::json;
use super::reload::configured;
use crate::{Serving, prism, run, stderr};

/// A gateway that leaves everything to `gc`.
const RULES: &str = "namespaces:\n  rules: [{match: events, abstraction: timeseries}]\n";

/// A command with the configuration, and the database of the environment.
fn command(folder: &Path, url: Option<&str>, args: &[&str]) -> Command {
    let mut command = prism(folder);
    command.args(args).args(["--config", "prism.yaml"]);
    if let Some(url) = url {
        command.env("DATABASE_URL", url);
    }
    command
}

fn start(folder: &Path, url: Option<&str>) -> Serving {
    let mut command = configured(folder, RULES);
    command.env("PRISM_DATABASE_SWEEP_INTERVAL", "1h");
    if let Some(url) = url {
        command.env("DATABASE_URL", url);
    }
    let mut serving = Serving::start(&mut command);
    serving.close_log();
    serving
}

fn client(folder: &Path, serving: &Serving, args: &[&str]) -> Output {
    let output = run(prism(folder).args(args).args(["--endpoint", &format!("http://{}", serving.address)]));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    output
}

/// Waits until a check finds so many expired items.
fn until_expired(folder: &Path, url: Option<&str>, items: u64) {
    let began = Instant::now();
    while json(&mut command(folder, url, &["check"]))["keyvalue"]["expired"] != items {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {items} expired items");
    }
}

/// Writes `count` items that expire after a second, and one that does not.
fn write_items(folder: &Path, serving: &Serving, count: usize) {
    client(folder, serving, &["put", "n", "kept", "k=v"]);
    for part in 0..count.div_ceil(1_000) {
        let items: Vec<_> = (0..count.min(1_000)).map(|number| format!("{number}=v")).collect();
        let id = format!("r{part}");
        let args = ["put", "n", &id, "--ttl", "1s"].into_iter().chain(items.iter().map(String::as_str));
        client(folder, serving, &args.collect::<Vec<_>>());
    }
}

fn everything_expired_is_removed(url: Option<&str>) {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder, url);
    write_items(folder, &serving, 20);
    client(folder, &serving, &["put", "n", "tombstone", "k=v", "--priority-token", "7"]);
    client(folder, &serving, &["delete", "n", "tombstone", "--all", "--priority-token", "8"]);
    // Events of years ago, by a rule and by a definition that is made at run time.
    client(folder, &serving, &["ns", "create", "created", "--abstraction", "timeseries"]);
    let long_ago = "2020-01-01T00:00:00Z";
    for namespace in ["events", "created"] {
        let lines: Vec<_> = (0..30)
            .map(|number| {
                json!({"series": format!("s{number}"), "time": long_ago, "id": "i", "payload": "p"})
                    .to_string()
            })
            .collect();
        fs::write(folder.join("events.jsonl"), lines.join("\n") + "\n").unwrap();
        client(folder, &serving, &["ts", "append", namespace, "--file", "events.jsonl"]);
    }
    client(folder, &serving, &["ns", "set", "created", "--retention", "30d", "--accept-past", "1d"]);
    until_expired(folder, url, 20);
    let check = || json(&mut command(folder, url, &["check"]));
    let before = check();
    assert_eq!((&before["keyvalue"]["tombstones"], &before["timeseries"]["events"]), (&json!(1), &json!(60)));

    // The gateway's configuration keeps the events of `events` and the tombstone, so gc does.
    let first = json(&mut command(folder, url, &["gc"]));
    let removed = json!({"items": 20, "tombstones": 0, "events": 30});
    assert_eq!((&first["state"], &first["removed"]), (&json!("done"), &removed));
    let after = check();
    assert_eq!((&after["keyvalue"]["expired"], &after["keyvalue"]["tombstones"]), (&json!(0), &json!(1)));
    assert_eq!(after["timeseries"]["events"], 30);
    assert_eq!(after["damage"], json!([]));

    let shorter =
        "namespaces:\n  rules: [{match: events, abstraction: timeseries, retention: 30d, accept_past: 1d}]\n";
    fs::write(folder.join("prism.yaml"), shorter).unwrap();
    let second = json(&mut command(folder, url, &["gc"]));
    assert_eq!(second["removed"], json!({"items": 0, "tombstones": 0, "events": 30}));
    assert_eq!(check()["timeseries"]["events"], 0);
    let text = run(&mut command(folder, url, &["gc"]));
    let nothing = "done: removed 0 expired items, 0 tombstones, 0 expired events from default\n";
    assert_eq!(String::from_utf8(text.stdout).unwrap(), nothing);
    assert_eq!(client(folder, &serving, &["get", "n", "kept", "--json"]).status.code(), Some(0));
}

#[test]
fn gc_removes_from_sqlite_what_the_policies_have_expired_and_nothing_else() {
    everything_expired_is_removed(None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gc_removes_from_postgres_what_the_policies_have_expired_and_nothing_else() {
    if skips(Backend::Postgres, "gc_removes_from_postgres_what_the_policies_have_expired_and_nothing_else") {
        return;
    }
    let schema = LazySchema::new();
    let url = schema.url().await.unwrap().to_owned();
    tokio::task::spawn_blocking(move || everything_expired_is_removed(Some(&url))).await.unwrap();
}

/// Only one of several sweeps a Postgres at a time, and the others find nothing to do meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gc_beside_another_one_ends_when_nothing_is_left() {
    const ITEMS: usize = 10_000;
    if skips(Backend::Postgres, "gc_beside_another_one_ends_when_nothing_is_left") {
        return;
    }
    let schema = LazySchema::new();
    let url = schema.url().await.unwrap().to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        let (folder, url) = (folder.path(), Some(url.as_str()));
        let serving = start(folder, url);
        write_items(folder, &serving, ITEMS);
        until_expired(folder, url, ITEMS as u64);
        let removed = std::thread::scope(|scope| {
            let gc = || {
                let removed = json(&mut command(folder, url, &["gc"]))["removed"]["items"].as_u64().unwrap();
                let left = json(&mut command(folder, url, &["check"]))["keyvalue"]["sweepable"].clone();
                assert_eq!(left, 0, "it ended before the other one");
                removed
            };
            let two = [scope.spawn(gc), scope.spawn(gc)];
            two.map(|one| one.join().unwrap())
        });
        assert_eq!(removed.iter().sum::<u64>(), ITEMS as u64, "{removed:?}");
    });
    ended.await.unwrap();
}

#[test]
fn gc_stops_between_two_steps_on_ctrl_c_and_goes_on_when_it_is_run_again() {
    const ITEMS: usize = 40_000;
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder, None);
    write_items(folder, &serving, ITEMS);
    until_expired(folder, None, ITEMS as u64);
    let mut child = command(folder, None, &["gc", "--json"]).spawn().unwrap();
    let sweepable =
        || json(&mut command(folder, None, &["check"]))["keyvalue"]["sweepable"].as_u64().unwrap();
    let mut left = sweepable();
    while left == ITEMS as u64 {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a change");
        left = sweepable();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{}", stderr(&stopped));
    assert!(stderr(&stopped).contains("interrupted; run the command again"), "{}", stderr(&stopped));
    let report: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(report["state"], "interrupted");
    let removed = report["removed"]["items"].as_u64().unwrap();
    assert_eq!(removed + sweepable(), ITEMS as u64);
    let rest = json(&mut command(folder, None, &["gc"]));
    assert_eq!(rest["removed"]["items"].as_u64().unwrap(), ITEMS as u64 - removed);
    assert_eq!(sweepable(), 0);
}

#[test]
fn gc_refuses_a_database_that_is_not_there_and_does_not_create_it() {
    let folder = TempDir::new().unwrap();
    for (args, why) in [
        (&["--database", "none.db"][..], "none.db': there is no such file"),
        (&["--backend", "other"], "there is no backend 'other'; there is default"),
    ] {
        let output = run(prism(folder.path()).arg("gc").args(args));
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    let memory = run(prism(folder.path()).arg("gc").env("PRISM_DATABASE_TYPE", "memory"));
    assert_eq!(memory.status.code(), Some(2), "{}", stderr(&memory));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
