//! Rate limits on floods of log lines.

use std::io::Write;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{fmt, registry};

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of `events`, with the window ended after them.
fn log(events: impl FnOnce(&Limits)) -> Vec<serde_json::Value> {
    let (limits, _begun) = Limits::new();
    let written = Written::default();
    let writer = written.clone();
    let lines = fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    tracing::subscriber::with_default(registry().with(limits.limit(lines)), || {
        events(&limits);
        limits.report();
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(caller: Option<&str>, namespace: &str) {
    tracing::warn!(
        method = "s/Put",
        status = "RESOURCE_EXHAUSTED",
        reason = "OVERLOADED",
        caller,
        namespace,
        "call"
    );
}

fn count(lines: &[serde_json::Value], caller: &str) -> (usize, u64) {
    let of = |line: &&serde_json::Value| line["caller"] == caller;
    let (logged, reports): (Vec<_>, Vec<_>) =
        lines.iter().filter(of).partition(|line| line.get("left_out").is_none());
    (logged.len(), reports.iter().map(|line| line["left_out"].as_u64().unwrap()).sum())
}

#[test]
fn a_flood_of_one_kind_is_limited_and_hides_no_other_callers_warning() {
    let lines = log(|_| {
        for round in 0..10_000 {
            refused(Some("hostile"), &format!("n{round}"));
        }
        refused(Some("neighbour"), "n");
    });
    assert_eq!(count(&lines, "hostile"), (20, 9_980));
    assert_eq!(count(&lines, "neighbour"), (1, 0));
    let sum = &lines.last().unwrap();
    assert_eq!(
        (&sum["level"], &sum["of"], &sum["method"]),
        (&"WARN".into(), &"call".into(), &"s/Put".into())
    );
    assert_eq!((&sum["status"], &sum["within_s"]), (&"RESOURCE_EXHAUSTED".into(), &10.into()));
}

#[test]
fn namespaces_distinguish_callers_without_names_and_the_total_is_bounded() {
    let lines = log(|limits| {
        for round in 0..100_000 {
            refused(None, &format!("n{}", round % 5_000));
        }
        assert!(limits.lock().kinds.len() <= MOST_KINDS + 1);
    });
    let most = WARNINGS.all as usize + 2 * MOST_KINDS;
    assert!((WARNINGS.all as usize..most).contains(&lines.len()), "{} lines", lines.len());
    let logged = lines.iter().filter(|line| line.get("left_out").is_none()).count() as u64;
    let reports: u64 = lines.iter().filter_map(|line| line["left_out"].as_u64()).sum();
    assert_eq!(logged + reports, 100_000, "some were neither logged nor counted");
}

#[test]
fn other_events_are_counted_separately() {
    let lines = log(|_| {
        for _ in 0..100 {
            tracing::warn!(error = "EMFILE", "a connection could not be accepted");
            tracing::error!(location = "a.rs:1", "panic");
            tracing::error!(location = "b.rs:2", "panic");
        }
    });
    assert_eq!(lines.len(), 3 * (20 + 1));
    assert_eq!(lines.iter().filter_map(|line| line["left_out"].as_u64()).sum::<u64>(), 3 * 80);
}

#[test]
fn successful_calls_have_a_line_each_and_failed_ones_are_limited() {
    let lines = log(|_| {
        for _ in 0..5_000 {
            tracing::info!(method = "s/Get", status = "OK", caller = "ok", "call");
            tracing::info!(
                method = "s/Get",
                status = "NOT_FOUND",
                reason = "NOT_FOUND",
                caller = "failed",
                "call"
            );
        }
    });
    assert_eq!(count(&lines, "ok"), (5_000, 0));
    assert_eq!(count(&lines, "failed"), (200, 4_800));
}

#[test]
fn a_new_window_starts_at_zero() {
    let lines = log(|limits| {
        for _ in 0..2 {
            (0..30).for_each(|_| refused(Some("a"), "n"));
            limits.report();
        }
    });
    assert_eq!(count(&lines, "a"), (40, 20));
}

#[test]
fn reports_of_dropped_lines_are_never_suppressed() {
    let lines = log(|_| (0..100).for_each(|left_out| tracing::warn!(left_out, "lines were dropped")));
    assert_eq!(lines.len(), 100);
}
