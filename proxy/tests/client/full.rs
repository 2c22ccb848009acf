//! Moving a full export into another database: the content stays the same.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Backend, Prism, Ran, json_lines, records};

/// Items with every kind of metadata, written in another order than that of their keys.
fn filled(backend: Backend) -> Prism {
    let prism = Prism::serve(backend);
    prism.ok(&["put", "n", "b", "k=1", "z=2"]);
    prism.ok(&["put", "n", "a", "k=1", "--priority-token", "7", "--content-type", "text/plain"]);
    prism.ok(&["put", "n", "c", "k=gone"]);
    prism.ok(&["put", "n", "b", "k=3", "--ttl", "1h"]);
    prism.ok(&["put", "n", "a", "j=", "--priority-token", "9", "--ttl", "2h"]);
    prism.ok(&["put", "n", "a", "k=4", "--priority-token", "8"]);
    prism.ok(&["delete", "n", "c", "--all"]);
    prism.ok(&["put", "n", "0", "k\\xff=\\x00", "--escaped"]);
    prism
}

fn export(prism: &Prism) -> String {
    prism.ok(&["export", "n", "--full"])
}

/// The items without their versions, and their indices in the order of versions.
fn compared(export: &str) -> (Vec<Value>, Vec<usize>) {
    let mut items = json_lines(export);
    let versions: Vec<_> = items
        .iter_mut()
        .map(|line| line["items"][0].as_object_mut().unwrap().remove("version").unwrap().as_i64().unwrap())
        .collect();
    let mut order: Vec<_> = (0..versions.len()).collect();
    order.sort_by_key(|at| versions[*at]);
    (items, order)
}

/// Imports a full export into the database `new.db` of a server's folder.
fn import_full(prism: &Prism, more: &[&str]) -> Ran {
    prism.run(&[&["import", "n", "out", "--full", "--database", "new.db"], more].concat())
}

/// A server of the database `new.db`.
fn serve_new(prism: &Prism) -> Prism {
    let folder = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("new.db{suffix}");
        if prism.path(&file).exists() {
            fs::copy(prism.path(&file), folder.path().join(format!("prism.db{suffix}"))).unwrap();
        }
    }
    Prism::serve_in(folder, Backend::Sqlite)
}

#[test]
fn a_full_import_keeps_times_tokens_expiry_and_the_order_of_versions() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let prism = filled(backend);
        let exported = export(&prism);
        assert_eq!(exported.lines().count(), 5);
        fs::write(prism.path("out"), &exported).unwrap();
        let ran = import_full(&prism, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let message =
            "importing into the sqlite database new.db\nimported 5 items with versions, tokens and times in ";
        assert!(ran.stderr.starts_with(message), "{}", ran.stderr);
        assert!(!prism.path("out.prism-full-progress").exists(), "the progress file is left behind");

        let new = serve_new(&prism);
        let imported = export(&new);
        assert_eq!(compared(&imported), compared(&exported));
        // The token was imported: a late retry of an old write changes nothing.
        assert_eq!(new.run(&["put", "n", "a", "k=late", "--priority-token", "8"]).code, 6);
        assert_eq!(export(&new), imported);
    }
}

#[test]
fn a_full_import_works_while_a_server_uses_the_same_database() {
    let (prism, new) = (filled(Backend::Memory), Prism::serve(Backend::Sqlite));
    let exported = export(&prism);
    fs::write(prism.path("out"), &exported).unwrap();
    new.ok(&["put", "other", "r", "k=v"]);
    let database = new.path("prism.db");
    let args = ["import", "n", "out", "--full", "--json", "--database", database.to_str().unwrap()];
    let ran = prism.run(&args);
    let summary = json!({ "complete": true, "items": 5, "expired": 0, "skipped": 0, "safe_items": 5 });
    assert_eq!(json_lines(&ran.stdout), [summary]);
    assert_eq!(compared(&export(&new)), compared(&exported));
}

