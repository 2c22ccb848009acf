//! `prism ts`: events are appended, queried, tailed, counted and deleted.

use std::fs;
use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::support::{Backend, Prism, Ran, json_lines};

const RULES: &str = "\
namespaces:
  rules:
    - {match: \"logs*\", abstraction: timeseries}
    - {match: recent, abstraction: timeseries, accept_past: 1h, accept_future: 1h}
";

/// A server with TimeSeries namespaces.
fn serve(backend: Backend) -> Prism {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.yaml"), RULES).unwrap();
    Prism::serve_in(folder, backend)
}

/// A line of an event at this second of 2030.
fn line(second: usize, level: &str) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!(
        "{{\"time\":\"2030-01-01T00:{minute:02}:{second:02}Z\",\"id\":\"e{minute:02}{second:02}\",\
         \"payload\":\"p{second}\",\"tags\":{{\"level\":\"{level}\"}}}}\n"
    )
}

/// Appends the lines of some seconds to `web` in `logs`.
fn append(prism: &Prism, seconds: impl Iterator<Item = usize>) -> Ran {
    let lines: String = seconds.map(|at| line(at, if at % 2 == 0 { "info" } else { "error" })).collect();
    prism.run_on(lines.as_bytes(), &["ts", "append", "logs", "web"])
}

fn ids(text: &str) -> Vec<String> {
    json_lines(text).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn appended_lines_are_queried_by_time_and_tag_as_json_and_as_a_table() {
    let prism = serve(Backend::Sqlite);
    let ran = append(&prism, [3, 1, 2, 0].into_iter());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "4 events appended\n"), "{}", ran.stderr);
    let query = |args: &[&str]| ids(&prism.ok(&[&["ts", "query", "logs", "web", "--json"], args].concat()));
    assert_eq!(query(&[]), ["e0000", "e0001", "e0002", "e0003"]);
    assert_eq!(
        query(&["--from", "2030-01-01T00:00:01Z", "--to", "2030-01-01T00:00:03Z"]),
        ["e0001", "e0002"]
    );
    assert_eq!(query(&["--tag", "level=error"]), ["e0001", "e0003"]);
    assert_eq!(query(&["--reverse", "--limit", "2"]), ["e0003", "e0002"]);
    let first = prism.ok(&["ts", "query", "logs", "web", "--json", "--limit", "1"]);
    let expected =
        json!({"time": "2030-01-01T00:00:00Z", "id": "e0000", "payload": "p0", "tags": {"level": "info"}});
    assert_eq!(json_lines(&first), [expected]);
    let text = prism.ok(&["ts", "query", "logs", "web"]);
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["TIME", "ID", "TAGS", "PAYLOAD"]);
    assert_eq!(rows[1], ["2030-01-01T00:00:00Z", "e0000", "level=info", "p0"]);
    let without = prism.ok(&["ts", "query", "logs", "web", "--no-payload", "--limit", "1"]);
    assert!(without.ends_with("level=info\n") && !without.contains("PAYLOAD"), "{without}");
}

#[test]
fn an_exported_series_is_appended_to_another_one_and_a_repeat_adds_nothing() {
    let prism = serve(Backend::Memory);
    append(&prism, 0..5);
    let exported = prism.ok(&["ts", "query", "logs", "web", "--json"]);
    let copy =
        || prism.run_on(exported.as_bytes(), &["ts", "append", "logs-2", "web", "--batch", "2"]).stdout;
    assert_eq!(copy(), "5 events appended\n");
    assert_eq!(copy(), "0 events appended, 5 events already there\n");
    assert_eq!(prism.ok(&["ts", "query", "logs-2", "web", "--json"]), exported);
}

#[test]
fn one_event_is_appended_with_its_options() {
    let prism = serve(Backend::Memory);
    let args = ["ts", "append", "logs", "web", "--payload", "GET /", "--tag", "status=200", "--id", "a7"];
    let time = ["--time", "2030-01-01T00:00:00.5Z", "--json"];
    let summary = json_lines(&prism.ok(&[&args[..], &time].concat()));
    assert_eq!((&summary[0]["appended"], &summary[0]["complete"]), (&json!(1), &json!(true)));
    let events = json_lines(&prism.ok(&["ts", "query", "logs", "web", "--json"]));
    let expected = json!({"time": "2030-01-01T00:00:00.500Z", "id": "a7", "payload": "GET /", "tags": {"status": "200"}});
    assert_eq!(events, [expected]);
    prism.ok(&["ts", "append", "logs", "now", "--payload", "p"]);
    let made = prism.ok(&["ts", "query", "logs", "now", "--since", "1h"]);
    let id = made.lines().last().unwrap().split_whitespace().nth(1).unwrap();
    assert!(id.len() == 32 && id.as_bytes()[12] == b'7', "a UUIDv7 in hexadecimal: {id}");
}

