//! put, get, delete, scan and describe, with text and JSON output.

use std::process::Command;

use serde_json::json;

use crate::support::{Backend, Prism, json_lines};

#[test]
fn put_items_are_read_back_as_text_and_as_json() {
    let prism = Prism::serve(Backend::Memory);
    let put = prism.ok(&["put", "demo", "user:1", "name=Alice", "bio=a=b\nc"]);
    assert_eq!(put, "name: version 1\nbio: version 2\n");

    let text = prism.ok(&["get", "demo", "user:1"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["KEY", "VERSION", "UPDATED", "VALUE"]);
    assert!(lines[1].starts_with("bio ") && lines[1].ends_with("  a=b\\nc"), "{}", lines[1]);
    assert!(lines[2].starts_with("name") && lines[2].ends_with("Z  Alice"), "{}", lines[2]);

    let items = json_lines(&prism.ok(&["get", "demo", "user:1", "--json"]));
    assert_eq!(items.len(), 2);
    assert_eq!(
        (&items[0]["key"], &items[0]["value"], &items[0]["version"]),
        (&json!("bio"), &json!("a=b\nc"), &json!(2))
    );
    assert_eq!(items[0]["created_at"], items[0]["updated_at"]);
    assert!(items[0].get("expires_at").is_none());
}

#[test]
fn each_command_also_exists_under_its_abstraction() {
    let prism = Prism::serve(Backend::Memory);
    assert_eq!(prism.ok(&["kv", "put", "demo", "user:1", "name=Alice"]), "name: version 1\n");
    for command in ["get", "ls", "delete", "scan", "describe", "import", "export"] {
        let help =
            |command: &[&str]| prism.ok(&[command, &["--help"]].concat()).replace("prism kv ", "prism ");
        assert_eq!(help(&["kv", command]), help(&[command]));
    }
    let usage = prism.ok(&["kv", "get", "--help"]);
    let usage: Vec<_> = usage.lines().filter(|line| line.contains("[OPTIONS]")).collect();
    assert!(usage.len() == 3 && usage.iter().all(|line| line.contains("prism kv get [")), "{usage:?}");
    assert_eq!(
        prism.ok(&["kv", "get", "demo", "user:1", "--json"]),
        prism.ok(&["get", "demo", "user:1", "--json"])
    );
}

#[test]
fn bytes_are_put_with_escapes_and_files_and_read_back_raw() {
    let prism = Prism::serve(Backend::Memory);
    std::fs::write(prism.path("photo"), b"\xff\x00\n").unwrap();
    prism.ok(&["put", "n", "r", "--escaped", "k\\xff=\\x00\\\\", "--file", "photo=photo"]);
    let from_stdin =
        prism.run_on(b"typed", &["put", "n", "r", "--file", "in=-", "--content-type", "text/plain"]);
    assert_eq!(from_stdin.code, 0, "{}", from_stdin.stderr);

    let raw = prism.command(&["get", "n", "r", "photo", "--raw"]).output().unwrap();
    assert_eq!(raw.stdout, b"\xff\x00\n");
    let raw = prism.command(&["get", "n", "r", "--escaped", "k\\xff", "--raw"]).output().unwrap();
    assert_eq!(raw.stdout, b"\x00\\");
    let items = json_lines(&prism.ok(&["get", "n", "r", "--json"]));
    assert_eq!((&items[0]["key"], &items[0]["content_type"]), (&json!("in"), &json!("text/plain")));
    assert_eq!((&items[1]["key_base64"], &items[1]["value"]), (&json!("a/8="), &json!("\u{0}\\")));
    assert_eq!(items[2]["value_base64"], json!("/wAK"));
    assert!(prism.ok(&["get", "n", "r"]).contains("k\\xff"));
}

#[test]
fn get_selects_by_keys_prefix_range_limit_and_direction() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "b=2", "ba=3", "c=4"]);
    let keys = |args: &[&str]| {
        let items = json_lines(&prism.run(&[&["get", "n", "r", "--json"], args].concat()).stdout);
        items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&["c", "a", "missing"]), ["a", "c"]);
    assert_eq!(keys(&["--prefix", "b"]), ["b", "ba"]);
    assert_eq!(keys(&["--from", "b", "--to", "c"]), ["b", "ba"]);
    assert_eq!(keys(&["--from", "ba"]), ["ba", "c"]);
    assert_eq!(keys(&["--reverse", "--limit", "3"]), ["c", "ba", "b"]);
    let only_keys = json_lines(&prism.ok(&["get", "n", "r", "a", "--keys-only", "--json"]));
    assert!(only_keys[0].get("value").is_none());
}

