//! Each exit code, by a real server or the lack of one.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::support::{Backend, Prism, Ran, json_lines, prism};

fn code(prism: &Prism, args: &[&str]) -> i32 {
    prism.run(args).code
}

#[test]
fn success_is_0_and_any_other_failure_is_1() {
    let prism = Prism::serve(Backend::Memory);
    assert_eq!(code(&prism, &["put", "n", "r", "k=v"]), 0);
    assert_eq!(code(&prism, &["delete", "n", "absent", "--all"]), 0, "a delete is idempotent");
    assert_eq!(code(&prism, &["export", "n", "no-such-folder/out"]), 1);
    assert_eq!(prism.run_on(b"not json\n", &["import", "n", "-"]).code, 1);
    let refused = "{\"id\":\"r\",\"items\":[{\"key\":\"k\",\"value\":\"v\",\"content_type\":\"a\"}]}\n"
        .replace("\"a\"", &format!("\"{}\"", "a".repeat(200)));
    assert_eq!(prism.run_on(refused.as_bytes(), &["import", "n", "-"]).code, 1, "a bad line is not usage");
}

#[test]
fn usage_is_2_whether_the_client_or_the_server_finds_the_mistake() {
    let prism = Prism::serve(Backend::Memory);
    assert_eq!(code(&prism, &["put", "n", "r"]), 2);
    assert_eq!(code(&prism, &["get", "Bad", "r"]), 2);
    assert_eq!(code(&prism, &["check-config", "--config", "not-there"]), 2);
}

#[test]
fn a_file_that_cannot_be_an_argument_is_2_and_only_a_bad_line_of_an_import_is_1() {
    let prism = Prism::serve(Backend::Memory);
    fs::write(prism.path("long"), vec![b'v'; (1 << 20) + 1]).unwrap();
    fs::write(prism.path("binary"), b"\xff\n").unwrap();
    fs::write(prism.path("not-pem"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(prism.path("bad-line"), "{}\n").unwrap();
    let https = prism.endpoint().replace("http://", "https://");
    let tls = |command: &'static str, file: &'static str| {
        [command, "--endpoint", &https, "--tls-ca", file].map(str::to_owned).to_vec()
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut table = vec![
        (words("import n bad-line"), 1),
        (words("import n bad-line --full --database new.db"), 1),
        (words("import n bad-line --check"), 1),
        (tls("describe", "absent"), 2),
        (tls("describe", "not-pem"), 2),
        (tls("health", "absent"), 2),
        (tls("health", "not-pem"), 2),
    ];
    table.extend(
        [
            "get n --ids-from absent",
            "get n --ids-from .",
            "get n --ids-from binary",
            "get n r --token-file absent",
            "get n r --token-file binary",
            "put n r --file k=absent",
            "put n r --file k=.",
            "put n r --file k=long",
            "import n absent",
            "import n .",
            "import n absent --check",
            "import n absent --full --database new.db",
            "import n . --full --database new.db",
            "import n bad-line --full --config absent",
            "import n bad-line --full --database binary",
            "import n bad-line --full --database no-such-folder/new.db",
            "serve --config absent",
        ]
        .map(|line| (words(line), 2)),
    );
    for (args, expected) in table {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let ran = prism.run(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (expected, ""), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_3_from_the_start_of_a_full_import() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:p@{}/d", closed.local_addr().unwrap());
    drop(closed);
    fs::write(folder.path().join("c.yaml"), format!("database:\n  type: postgres\n  url: {}\n", json!(url)))
        .unwrap();
    fs::write(folder.path().join("in"), "").unwrap();
    let mut command = prism();
    command.current_dir(folder.path()).args(["import", "n", "in", "--full", "--config", "c.yaml"]);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot open the Postgres database 'd' at 127.0.0.1:"), "{}", ran.stderr);
}

#[test]
fn an_unavailable_server_is_3() {
    let mut prism = Prism::serve(Backend::Memory);
    let commands: [&[&str]; 5] =
        [&["put", "n", "r", "k=v"], &["get", "n", "r"], &["ls", "n"], &["describe"], &["export", "n"]];
    prism.kill();
    for command in commands {
        let ran = prism.run(command);
        assert_eq!(ran.code, 3, "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("no server answers at"), "{}", ran.stderr);
    }
    // Health is for health checks, which reserve other codes than 0 and 1.
    assert_eq!(code(&prism, &["health"]), 1);
    // A server that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    for command in [commands[0], commands[1], commands[3]] {
        let args = [command, &["--timeout", "100ms", "--endpoint", &endpoint]].concat();
        assert_eq!(code(&prism, &args), 3, "{command:?}");
    }
    fs::write(prism.path("in"), "{\"id\":\"r\",\"items\":[{\"key\":\"k\",\"value\":\"v\"}]}\n").unwrap();
    assert_eq!(code(&prism, &["import", "n", "in"]), 3);
}

#[test]
fn an_absent_item_or_record_is_4() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "b=2"]);
    for (args, why) in [
        (&["get", "n", "absent"][..], "the record 'absent' has no items"),
        (&["ls", "n", "absent"], "the record 'absent' has no items"),
        (&["get", "n", "r", "--prefix", "x"], "the record 'r' has no items with such keys"),
        (&["get", "n", "r", "x"], "the record 'r' has no item 'x'"),
        (&["get", "n", "r", "x", "--raw"], "the record 'r' has no item 'x'"),
        (&["get", "n", "r", "--escaped", "\\x1b"], "the record 'r' has no item '\\x1b'"),
    ] {
        let ran = prism.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr, format!("prism: {why}\n"), "{args:?}");
    }
    let some = prism.run(&["get", "n", "r", "x", "a", "--json"]);
    assert_eq!((some.code, json_lines(&some.stdout).len()), (4, 1), "{}", some.stderr);
    let error = json!({ "message": "the record 'r' has no item 'x'", "absent": [{ "id": "r", "key": "x" }] });
    assert_eq!(json_lines(&some.stderr)[0]["error"], error);
    let listed = prism.run(&["ls", "n", "absent", "--json"]);
    assert_eq!(json_lines(&listed.stderr)[0]["error"]["absent"], json!([{ "id": "absent" }]));
    // The limit, not the record, ended this one.
    assert_eq!(code(&prism, &["get", "n", "r", "a", "x", "--limit", "1"]), 0);
}

#[test]
fn a_failed_precondition_is_5() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1"]);
    assert_eq!(code(&prism, &["put", "n", "r", "a=2", "--if", "a=0"]), 5);
    assert_eq!(code(&prism, &["kv", "delete", "n", "r", "--all", "--if", "a=7"]), 5);
}