#[test]
fn an_existing_item_is_refused_unless_it_is_the_same() {
    let (prism, new) = (filled(Backend::Memory), Prism::serve(Backend::Sqlite));
    let exported = export(&prism);
    fs::write(prism.path("out"), &exported).unwrap();
    let database = new.path("prism.db");
    let import = |more: &[&str]| {
        let args = ["import", "n", "out", "--full", "--database", database.to_str().unwrap()];
        prism.run(&[&args, more].concat())
    };
    assert_eq!(import(&[]).code, 0);
    assert_eq!(import(&[]).code, 0, "the same items again");
    assert_eq!(compared(&export(&new)), compared(&exported));

    new.ok(&["put", "n", "b", "k=changed"]);
    let refused = import(&[]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("\nprism: out:4: the database already holds a different 'k' of 'b'"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.ends_with("of 5 items are safe; continue with --resume\n"), "{}", refused.stderr);
    let skipped = import(&["--on-error", "skip"]);
    assert_eq!(skipped.code, 1, "an import with skipped lines is incomplete");
    assert!(skipped.stderr.ends_with("; skipped 1 line\n"), "{}", skipped.stderr);
    assert_eq!(new.ok(&["get", "n", "b", "k", "--json"]).matches("changed").count(), 1);
}

#[test]
fn an_expired_item_is_left_out_and_its_token_is_kept() {
    let prism = Prism::serve(Backend::Sqlite);
    let line = |key: &str, more: &str| {
        format!(
            "{{\"id\":\"a\",\"items\":[{{\"key\":\"{key}\",\"value\":\"\",\"expires_at\":\"2021-01-01T00:00:00Z\",\
             {more}\"created_at\":\"2020-01-01T00:00:00Z\",\"updated_at\":\"2020-01-01T00:00:00Z\"}}]}}\n"
        )
    };
    // Expired years ago, beyond the tombstone retention, and expired just now.
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap();
    let recent =
        line("recent", "\"version\":2,\"priority_token\":5,").replace("2021-01-01T00:00:00Z", now.trim());
    fs::write(prism.path("out"), line("old", "\"version\":1,") + &recent).unwrap();
    let ran = prism.run(&["import", "n", "out", "--full"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("; 2 items had expired\n"), "{}", ran.stderr);
    assert_eq!(export(&prism), "");
    let retried = prism.run(&["put", "n", "a", "recent=late", "--priority-token", "5", "--json"]);
    assert_eq!((retried.code, &json_lines(&retried.stdout)[0]["applied"]), (6, &json!(false)));
}

#[test]
fn a_killed_full_import_resumes_and_keeps_the_order() {
    let source = Prism::serve(Backend::Memory);
    let input = records(6_000);
    assert_eq!(source.run_on(input.as_bytes(), &["import", "n", "-"]).code, 0);
    source.ok(&["export", "n", "out", "--full"]);
    let exported = fs::read_to_string(source.path("out")).unwrap();
    let mut import = source
        .command(&["import", "n", "out", "--full", "--database", "new.db", "--in-flight", "1"])
        .spawn()
        .unwrap();
    let progress = source.path("out.prism-full-progress");
    // Waits until some progress is saved, before the end.
    let safe = loop {
        let text = fs::read_to_string(&progress).unwrap_or_default();
        let safe = serde_json::from_str::<Value>(&text).ok().and_then(|saved| saved["items"].as_u64());
        if let Some(safe) = safe.filter(|safe| *safe > 0) {
            break safe;
        }
        assert!(import.try_wait().unwrap().is_none(), "the import ended before it was killed");
    };
    import.kill().unwrap();
    import.wait().unwrap();
    assert!(safe < 12_000);

    let elsewhere = source.run(&["import", "n", "out", "--full", "--database", "other.db", "--resume"]);
    assert_eq!(elsewhere.code, 1);
    assert!(
        elsewhere.stderr.contains("is from an import into 'n' of the sqlite database new.db, not 'n' of"),
        "{}",
        elsewhere.stderr
    );

    let resumed = import_full(&source, &["--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("\nresuming after "), "{}", resumed.stderr);
    assert_eq!(compared(&export(&serve_new(&source))), compared(&exported));
}

#[test]
fn an_import_through_a_server_refuses_a_full_export_and_a_full_import_any_other() {
    let prism = filled(Backend::Memory);
    fs::write(prism.path("out"), export(&prism)).unwrap();
    let refused = prism.run(&["import", "n", "out"]);
    assert_eq!(refused.code, 1);
    let message = "prism: out:1: items[0].version belongs to a full export, and a server assigns its own; import with --full to keep it";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);

    fs::write(prism.path("out"), records(2)).unwrap();
    let refused = import_full(&prism, &[]);
    assert_eq!(refused.code, 1);
    let message =
        "prism: out:1: items holds 2 items; a line of a full export holds 1\n  nothing was written\n";
    assert!(refused.stderr.ends_with(message), "{}", refused.stderr);
}

#[test]
fn a_full_import_reports_wrong_usage() {
    let folder = TempDir::new().unwrap();
    let run = |args: &[&str]| -> Ran {
        crate::support::prism().current_dir(folder.path()).args(args).output().unwrap().into()
    };
    let stdin = run(&["import", "n", "-", "--full"]);
    assert_eq!(stdin.code, 2);
    assert!(stdin.stderr.contains("standard input cannot be imported with --full"), "{}", stdin.stderr);
    let lone = run(&["import", "n", "in", "--database", "x.db"]);
    assert_eq!(lone.code, 2);
    assert!(lone.stderr.contains("--full"), "{}", lone.stderr);
    fs::write(folder.path().join("c.yaml"), "database:\n  type: memory\n").unwrap();
    fs::write(folder.path().join("in"), "").unwrap();
    let memory = run(&["import", "n", "in", "--full", "--config", "c.yaml"]);
    assert_eq!(memory.code, 2);
    assert!(memory.stderr.contains("database.type is memory, which persists nothing"), "{}", memory.stderr);
    fs::write(folder.path().join("c.yaml"), "database:\n  tipe: sqlite\n").unwrap();
    let typo = run(&["import", "n", "in", "--full", "--config", "c.yaml"]);
    assert_eq!(typo.code, 2);
    assert!(
        typo.stderr.contains("c.yaml:2:3: 'database.tipe' is not a key; did you mean"),
        "{}",
        typo.stderr
    );
    fs::write(folder.path().join("in"), "{}\nbad\n").unwrap();
    let checked = run(&["import", "n", "in", "--full", "--check", "--on-error", "skip"]);
    assert_eq!(checked.code, 1);
    assert!(checked.stderr.ends_with("checked 0 items; skipped 2 lines\n"), "{}", checked.stderr);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the check wrote a file");
}

#[tokio::test]
async fn a_sqlite_database_moves_to_postgres_and_back() {
    if prism_testkit::skips(prism_testkit::Backend::Postgres, "a_sqlite_database_moves_to_postgres_and_back")
    {
        return;
    }
    let laptop = filled(Backend::Sqlite);
    let more = records(500);
    assert_eq!(laptop.run_on(more.as_bytes(), &["import", "n", "-"]).code, 0);
    // Rewritten in another order than that of keys.
    for at in [7, 3, 499] {
        laptop.ok(&["put", "n", &format!("r{at:06}"), "b=again", "--priority-token", "3", "--ttl", "1h"]);
    }
    let exported = export(&laptop);

    let schema = prism_testkit::Postgres::shared().await.unwrap().schema().await.unwrap();
    let folder = TempDir::new().unwrap();
    let config = format!("database:\n  type: postgres\n  url: {}\n", json!(schema.url()));
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    let production = Prism::serve_in(folder, Backend::Sqlite);
    fs::write(production.path("out"), &exported).unwrap();
    let ran = production.run(&["import", "n", "out", "--full", "--config", "config.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let imported = export(&production);
    assert_eq!(compared(&imported), compared(&exported));

    fs::write(laptop.path("out"), &imported).unwrap();
    let ran = import_full(&laptop, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(compared(&export(&serve_new(&laptop))), compared(&exported));
}
