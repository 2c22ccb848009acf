//! `prism ns`: tables for people, JSON for programs, and what is refused.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::reload::configured;
use crate::{Serving, prism, run, stderr};

const YAML: &str = "\
backends:
  main: {path: ./prism.db}
  mem: {type: memory}
namespaces:
  default_backend: main
  undeclared: refuse
  rules:
    - {match: \"orders-*\", backend: mem, max_ttl: 30d, owners: [team-orders]}
";

struct Shop {
    folder: TempDir,
    serving: Serving,
}

impl Shop {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let serving = Serving::start(&mut configured(folder.path(), YAML));
        Self { folder, serving }
    }

    fn prism(&self, args: &[&str]) -> Output {
        let folder: &Path = self.folder.path();
        let mut command = prism(folder);
        command.args(args).args(["--endpoint", &format!("http://{}", self.serving.address)]);
        run(&mut command)
    }

    /// The output of a command that succeeds.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.prism(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and the message of a command that fails.
    fn refused(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.prism(args);
        (output.status.code(), stderr(&output))
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn definitions_are_created_listed_changed_and_deleted() {
    let shop = Shop::open();
    let created = shop.ok(&[
        "ns",
        "create",
        "sessions",
        "--default-ttl",
        "12h",
        "--max-ttl",
        "30d",
        "--max-value-bytes",
        "64KiB",
        "--reads",
        "1000",
        "--reads-burst",
        "50",
        "--writes",
        "0.5",
        "--owner",
        "team-web",
        "--owner",
        "team-app",
    ]);
    let shown = |text: &str| -> Vec<String> {
        let times = |line: &&str| !line.starts_with("created") && !line.starts_with("updated");
        text.lines().filter(times).map(str::to_owned).collect()
    };
    let expected = [
        "name       sessions",
        "status     active",
        "backend    main",
        "version    1",
        "owners     team-web, team-app",
        "policy     default-ttl 12h",
        "           max-ttl 30d",
        "           max-value-bytes 65,536",
        "           reads 1000/s (burst 50)",
        "           writes 0.5/s",
    ];
    assert_eq!(shown(&created), expected);
    assert_eq!(shown(&shop.ok(&["ns", "show", "sessions"])), expected);
    assert_eq!(
        shop.ok(&["ns", "list"]),
        "NAME      STATUS  BACKEND  VERSION  POLICY\n\
         orders-*  active  mem      static   max-ttl 30d\n\
         sessions  active  main     1        default-ttl 12h, max-ttl 30d, max-value-bytes 65,536, reads 1000/s (burst 50), \
         writes 0.5/s\n"
    );
    assert!(shop.ok(&["ns", "show", "orders-*"]).contains("version    none: a rule of the configuration"));

    let set =
        shop.ok(&["ns", "set", "sessions", "--max-ttl", "none", "--default-ttl", "90s", "--owner", "none"]);
    assert!(set.contains("default-ttl 90s") && !set.contains("max-ttl") && !set.contains("owners"), "{set}");
    let json = &lines(&shop.ok(&["ns", "show", "sessions", "--json"]))[0];
    assert_eq!((&json["version"], &json["policy"]["default_ttl"]), (&json!(2), &json!("90s")));
    assert_eq!(json["policy"]["reads"], json!({"per_second": 1000.0, "burst": 50}));
    assert_eq!(
        (&json["abstraction"], &json["static"], &json["owners"]),
        (&json!("keyvalue"), &json!(false), &json!([]))
    );
    let all = lines(&shop.ok(&["ns", "list", "--json"]));
    assert_eq!(
        all.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["orders-*", "sessions"]
    );
    assert_eq!(all[0]["owners"], json!(["team-orders"]));
    let none = shop.prism(&["ns", "list", "absent"]);
    assert_eq!((none.stdout.len(), stderr(&none).as_str()), (0, "no definitions\n"));

    shop.ok(&["put", "sessions", "r", "k=v"]);
    let (code, why) = shop.refused(&["ns", "delete", "sessions"]);
    assert_eq!(
        (code, why.as_str()),
        (
            Some(5),
            "prism: FAILED_PRECONDITION: the namespace holds data; force deletes it with the namespace\n"
        )
    );
    assert_eq!(shop.ok(&["ns", "delete", "sessions", "--force", "--wait"]), "deleted\n");
    assert_eq!(shop.refused(&["ns", "show", "sessions"]).0, Some(4));
    shop.ok(&["ns", "create", "other", "--backend", "mem", "--json"]);
    let deleted = &lines(&shop.ok(&["ns", "delete", "other", "--if-version", "5", "--json"]))[0];
    assert_eq!((&deleted["name"], &deleted["status"]), (&json!("other"), &json!("deleting")));

    let watched = shop.ok(&["ns", "watch", "--limit", "3"]);
    let watched: Vec<_> = watched.lines().collect();
    assert!(watched[0].starts_with("1  created  sessions  active on main  default-ttl 12h"), "{watched:?}");
    assert_eq!(watched.len(), 3);
    let later = lines(&shop.ok(&["ns", "watch", "--from", "3", "--limit", "2", "--json"]));
    let kinds: Vec<_> = later.iter().map(|change| (&change["kind"], &change["namespace"]["name"])).collect();
    assert_eq!(kinds, [(&json!("deleted"), &json!("sessions")), (&json!("created"), &json!("other"))]);
}

#[test]
fn what_is_refused_says_why_and_has_the_exit_code_of_its_kind() {
    let shop = Shop::open();
    shop.ok(&["ns", "create", "a"]);
    for (args, code, why) in [
        (&["ns", "create", "a"][..], 5, "ALREADY_EXISTS: the namespace has a definition already"),
        (&["ns", "create", "No"], 2, "namespace.name: is malformed"),
        (
            &["ns", "create", "b", "--encrypt"],
            2,
            "namespace.policy.encrypt: is true, and this gateway has no encryption.keys",
        ),
        (
            &["ns", "create", "b", "--audit"],
            2,
            "namespace.policy.audit: is true, and this gateway has no audit.file",
        ),
        (
            &["ns", "create", "b", "--backend", "x"],
            2,
            "namespace.backend: is not a backend of this gateway; it has main, mem",
        ),
        (&["ns", "create", "b", "--max-ttl", "1 day"], 2, "is not a duration"),
        (&["ns", "create", "b", "--max-value-bytes", "1GiB"], 2, "'1GiB' is not a size"),
        (&["ns", "create", "b", "--reads", "0"], 2, "'0' is not a number of calls per second"),
        (&["ns", "create", "b", "--reads-burst", "1"], 2, "--reads"),
        (&["ns", "create", "b", "--default-ttl", "2d", "--max-ttl", "1d"], 2, "is longer than max_ttl"),
        (&["ns", "set", "a"], 2, "name a setting to change"),
        (&["ns", "set", "a", "--max-ttl", "1d", "--if-version", "9"], 5, "FAILED_PRECONDITION"),
        (&["ns", "set", "absent", "--max-ttl", "1d"], 4, "NOT_FOUND"),
        (
            &["ns", "set", "orders-*", "--max-ttl", "1d"],
            5,
            "the definition is a rule of the configuration; change it there",
        ),
        (&["ns", "delete", "orders-*"], 5, "the definition is a rule of the configuration; change it there"),
        (&["ns", "delete", "absent"], 4, "NOT_FOUND"),
        (&["ns", "watch", "--from", "9"], 1, "OUT_OF_RANGE"),
    ] {
        let (exit, text) = shop.refused(args);
        assert_eq!(exit, Some(code), "{args:?}: {text}");
        assert!(text.contains(why), "{args:?}: {text}");
    }
    let (_, error) = shop.refused(&["ns", "show", "absent", "--json"]);
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["error"]["reason"], json!("NAMESPACE_NOT_FOUND"));
    // None of them changed a definition.
    let all = lines(&shop.ok(&["ns", "list", "--json"]));
    let all: Vec<_> = all.iter().map(|one| (one["name"].as_str().unwrap(), &one["version"])).collect();
    assert_eq!(all, [("a", &json!(1)), ("orders-*", &json!(0))]);
}
