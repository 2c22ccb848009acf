//! import and export: round trips, and errors with their line numbers.

use std::fs;

use serde_json::json;

use crate::support::{Backend, Prism, json_lines, records};

/// Every feature of the format except expiry, in canonical form.
const HOSTILE: &str = concat!(
    r#"{"id":" \"\\/é\u0001","items":[{"key_base64":"AP8=","value_base64":"//79"},{"key":"\b\f\n\r\t","value":""},"#,
    r#"{"key":"'%_\\","value":"\u0000"},{"key":"A","value":"\u001f"},{"key":"a","value":"x","content_type":"text/plain"},"#,
    "{\"key\":\"e\u{301}\",\"value\":\"1\",\"compression\":\"brotli\"},",
    "{\"key\":\"\u{e9}\",\"value\":\"2\",\"compression\":77}]}",
    "\n",
    r#"{"id":"a","items":[{"key":"1","value":"01"}]}"#,
    "\n",
);

#[test]
fn an_export_equals_the_import_byte_for_byte() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let prism = Prism::serve(backend);
        fs::write(prism.path("in"), HOSTILE).unwrap();
        let imported = prism.run(&["import", "n", "in"]);
        assert_eq!(imported.code, 0, "{}", imported.stderr);
        assert!(imported.stderr.starts_with("imported 2 lines, 8 items, "), "{}", imported.stderr);
        let exported = prism.run(&["export", "n", "out"]);
        assert!(exported.stderr.starts_with("exported 2 records, 8 items, "), "{}", exported.stderr);
        assert_eq!(fs::read_to_string(prism.path("out")).unwrap(), HOSTILE);
        assert_eq!(prism.ok(&["export", "n"]), HOSTILE);
        assert!(!prism.path("in.prism-progress").exists(), "the progress file is left behind");
    }
}

#[test]
fn a_record_above_the_limits_of_a_put_takes_several_lines() {
    let prism = Prism::serve(Backend::Memory);
    let part = |from: usize, to: usize| {
        let items: Vec<_> = (from..to).map(|at| format!(r#"{{"key":"{at:05}","value":"v"}}"#)).collect();
        format!("{{\"id\":\"big\",\"items\":[{}]}}\n", items.join(","))
    };
    let input = part(0, 1_000) + &part(1_000, 2_000) + &part(2_000, 2_500);
    assert_eq!(prism.run_on(input.as_bytes(), &["import", "n", "-"]).code, 0);
    assert_eq!(prism.ok(&["export", "n"]), input);
    let summary = prism.run(&["export", "n", "out", "--json"]);
    assert_eq!(json_lines(&summary.stdout)[0]["records"], json!(1));
}

#[test]
fn an_export_can_be_limited_to_a_record_or_a_prefix() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "a", "x1=1", "y=2"]);
    prism.ok(&["put", "n", "b", "x2=3"]);
    assert_eq!(
        prism.ok(&["export", "n", "--id", "b"]),
        "{\"id\":\"b\",\"items\":[{\"key\":\"x2\",\"value\":\"3\"}]}\n"
    );
    assert_eq!(prism.ok(&["export", "n", "--prefix", "x"]).matches("\"key\":\"x").count(), 2);
    assert!(!prism.ok(&["export", "n", "--prefix", "x"]).contains("\"y\""));
    assert_eq!(prism.ok(&["export", "empty"]), "");
}