#[test]
fn bad_input_is_refused_with_its_line_and_skipped_if_that_is_asked_for() {
    let prism = serve(Backend::Memory);
    let input = [&line(0, "a"), "{\"time\":\"never\"}\n", &line(1, "a")].concat();
    let stopped = prism.run_on(input.as_bytes(), &["ts", "append", "logs", "web"]);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (1, "1 event appended\n"));
    assert!(stopped.stderr.contains("<stdin>:2: time is not a time"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("line 1 is written"), "{}", stopped.stderr);
    let skipped = prism.run_on(input.as_bytes(), &["ts", "append", "logs", "web", "--on-error", "skip"]);
    assert_eq!(skipped.code, 1);
    assert_eq!(skipped.stdout, "1 event appended, 1 event already there, 1 bad line skipped\n");
    // The server refuses lines outside the window of the namespace, and names each.
    let recent = "{\"id\":\"new\"}\n";
    let input = [&line(0, "a"), recent, &line(1, "a")].concat();
    let stopped = prism.run_on(input.as_bytes(), &["ts", "append", "recent", "web"]);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (1, "0 events appended\n"));
    assert!(stopped.stderr.contains("<stdin>:1:") && stopped.stderr.contains("window"), "{}", stopped.stderr);
    let skipped = prism.run_on(input.as_bytes(), &["ts", "append", "recent", "web", "--on-error", "skip"]);
    assert_eq!(skipped.stdout, "1 event appended, 2 bad lines skipped\n", "{}", skipped.stderr);
    for line in ["<stdin>:1:", "<stdin>:3:"] {
        assert!(skipped.stderr.contains(line), "{}", skipped.stderr);
    }
}

#[test]
fn a_stopped_run_over_a_file_is_continued() {
    let mut prism = serve(Backend::Sqlite);
    let lines: String = (0..3_000).map(|at| line(at, "info")).collect();
    fs::write(prism.path("in"), &lines).unwrap();
    let args = ["ts", "append", "logs", "web", "--file", "in", "--batch", "1", "--retry-for", "0s"];
    let appending = prism.command(&args).spawn().unwrap();
    let written =
        || prism.run(&["ts", "query", "logs", "web", "--json", "--limit", "100"]).stdout.lines().count();
    while written() < 100 {
        assert!(prism.path("in").exists());
    }
    prism.kill();
    let stopped: Ran = appending.wait_with_output().unwrap().into();
    assert_eq!(stopped.code, 3, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("are written; continue with --resume"), "{}", stopped.stderr);
    prism.restart();
    let resumed = prism.run(&["ts", "append", "logs", "web", "--file", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.starts_with("resuming after line"), "{}", resumed.stderr);
    let appended = resumed.stdout.split(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap();
    assert!(appended < 3_000, "{}", resumed.stdout);
    assert_eq!(ids(&prism.ok(&["ts", "query", "logs", "web", "--json"])).len(), 3_000);
    assert!(!prism.path("in.prism-append-progress").exists());
    fs::write(prism.path("in.prism-append-progress"), "{").unwrap();
    let damaged = prism.run(&["ts", "append", "logs", "web", "--file", "in", "--resume"]);
    assert!(damaged.stderr.contains("is damaged"), "{}", damaged.stderr);
    let stdin = prism.run(&["ts", "append", "logs", "web", "--resume"]);
    assert_eq!(stdin.code, 2, "{}", stdin.stderr);
}

#[test]
fn a_tail_prints_the_last_events_then_new_ones_and_survives_a_restart_of_the_server() {
    let mut prism = serve(Backend::Sqlite);
    append(&prism, 0..20);
    assert_eq!(ids(&prism.ok(&["ts", "tail", "logs", "web", "--json"])).len(), 10);
    assert_eq!(ids(&prism.ok(&["ts", "tail", "logs", "web", "--json", "-n", "2"])), ["e0018", "e0019"]);
    let all = prism.run(&["ts", "tail", "logs", "web", "--json", "--beginning"]);
    assert_eq!(ids(&all.stdout).len(), 20);
    let token = all.stderr.trim().strip_prefix("continue with --token ").unwrap().to_owned();
    append(&prism, 20..21);
    let rest = prism.ok(&["ts", "tail", "logs", "web", "--json", "--token", &token]);
    assert_eq!(ids(&rest), ["e0020"]);
    let whole = json_lines(&prism.ok(&["ts", "tail", "logs", "--json", "--beginning"]));
    assert_eq!((whole.len(), &whole[0]["series"]), (21, &json!("web")));

    let mut child = prism.command(&["ts", "tail", "logs", "web", "--json", "-f", "-n", "1"]).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&printed.next().unwrap().unwrap()).unwrap()["id"].clone();
    assert_eq!(next(), json!("e0020"));
    append(&prism, 21..22);
    assert_eq!(next(), json!("e0021"));
    let kill = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    let ended: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.starts_with("continue with --token "), "{}", ended.stderr);

    prism.kill();
    prism.restart();
    let token = ended.stderr.trim().strip_prefix("continue with --token ").unwrap();
    append(&prism, 22..23);
    assert_eq!(ids(&prism.ok(&["ts", "tail", "logs", "web", "--json", "--token", token])), ["e0022"]);
    let usage = prism.run(&["ts", "tail", "logs"]);
    assert!(usage.code == 2 && usage.stderr.contains("name one"), "{}", usage.stderr);
}

