//! Many records: `get` of several ids, `ls`, and `scan --id-prefix`.

use serde_json::{Value, json};

use crate::broken::Relay;
use crate::support::{Backend, Prism, json_lines};

/// Each result as `id/key`, in order.
fn names(stdout: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json_lines(stdout).iter().map(|line| text(&line["id"]) + "/" + &text(&line["key"])).collect()
}

/// Records whose keys take several messages of a scan: a, b:1 to b:3, and c; each of `items` items.
fn filled(items: usize) -> Prism {
    let prism = Prism::serve(Backend::Memory);
    for id in ["a", "b:1", "b:2", "b:3", "c"] {
        let line = |at| format!("{{\"key\":\"k{at:05}\",\"value\":\"v\"}}");
        let lines: Vec<_> = (0..items).map(line).collect();
        for part in lines.chunks(1_000) {
            let line = format!("{{\"id\":\"{id}\",\"items\":[{}]}}\n", part.join(","));
            assert_eq!(prism.run_on(line.as_bytes(), &["import", "n", "-"]).code, 0);
        }
    }
    prism
}

#[test]
fn many_records_are_read_in_the_order_in_which_they_are_named() {
    let prism = Prism::serve(Backend::Memory);
    for at in 0..40 {
        prism.ok(&["put", "n", &format!("r{at}"), "a=1", &format!("b={at}")]);
    }
    let order: Vec<_> = (0..40).rev().map(|at| format!("r{at}")).collect();
    let expected: Vec<_> = order.iter().map(|id| format!("{id}/b")).collect();
    let input = order.join("\n");
    let ran = prism.run_on(input.as_bytes(), &["get", "n", "--ids-from", "-", "b", "--json"]);
    assert_eq!((ran.code, names(&ran.stdout)), (0, expected), "{}", ran.stderr);
    std::fs::write(prism.path("ids"), "r7\n\nr7\r\nr3\n").unwrap();
    let from_file = prism.ok(&["get", "n", "--ids-from", "ids", "--json"]);
    assert_eq!(names(&from_file), ["r7/a", "r7/b", "r7/a", "r7/b", "r3/a", "r3/b"]);

    let text = prism.ok(&["get", "n", "--id", "r1", "--id", "r0", "a", "b", "--limit", "1"]);
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "KEY", "VERSION", "UPDATED", "VALUE"]);
    assert_eq!((&rows[1][..2], &rows[2][..2], rows.len()), (&["r1", "a"][..], &["r0", "a"][..], 3), "{text}");
    let single = json_lines(&prism.ok(&["get", "n", "r1", "--json"]));
    assert!(single[0].get("id").is_none(), "a single record is printed as before");
}

#[test]
fn records_that_are_absent_are_listed_and_the_others_are_printed() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r1", "a=1"]);
    prism.ok(&["put", "n", "r2", "b=1"]);
    let ran = prism.run(&["get", "n", "--id", "r0", "--id", "r1", "--id", "r2", "a", "--json"]);
    assert_eq!((ran.code, names(&ran.stdout)), (4, vec!["r1/a".to_owned()]));
    let error = &json_lines(&ran.stderr)[0]["error"];
    let expected = "2 not found:\n  the record 'r0' has no item 'a'\n  the record 'r2' has no item 'a'";
    assert_eq!(error["message"], expected);
    assert_eq!(error["absent"], json!([{ "id": "r0", "key": "a" }, { "id": "r2", "key": "a" }]));
    // A request that is not valid ends the command, with what came before it.
    let ran = prism.run(&["get", "n", "--id", "r1", "--id", "", "--id", "r2", "--json"]);
    assert_eq!((ran.code, names(&ran.stdout)), (2, vec!["r1/a".to_owned()]), "{}", ran.stderr);
    assert_eq!(json_lines(&ran.stderr)[0]["error"]["status"], json!("INVALID_ARGUMENT"));
}

