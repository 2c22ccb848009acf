//! `prism-bench load` and `prism-bench scan`.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{bench, ensure, stderr, stdout, trial};

const LOAD: [&str; 7] = ["load", "--serve", "sqlite", "--warm-up", "0.05", "--records", "60"];
/// Seconds of a short measurement.
const SHORT: [&str; 2] = ["--seconds", "0.2"];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("load_executes_every_step_of_every_mix", every_mix),
        trial("load_at_a_rate_counts_every_due_request", at_a_rate),
        trial("load_fails_on_a_stale_answer", stale),
        trial("load_refuses_a_read_share_for_one_kind_of_request", share),
        trial("scan_reads_exactly_what_was_written", scan),
    ]
}

/// Runs the command and parses its JSON report.
fn figures(arguments: &[&str]) -> Result<Value, Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("new").join("figures.json");
    let json = file.to_string_lossy();
    let output = bench(&[arguments, &["--json", &json]].concat(), None)?;
    ensure(output.status.code() == Some(0), || stderr(&output))?;
    Ok(serde_json::from_slice(&std::fs::read(&file)?)?)
}

fn every_mix() -> Result<(), Failed> {
    let steps = [
        ("put", vec![]),
        ("get", vec![]),
        ("a", vec!["read", "update"]),
        ("b", vec!["read", "update"]),
        ("c", vec![]),
        ("d", vec!["read", "insert"]),
        ("e", vec!["scan", "append"]),
        ("f", vec!["read", "read-modify-write"]),
    ];
    for (mix, steps) in steps {
        // Half of each, so that a short run includes both.
        let share: &[&str] = if steps.is_empty() { &[] } else { &["--read-share", "0.5"] };
        let mut missing = None;
        // A disk may take longer for one update than the shortest run takes.
        for seconds in ["0.2", "2", "20"] {
            let longer = ["--mix", mix, "--seconds", seconds];
            let report = figures(&[&LOAD[..], &longer, share].concat())?;
            let point = &report["points"][0];
            ensure(point["all"]["errors"] == 0 && point["all"]["rate"].as_f64() > Some(0.0), || {
                format!("{point}")
            })?;
            let figures = point["steps"].as_array().ok_or("no steps")?;
            let names: Vec<_> = figures.iter().filter_map(|step| step["step"].as_str()).collect();
            ensure(names == steps, || format!("{mix}: {names:?}"))?;
            let all = figures.iter().all(|step| step["answers"].as_u64() > Some(0));
            missing = (!all).then(|| format!("{mix}: {point}"));
            if missing.is_none() {
                break;
            }
        }
        ensure(missing.is_none(), || missing.unwrap_or_default())?;
    }
    Ok(())
}

fn at_a_rate() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let svg = folder.path().join("plots");
    let open = ["--mix", "a", "--rate", "100,200", "--svg", &svg.to_string_lossy()];
    let report = figures(&[&LOAD[..], &SHORT, &open].concat())?;
    for (point, due) in [(0, 20), (1, 40)] {
        let all = &report["points"][point]["all"];
        // Clock rounding may move one over the edge.
        let answers = all["answers"].as_u64().ok_or("no answers")?;
        ensure(answers.abs_diff(due) <= 1 && all["errors"] == 0 && all["unsent"] == 0, || format!("{all}"))?;
    }
    let plot = std::fs::read_to_string(svg.join("latency-by-rate.svg"))?;
    ensure(plot.contains("p99.9"), || plot.clone())
}

fn stale() -> Result<(), Failed> {
    let output = bench(&[&LOAD[..], &SHORT, &["--mix", "a"]].concat(), Some("stale"))?;
    ensure(output.status.code() == Some(1), || format!("{}: {}", output.status, stdout(&output)))?;
    let errors = stderr(&output);
    ensure(errors.contains("a stale answer"), || errors)
}

fn share() -> Result<(), Failed> {
    let output = bench(&[&LOAD[..], &SHORT, &["--mix", "c", "--read-share", "0.5"]].concat(), None)?;
    ensure(output.status.code() == Some(2), || format!("{}", output.status))?;
    let errors = stderr(&output);
    ensure(errors.contains("a, b, d, e or f"), || errors)
}

fn scan() -> Result<(), Failed> {
    let few =
        ["scan", "--rounds", "1", "--records", "20", "--items-per-record", "70", "--only", "prism-sqlite"];
    let report = figures(&few)?;
    let seconds = report["rows"][0]["seconds"].as_array().map(Vec::len);
    ensure(report["items"] == 1_400 && seconds == Some(1), || format!("{report}"))
}