#[test]
fn get_and_scan_follow_the_pages_to_their_end() {
    let prism = Prism::serve(Backend::Memory);
    for part in 0..3 {
        let items: Vec<_> = (0..900).map(|at| format!("k{:05}=v", part * 900 + at)).collect();
        let mut args = vec!["put", "n", "r"];
        args.extend(items.iter().map(String::as_str));
        prism.ok(&args);
    }
    assert_eq!(prism.ok(&["get", "n", "r", "--json"]).lines().count(), 2_700);
    assert_eq!(prism.ok(&["get", "n", "r", "--json", "--limit", "1001"]).lines().count(), 1_001);
    assert_eq!(prism.ok(&["scan", "n", "--json"]).lines().count(), 2_700);
    assert_eq!(prism.ok(&["scan", "n", "--json", "--limit", "1001"]).lines().count(), 1_001);
}

#[test]
fn an_empty_namespace_has_no_items_and_is_not_an_error() {
    let prism = Prism::serve(Backend::Memory);
    for (command, note) in [("scan", "no items\n"), ("ls", "no records\n")] {
        let text = prism.run(&[command, "n"]);
        assert_eq!((text.code, text.stdout.as_str(), text.stderr.as_str()), (0, "", note));
        let json = prism.run(&[command, "n", "--json"]);
        assert_eq!((json.code, json.stdout.as_str(), json.stderr.as_str()), (0, "", ""));
    }
}

#[test]
fn a_failed_precondition_names_each_failing_key_and_its_version() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "b=1"]);
    let failed = prism.run(&["put", "n", "r", "c=1", "--if", "a=7", "--if", "b=2", "--if", "new=3"]);
    assert_eq!(failed.code, 5);
    assert!(failed.stderr.starts_with("prism: FAILED_PRECONDITION: "), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("\n  a: current version 1\n  new: absent (version 0)\n"),
        "{}",
        failed.stderr
    );
    assert!(!failed.stderr.contains("  b:"), "{}", failed.stderr);

    let json = prism.run(&["delete", "n", "r", "--all", "--if", "a=7", "--json"]);
    let error = &json_lines(&json.stderr)[0]["error"];
    assert_eq!(error["status"], json!("FAILED_PRECONDITION"));
    assert_eq!(error["failed_preconditions"], json!([{ "key": "a", "current_version": 1 }]));

    assert_eq!(prism.ok(&["put", "n", "r", "a=2", "--if", "a=1", "--if", "c=0"]), "a: version 3\n");
}

#[test]
fn a_token_applies_once() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "--priority-token", "5"]);
    let again = prism.run(&["put", "n", "r", "a=2", "b=2", "--priority-token", "5"]);
    assert_eq!(
        again.stdout,
        "a: superseded by an equal or higher priority token; still version 1\nb: version 2\n"
    );
    let why = "prism: not written: 1 of 2 items; an equal or higher priority token was there before\n";
    assert_eq!((again.code, again.stderr.as_str()), (6, why));
    let json = prism.run(&["put", "n", "r", "a=2", "--priority-token", "5", "--json"]);
    assert_eq!(json_lines(&json.stdout), [json!({ "key": "a", "applied": false, "version": 1 })]);
    assert_eq!(prism.ok(&["delete", "n", "r", "a", "--priority-token", "5"]), "0 items deleted\n");
}

#[test]
fn the_former_name_of_the_priority_token_still_works() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "--token", "5"]);
    assert_eq!(prism.run(&["put", "n", "r", "a=2", "--token", "5"]).code, 6);
    assert_eq!(prism.ok(&["delete", "n", "r", "a", "--token", "6"]), "1 item deleted\n");
    let help = prism.ok(&["put", "--help"]);
    assert!(help.contains("--priority-token <N>") && !help.contains("--token <N>"), "{help}");
}

#[test]
fn a_ttl_is_kept_and_shown() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "--ttl", "10m"]);
    assert!(prism.ok(&["get", "n", "r"]).contains("(expires 2"));
    assert!(json_lines(&prism.ok(&["get", "n", "r", "--json"]))[0]["expires_at"].is_string());
    let refused = prism.run(&["put", "n", "r", "a=1", "--ttl", "0s"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.starts_with("prism: INVALID_ARGUMENT: ttl: is 0;"), "{}", refused.stderr);
}

#[test]
fn delete_removes_the_selected_items_and_needs_a_selection() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "b=2", "ba=3", "c=4"]);
    let unselected = prism.run(&["delete", "n", "r"]);
    assert_eq!(unselected.code, 2);
    assert!(unselected.stderr.contains("--all for every item"), "{}", unselected.stderr);
    assert_eq!(prism.ok(&["delete", "n", "r", "--prefix", "b"]), "2 items deleted\n");
    assert_eq!(prism.ok(&["delete", "n", "r", "a", "nothing"]), "1 item deleted\n");
    assert_eq!(prism.ok(&["delete", "n", "r", "--all", "--json"]), "{\"deleted_count\":1}\n");
}