#[test]
fn a_superseded_write_is_6_and_the_rest_is_written() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "a=1", "--priority-token", "5"]);
    for token in ["5", "4"] {
        let ran = prism.run(&["put", "n", "r", "a=2", "--priority-token", token, "--json"]);
        assert_eq!(ran.code, 6, "{}", ran.stderr);
        let message = &json_lines(&ran.stderr)[0]["error"]["message"];
        assert!(message.as_str().unwrap().starts_with("not written: 1 of 1 item;"), "{message}");
    }
    assert_eq!(code(&prism, &["put", "n", "r", "a=2", "b=2", "--priority-token", "5"]), 6);
    assert_eq!(prism.ok(&["get", "n", "r", "b", "--raw"]), "2");
    assert_eq!(code(&prism, &["put", "n", "r", "a=2", "--priority-token", "6"]), 0);
}

#[test]
fn a_token_that_does_not_permit_the_call_is_7() {
    let folder = tempfile::tempdir().unwrap();
    let config = "auth:\n  tokens:\n    - name: reader\n      file: token\n      permissions: [read]\n";
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    fs::write(folder.path().join("token"), "a-token-of-32-characters-or-more\n").unwrap();
    let prism = Prism::serve_in(folder, Backend::Memory);
    assert_eq!(code(&prism, &["ls", "n"]), 7);
    assert_eq!(code(&prism, &["ls", "n", "--token-file", "token"]), 0);
    assert_eq!(code(&prism, &["put", "n", "r", "k=v", "--token-file", "token"]), 7);
}

#[test]
fn the_help_lists_the_codes() {
    let output = prism().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for line in ["  3  server unavailable", "  6  not written", "  7  the credentials"] {
        assert!(help.contains(line), "{help}");
    }
}
