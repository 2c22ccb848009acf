//! The audit log of the binary: rotation by another program, a full disk, and `prism audit verify`.

use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Serving, isolated, prism, run, serve, stderr};

fn audited(folder: &Path) -> Command {
    let mut command = serve(folder);
    command.env("PRISM_DATABASE_TYPE", "memory").env("PRISM_AUDIT_FILE", "audit.jsonl");
    command
}

fn put(folder: &Path, serving: &Serving) -> Output {
    let url = format!("http://{}", serving.address);
    run(prism(folder).args(["put", "--endpoint", &url, "orders", "o-1", "state=paid"]))
}

fn verify(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(prism(folder).args(["audit", "verify"]).args(args));
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// Sends SIGHUP, and returns the log up to its last line, which is about the configuration.
fn hangup(serving: &mut Serving) -> String {
    serving.signal("-HUP");
    let mut log = String::new();
    while !log.contains("the configuration is") {
        assert_ne!(serving.log.read_line(&mut log).unwrap(), 0, "prism exited");
    }
    log
}

fn rename(folder: &Path, to: &str) {
    fs::rename(folder.join("audit.jsonl"), folder.join(to)).unwrap();
}

#[test]
fn after_sighup_a_renamed_log_is_continued_and_the_end_of_the_chain_is_logged() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = Serving::start(&mut audited(folder));
    assert!(put(folder, &serving).status.success());
    assert!(hangup(&mut serving).contains("still the same file"));
    rename(folder, "audit.old");
    assert!(hangup(&mut serving).contains("the audit log is reopened"));
    assert!(put(folder, &serving).status.success());
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let (code, text) = verify(folder, &["audit.jsonl", "audit.old", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["verdict"]), (Some(0), &json!("verified")), "{report}");
    assert_eq!((&report["files"][0]["file"], &report["files"][0]["lines"]), (&json!("audit.old"), &json!(3)));
    let log = serving.rest_of_log();
    let line = log.lines().find(|line| line.contains("the audit log is closed")).unwrap();
    let closed: Value = serde_json::from_str(line).unwrap();
    assert_eq!(closed["hash"], report["last_hash"]);
    assert_eq!(closed["sequence"], report["files"][1]["last_sequence"]);
    let hash = closed["hash"].as_str().unwrap();
    assert_eq!(verify(folder, &["audit.jsonl", "--expect-last", hash]).0, Some(0));
    let (code, text) = verify(folder, &["audit.old", "--expect-last", hash]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("audit.old:3: no line has the expected hash") && text.ends_with("broken\n"),
        "{text}"
    );
}

/// The largest file that the process may write is a few lines long.
#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_calls_are_refused_until_there_is_room_and_the_chain_stays_whole() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let server = audited(folder);
    let mut command = isolated(Command::new("sh"), folder);
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
    command.arg(server.get_program()).args(server.get_args());
    command.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut serving = Serving::start(&mut command);
    let mut answered = 0;
    let refused = loop {
        let output = put(folder, &serving);
        if !output.status.success() {
            break output;
        }
        answered += 1;
        assert!(answered < 100, "the limit is never reached");
    };
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(answered > 2, "{answered} calls");
    assert_eq!(put(folder, &serving).status.code(), Some(3), "further calls are refused");
    let (code, text) = verify(folder, &["audit.jsonl"]);
    assert_eq!(code, Some(0), "a line that did not fit is not left there in part: {text}");
    rename(folder, "audit.old");
    let log = hangup(&mut serving);
    assert!(log.contains("the audit log cannot be written"), "{log}");
    // The gateway tries again by itself.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !put(folder, &serving).status.success() {
        assert!(Instant::now() < deadline, "never written again");
    }
    serving.signal("-TERM");
    serving.wait();
    let (code, text) = verify(folder, &["audit.jsonl", "audit.old"]);
    assert_eq!(code, Some(0), "{text}");
    // A short line may have fitted into the old file.
    let lines =
        ["audit.old", "audit.jsonl"].map(|file| fs::read_to_string(folder.join(file)).unwrap()).concat();
    assert!(lines.contains("\"event\":\"resumed\",\"lost\":"), "{lines}");
}

#[test]
fn a_log_that_another_gateway_writes_or_that_is_no_log_is_reported_at_the_start() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let _first = Serving::start(&mut audited(folder));
    fs::write(folder.join("notes.txt"), "Buy milk.\n").unwrap();
    for (file, why) in [
        ("audit.jsonl", "another process writes it"),
        ("notes.txt", "it is not an audit log of Prism"),
        ("missing/audit.jsonl", "No such file or directory"),
    ] {
        let output = run(audited(folder).env("PRISM_AUDIT_FILE", file));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&format!("audit.file: {file}: {why}")), "{}", stderr(&output));
    }
}

#[test]
fn verify_reports_problems_with_their_lines_and_wants_files_that_can_be_read() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = Serving::start(&mut audited(folder));
    assert!(put(folder, &serving).status.success());
    serving.signal("-TERM");
    serving.wait();
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let (code, printed) = verify(folder, &["audit.jsonl"]);
    assert_eq!(code, Some(0));
    assert!(printed.starts_with("audit.jsonl: lines 1 to 4\nlast hash: "), "{printed}");
    assert!(printed.ends_with("\nverified\n"), "{printed}");
    fs::write(folder.join("changed"), text.replace("\"OK\"", "\"NO\"")).unwrap();
    let (code, printed) = verify(folder, &["changed"]);
    assert_eq!(code, Some(1));
    let problem = "\nchanged:3: the line was changed: its hash is not that of its bytes\n";
    assert!(printed.contains(problem) && printed.ends_with("\nbroken\n"), "{printed}");
    fs::write(folder.join("torn"), &text[..text.len() - 5]).unwrap();
    let (code, printed) = verify(folder, &["torn", "--json"]);
    assert_eq!((code, printed.contains("\"verdict\":\"torn\"")), (Some(1), true), "{printed}");
    assert_eq!(verify(folder, &["missing"]).0, Some(2));
    assert_eq!(verify(folder, &[]).0, Some(2));
    assert_eq!(verify(folder, &["audit.jsonl", "--expect-last", "12"]).0, Some(2));
}