#[test]
fn scan_reads_a_namespace_in_the_order_of_ids_and_keys() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "b", "y=1", "x=1"]);
    prism.ok(&["put", "n", "a", "z=1"]);
    prism.ok(&["put", "other", "a", "z=1"]);
    let order = |args: &[&str]| {
        let entries = json_lines(&prism.ok(&[&["scan", "n", "--json"], args].concat()));
        let name = |entry: &serde_json::Value| format!("{}{}", entry["id"], entry["key"]).replace('"', "");
        entries.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(order(&[]), ["az", "bx", "by"]);
    assert_eq!(order(&["--reverse", "--limit", "2"]), ["by", "bx"]);
    assert_eq!(order(&["--id", "b", "--prefix", "x"]), ["bx"]);
    assert!(prism.ok(&["scan", "n"]).starts_with("ID  KEY  VERSION  UPDATED"));
}

#[test]
fn describe_prints_versions_capabilities_and_limits() {
    let prism = Prism::serve(Backend::Memory);
    let text = prism.ok(&["describe"]);
    for expected in
        ["contract version  1.0", "CONDITIONAL_WRITES, PRIORITY_TOKENS", "max_value_bytes 1,048,576"]
    {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let json = &json_lines(&prism.ok(&["describe", "demo", "--json"]))[0];
    assert_eq!(json["limits"]["max_put_items"], json!(1_000));
    assert_eq!(json["capabilities"].as_array().unwrap().len(), 5);
}

#[test]
fn a_refused_request_lists_every_field_and_what_is_allowed() {
    let prism = Prism::serve(Backend::Memory);
    let one = prism.run(&["put", "Bad", "r", "k=v"]);
    assert_eq!(one.code, 2);
    assert!(
        one.stderr.starts_with("prism: INVALID_ARGUMENT: namespace: is malformed; a-z"),
        "{}",
        one.stderr
    );
    assert_eq!(one.stderr.lines().count(), 1);
    let long = format!("{}=v", "k".repeat(1_025));
    let two = prism.run(&["put", "Bad", "r", &long]);
    let lines: Vec<_> = two.stderr.lines().collect();
    assert_eq!(lines[0], "prism: INVALID_ARGUMENT: 2 fields are not valid");
    assert!(lines[1].starts_with("  namespace: "), "{}", lines[1]);
    assert_eq!(lines[2], "  items[0].key: is 1025 bytes; 1 to 1024 are allowed");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let prism = Prism::serve(Backend::Memory);
    for args in [
        ["put", "n", "r"].as_slice(),
        &["put", "n", "r", "no-equals-sign"],
        &["put", "n", "r", "a=1", "--if", "a=x"],
        &["put", "n", "r", "--escaped", "a=\\q"],
        &["put", "n", "r", "a=1", "--ttl", "soon"],
        &["put", "n", "r", "--file", "a=-", "--file", "b=-"],
        &["get", "n", "r", "--raw"],
        &["get", "n", "r", "a", "--prefix", "b"],
        &["get", "n", "r", "--prefix", "a", "--from", "b"],
        &["delete", "n", "r", "--all", "--prefix", "b"],
        &["scan", "n", "--id", ""],
        &["scan", "n", "--id-prefix", ""],
        &["scan", "n", "--id-prefix", "a", "--id", "b"],
        &["scan", "n", "--limit", "0"],
        &["ls", "n", "--id-prefix", ""],
        &["ls", "n", "r", "--id-prefix", "a"],
        &["ls", "n", "--limit", "0"],
        &["get", "n"],
        &["get", "n", "--ids-from", "not-there"],
        &["get", "n", "--id", "a", "--ids-from", "-"],
        &["get", "n", "--id", "a", "k", "--raw"],
        &["get", "n", "r", "--limit", "0"],
        &["get", "n", "r", "--color", "sometimes"],
        &["completions", "csh"],
        &["get", "n", "r", "--token-file", "not-there"],
        &["get", "n", "r", "--endpoint", "not an address"],
        &["get", "n", "r", "--tls-domain", "x"],
        &["import", "Bad", "file"],
        &["import", "n", "-", "--resume"],
    ] {
        let ran = prism.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{args:?} prints nothing");
    }
}

#[test]
fn a_closed_output_ends_a_command_silently() {
    let prism = Prism::serve(Backend::Memory);
    for part in 0..4 {
        let value = format!("k={}", "v".repeat(100_000));
        prism.ok(&["put", "n", &format!("r{part}"), &value]);
    }
    for command in ["scan n", "scan n --json", "export n"] {
        let script = format!(
            "{} {command} | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_prism")
        );
        let ran = Command::new("bash")
            .args(["-c", &script])
            .env("PRISM_ENDPOINT", prism.endpoint())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(0), "{command}");
        assert_eq!(String::from_utf8(ran.stderr).unwrap(), "", "{command}");
    }
}