#[test]
fn series_histogram_delete_and_describe_answer_for_people_and_programs() {
    let prism = serve(Backend::Memory);
    append(&prism, 0..90);
    prism.ok(&["ts", "append", "logs", "db", "--payload", "p"]);
    assert_eq!(prism.ok(&["ts", "series", "logs"]), "db\nweb\n");
    assert_eq!(
        json_lines(&prism.ok(&["ts", "series", "logs", "--prefix", "w", "--json"])),
        [json!({"series": "web"})]
    );

    let range = ["--from", "2030-01-01T00:00:00Z", "--to", "2030-01-01T00:02:00Z", "--bucket", "1m"];
    let histogram =
        |more: &[&str]| prism.ok(&[&["ts", "histogram", "logs", "web"], &range[..], more].concat());
    let buckets = json_lines(&histogram(&["--json"]));
    let counts: Vec<_> =
        buckets.iter().map(|bucket| (bucket["start"].clone(), bucket["count"].clone())).collect();
    let expected = [(json!("2030-01-01T00:00:00Z"), json!(60)), (json!("2030-01-01T00:01:00Z"), json!(30))];
    assert_eq!(counts, expected);
    let text = histogram(&[]);
    let bars: Vec<_> = text.lines().map(|line| line.matches('▇').count()).collect();
    assert_eq!(bars, [0, 40, 20], "{text}");
    let usage = prism.run(&["ts", "histogram", "logs", "web", "--bucket", "1m"]);
    assert!(usage.code == 2 && usage.stderr.contains("--since or --from"), "{}", usage.stderr);

    let usage = prism.run(&["ts", "delete", "logs", "web"]);
    assert!(usage.code == 2 && usage.stderr.contains("--all"), "{}", usage.stderr);
    assert_eq!(
        prism.ok(&["ts", "delete", "logs", "web", "--to", "2030-01-01T00:01:00Z"]),
        "60 events deleted\n"
    );
    let deleted = json_lines(&prism.ok(&["ts", "delete", "logs", "web", "--all", "--json"]));
    assert_eq!(deleted, [json!({"deleted_count": 30})]);

    let described = &json_lines(&prism.ok(&["ts", "describe", "recent", "--json"]))[0];
    let policy = &described["policy"];
    assert_eq!(
        (&policy["accept_past_seconds"], &policy["retention_seconds"]),
        (&json!(3600.0), &Value::Null)
    );
    let text = prism.ok(&["ts", "describe", "logs"]);
    assert!(text.contains("retention         unlimited") && text.contains("max_append_events"), "{text}");
}

#[test]
fn a_call_of_the_other_abstraction_is_explained() {
    let prism = serve(Backend::Memory);
    let other = prism.run(&["put", "logs", "r", "k=v"]);
    assert!(other.code != 0 && other.stderr.contains("TimeSeries"), "{}", other.stderr);
    let other = prism.run(&["ts", "append", "demo", "s", "--payload", "p"]);
    assert!(other.code != 0 && other.stderr.contains("KeyValue"), "{}", other.stderr);
}
