//! `prism-bench compare`.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{bench, ensure, stderr, stdout, trial};

const QUICK: [&str; 13] = [
    "compare",
    "--rounds",
    "1",
    "--seconds",
    "0.2",
    "--warm-up",
    "0.05",
    "--records",
    "200",
    "--connections",
    "2",
    "--in-flight",
    "4",
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("compare_measures_echo_and_gateway_without_an_error", measures),
        trial("compare_fails_on_a_stale_answer", || detected("stale", "a stale answer: version 1")),
        trial("compare_fails_on_another_records_value", || detected("other", "the value belongs to record")),
        trial("compare_fails_on_a_damaged_value", || detected("damaged", "is damaged")),
        trial("compare_fails_when_a_written_record_is_not_found", || detected("absent", "found nothing")),
    ]
}

fn measures() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("figures.json");
    let json = file.to_string_lossy();
    let output = bench(&[&QUICK[..], &["--only", "echo,prism-sqlite", "--json", &json]].concat(), None)?;
    ensure(output.status.code() == Some(0), || stderr(&output))?;
    let report: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let rows = report["rows"].as_array().ok_or("no rows")?;
    let names: Vec<_> =
        rows.iter().filter_map(|row| Some((row["operation"].as_str()?, row["target"].as_str()?))).collect();
    let all = [("put", "echo"), ("put", "prism-sqlite"), ("get", "echo"), ("get", "prism-sqlite")];
    ensure(names == all, || format!("{names:?}"))?;
    for row in rows {
        let valid = row["rate"]["median"].as_f64() > Some(0.0)
            && row["p50_us"].as_f64() > Some(0.0)
            && row["errors"] == 0
            && row["of_echo"].as_f64() > Some(0.0);
        ensure(valid, || format!("{row}"))?;
    }
    ensure(stdout(&output).contains("| get | prism-sqlite |"), || stdout(&output))
}

fn detected(fault: &str, message: &str) -> Result<(), Failed> {
    let output = bench(&[&QUICK[..], &["--only", "prism-sqlite"]].concat(), Some(fault))?;
    ensure(output.status.code() == Some(1), || format!("{}: {}", output.status, stdout(&output)))?;
    let errors = stderr(&output);
    ensure(errors.contains("prism-sqlite") && errors.contains(message), || errors)
}