#[test]
fn a_refused_export_leaves_the_existing_file() {
    let prism = Prism::serve(Backend::Memory);
    fs::write(prism.path("out"), "precious").unwrap();
    let refused = prism.run(&["export", "Bad", "out"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("INVALID_ARGUMENT"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(prism.path("out")).unwrap(), "precious");
}

#[test]
fn a_bad_line_stops_the_import_which_resumes_after_it_is_fixed() {
    let prism = Prism::serve(Backend::Memory);
    let good = records(5);
    let bad = good.replace(r#"{"id":"r000003","#, r#"{"ID":"r000003","#);
    fs::write(prism.path("in"), &bad).unwrap();
    let stopped = prism.run(&["import", "n", "in"]);
    assert_eq!(stopped.code, 1);
    let message = "prism: in:4: unknown field `ID`, expected `id` or `items` (at byte 5 of the line)\n  \
                lines 1 to 3 are safe; continue with --resume\n";
    assert!(stopped.stderr.ends_with(message), "{}", stopped.stderr);
    assert_eq!(prism.ok(&["export", "n"]), records(3), "a line after the bad one was written");

    fs::write(prism.path("in"), &good).unwrap();
    let resumed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.starts_with("resuming after line 3\nimported 2 lines, "), "{}", resumed.stderr);
    assert_eq!(prism.ok(&["export", "n"]), good);
}

#[test]
fn bad_lines_are_skipped_and_counted_on_request() {
    let prism = Prism::serve(Backend::Memory);
    let lines = records(3);
    let input = format!("{{}}\n{lines}[]\n");
    fs::write(prism.path("in"), input).unwrap();
    let ran = prism.run(&["import", "n", "in", "--on-error", "skip"]);
    assert_eq!(ran.code, 1, "an import with skipped lines is incomplete");
    assert!(ran.stderr.contains("in:1: missing field `id`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("in:5: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("skipped 2 bad lines"), "{}", ran.stderr);
    assert_eq!(prism.ok(&["export", "n"]), lines);
    let json = prism.run(&["import", "n", "in", "--on-error", "skip", "--json"]);
    let summary = &json_lines(&json.stdout)[0];
    assert_eq!((&summary["lines"], &summary["skipped"]), (&json!(3), &json!(2)));
}

#[test]
fn a_check_needs_no_server_and_writes_nothing() {
    let mut prism = Prism::serve(Backend::Memory);
    prism.kill();
    fs::write(prism.path("in"), records(3)).unwrap();
    let good = prism.run(&["import", "n", "in", "--check"]);
    assert_eq!(good.code, 0, "{}", good.stderr);
    assert!(good.stderr.starts_with("checked 3 lines, 6 items, "), "{}", good.stderr);
    assert!(!prism.path("in.prism-progress").exists());
    let bad = prism.run_on(b"{\"id\":\"a\",\"items\":[]}\n", &["import", "n", "-", "--check"]);
    assert_eq!(bad.code, 1);
    assert!(
        bad.stderr.ends_with("prism: <stdin>:1: items is empty; 1 to 1000 are allowed\n"),
        "{}",
        bad.stderr
    );
}

#[test]
fn expired_items_are_left_out_and_reported_and_others_keep_their_expiry() {
    let prism = Prism::serve(Backend::Memory);
    let input = concat!(
        r#"{"id":"a","items":[{"key":"gone","value":"","expires_at":"2001-01-01T00:00:00Z"},"#,
        r#"{"key":"later","value":"","expires_at":"9000-01-01T00:00:00Z"},{"key":"never","value":""}]}"#,
    );
    let ran = prism.run_on(input.as_bytes(), &["import", "n", "-"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("left out 1 item that had expired"), "{}", ran.stderr);
    let items = json_lines(&prism.ok(&["get", "n", "a", "--json"]));
    assert_eq!(items.len(), 2);
    let expires = items[0]["expires_at"].as_str().unwrap();
    // The remaining time is sent, so the precision depends on both clocks and the network delay.
    assert!(expires.starts_with("8999-12-31T23:") || expires.starts_with("9000-01-01T00:0"), "{expires}");
    assert!(items[1].get("expires_at").is_none());
}

#[test]
fn progress_of_another_file_or_namespace_is_refused() {
    let prism = Prism::serve(Backend::Memory);
    fs::write(prism.path("in"), records(3) + "bad\n").unwrap();
    assert_eq!(prism.run(&["import", "n", "in"]).code, 1);
    let elsewhere = prism.run(&["import", "other", "in", "--resume"]);
    assert_eq!(elsewhere.code, 1);
    assert!(elsewhere.stderr.contains("is from an import into 'n', not 'other'"), "{}", elsewhere.stderr);
    fs::write(prism.path("in"), records(4).replace("r000001", "r00000x")).unwrap();
    let changed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(changed.code, 1);
    assert!(
        changed.stderr.contains("the first 3 lines of in differ from those that were imported"),
        "{}",
        changed.stderr
    );
}