#[test]
fn a_program_gets_every_absence_and_a_person_ten() {
    let prism = Prism::serve(Backend::Memory);
    let ids: Vec<_> = (0..500).map(|at| format!("r{at}")).collect();
    let input = ids.join("\n");
    let ran = prism.run_on(input.as_bytes(), &["get", "n", "--ids-from", "-", "--json"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let expected: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    assert_eq!(json_lines(&ran.stderr)[0]["error"]["absent"], json!(expected));
    let text = prism.run_on(input.as_bytes(), &["get", "n", "--ids-from", "-"]).stderr;
    assert_eq!((text.lines().count(), text.ends_with("\n  and 490 more\n")), (12, true), "{text}");
}

#[test]
fn a_get_that_fails_later_still_reports_what_is_absent() {
    let prism = Prism::serve(Backend::Memory);
    let get = ["get", "n", "--id", "r0", "--id", "r1", "--id", ""];
    let ran = prism.run(&[&get[..], &["--json"]].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let error = &json_lines(&ran.stderr)[0]["error"];
    assert_eq!(error["status"], json!("INVALID_ARGUMENT"));
    assert_eq!(error["absent"], json!([{ "id": "r0" }, { "id": "r1" }]));
    let ran = prism.run(&get);
    assert_eq!(ran.code, 2);
    let absent =
        "\nbefore that: 2 not found:\n  the record 'r0' has no items\n  the record 'r1' has no items\n";
    assert!(
        ran.stderr.starts_with("prism: INVALID_ARGUMENT: ") && ran.stderr.ends_with(absent),
        "{}",
        ran.stderr
    );
}

#[test]
fn records_of_many_pages_are_read_to_their_end() {
    let prism = filled(2_100);
    let ran = prism.ok(&["get", "n", "--id", "c", "--id", "a", "--keys-only", "--json"]);
    let found = names(&ran);
    assert_eq!((found.len(), found[2_099].as_str(), found[2_100].as_str()), (4_200, "c/k02099", "a/k00000"));
}

#[test]
fn a_scan_of_a_prefix_of_ids_reads_these_records_only() {
    for items in [1, 700] {
        let prism = filled(items);
        let scan = |args: &[&str]| names(&prism.ok(&[&["scan", "n", "--json"], args].concat()));
        let all = scan(&[]);
        let within: Vec<_> = all.iter().filter(|name| name.starts_with("b:")).cloned().collect();
        assert_eq!(within.len(), 3 * items);
        assert_eq!(scan(&["--id-prefix", "b:"]), within);
        let reversed: Vec<_> = within.iter().rev().cloned().collect();
        assert_eq!(scan(&["--id-prefix", "b:", "--reverse"]), reversed);
        let limit = items + 1;
        assert_eq!(scan(&["--id-prefix", "b:", "--limit", &limit.to_string()]), within[..limit]);
        assert_eq!(scan(&["--id-prefix", "b:2", "--prefix", "k00000"]), ["b:2/k00000"]);
        assert_eq!(scan(&["--id-prefix", "a"]).len(), items, "the first record");
        assert_eq!(scan(&["--id-prefix", "c"]).len(), items, "the last record");
        for absent in ["A", "b:4", "d"] {
            assert_eq!(scan(&["--id-prefix", absent]), Vec::<String>::new());
        }
        let values = json_lines(&prism.ok(&["scan", "n", "--id-prefix", "b:3", "--json"]));
        assert!(values.iter().all(|item| item["value"] == "v"), "a value is missing");
    }
}

#[test]
fn values_before_a_prefix_of_ids_are_not_sent() {
    const BEFORE: usize = 900;
    let prism = Prism::serve(Backend::Memory);
    let line = |id: &str| {
        format!("{{\"id\":\"{id}\",\"items\":[{{\"key\":\"k\",\"value\":\"{}\"}}]}}\n", "v".repeat(2_000))
    };
    for (letter, direction) in [("a", &[][..]), ("c", &["--reverse"])] {
        let mut input: String = (0..BEFORE).map(|at| line(&format!("{letter}{at:03}"))).collect();
        input += &line("b:1");
        assert_eq!(prism.run_on(input.as_bytes(), &["import", letter, "-"]).code, 0);
        let relay = Relay::to(prism.address());
        let args = ["scan", letter, "--id-prefix", "b:", "--json", "--endpoint", &relay.endpoint()];
        assert_eq!(names(&prism.ok(&[&args, direction].concat())), ["b:1/k"]);
        // The keys take some 100 bytes each, and are sent twice.
        let sent = relay.sent();
        assert!(sent < 400_000, "{letter}: {sent} bytes were sent, of {} before the prefix", BEFORE * 2_000);
    }
}

#[test]
fn ls_lists_the_records_with_their_number_of_items() {
    let prism = filled(1_100);
    prism.ok(&["put", "n", "b:10", "k=v"]);
    let ls = |args: &[&str]| prism.ok(&[&["ls", "n"], args].concat());
    let expected = "ID    ITEMS\na     1,100\nb:1   1,100\nb:10  1\nb:2   1,100\nb:3   1,100\nc     1,100\n";
    let rows = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(rows(&ls(&[])), rows(expected));
    assert_eq!(rows(&ls(&["--limit", "2"])), ["ID ITEMS", "a 1,100", "b:1 1,100"]);
    assert_eq!(rows(&ls(&["--id-prefix", "b:1"])), ["ID ITEMS", "b:1 1,100", "b:10 1"]);
    let json = json_lines(&ls(&["--id-prefix", "b:", "--limit", "2", "--json"]));
    assert_eq!(json, [json!({ "id": "b:1", "items": 1_100 }), json!({ "id": "b:10", "items": 1 })]);
}

#[test]
fn ls_of_a_record_lists_its_keys_with_size_version_and_age() {
    let prism = Prism::serve(Backend::Memory);
    let long = format!("b={}", "v".repeat(1_234));
    prism.ok(&["put", "n", "r", "a=", &long, "--content-type", "text/plain"]);
    let text = prism.ok(&["ls", "n", "r"]);
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["KEY", "SIZE", "VERSION", "AGE"]);
    assert_eq!((&rows[1][..3], rows[1][4]), (&["a", "0", "1"][..], "(text/plain)"), "{text}");
    assert_eq!(&rows[2][..3], ["b", "1,234", "2"]);
    assert!(rows[2][3].trim_end_matches('s').parse::<u32>().unwrap() < 60, "{text}");
    let json = json_lines(&prism.ok(&["ls", "n", "r", "--json", "--limit", "1"]));
    assert_eq!(json.len(), 1);
    assert_eq!((&json[0]["key"], &json[0]["size"], &json[0]["version"]), (&json!("a"), &json!(0), &json!(1)));
    assert!(json[0]["updated_at"].is_string() && json[0].get("value").is_none());
}

#[test]
fn ls_of_a_record_gives_the_compression_as_get_does() {
    let prism = Prism::serve(Backend::Memory);
    let line = br#"{"id":"r","items":[{"key":"a","value":"","compression":"zstd"},{"key":"b","value":""}]}"#;
    assert_eq!(prism.run_on(line, &["import", "n", "-"]).code, 0);
    let compressions = |command: &str| {
        let items = json_lines(&prism.ok(&[command, "n", "r", "--json"]));
        items.iter().map(|item| item.get("compression").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(compressions("ls"), [Some(json!("zstd")), None]);
    assert_eq!(compressions("ls"), compressions("get"));
}

#[test]
fn an_empty_id_or_prefix_is_refused_before_a_server_is_called() {
    let mut prism = Prism::serve(Backend::Memory);
    prism.kill();
    for args in [
        ["scan", "n", "--id-prefix", ""],
        ["ls", "n", "--id-prefix", ""],
        ["scan", "n", "--id", ""],
        ["export", "n", "--id", ""],
    ] {
        let ran = prism.run(&args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("it is empty; leave the option out for every record"), "{}", ran.stderr);
    }
}
