//! `prism-bench timeseries`.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{bench, ensure, stderr, stdout, trial};

/// Ten thousand events in ten series.
const QUICK: [&str; 17] = [
    "timeseries",
    "--events",
    "10000",
    "--batch",
    "10",
    "--rounds",
    "1",
    "--queries",
    "20",
    "--seconds",
    "0.1",
    "--connections",
    "2",
    "--in-flight",
    "4",
    "--only",
    "prism-sqlite,sqlite-direct,file",
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("timeseries_measures_appends_queries_and_tails_without_an_error", measures),
        trial("timeseries_refuses_numbers_of_events_that_do_not_fill_series", refuses),
    ]
}

fn measures() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("figures.json");
    let json = file.to_string_lossy();
    let output =
        bench(&[&QUICK[..], &["--operations", "append,query,tail", "--json", &json]].concat(), None)?;
    ensure(output.status.code() == Some(0), || stderr(&output))?;
    let report: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let rows = report["rows"].as_array().ok_or("no rows")?;
    let names: Vec<_> =
        rows.iter().filter_map(|row| Some((row["operation"].as_str()?, row["target"].as_str()?))).collect();
    let all = [
        ("append", "prism-sqlite"),
        ("append", "sqlite-direct"),
        ("append", "file"),
        ("query", "prism-sqlite"),
        ("query", "sqlite-direct"),
        ("tail", "prism-sqlite"),
    ];
    ensure(names == all, || format!("{names:?}"))?;
    for row in rows {
        let is_positive = |field: &str| row[field][0].as_f64() > Some(0.0);
        ensure(["rates", "p50", "p99"].into_iter().all(is_positive), || format!("{row}"))?;
    }
    ensure(stdout(&output).contains("| prism-sqlite | 10000 |"), || stdout(&output))
}

fn refuses() -> Result<(), Failed> {
    let mut arguments = QUICK;
    arguments[2] = "5000";
    let output = bench(&arguments, None)?;
    ensure(output.status.code() == Some(2), || format!("{}: {}", output.status, stdout(&output)))?;
    let errors = stderr(&output);
    ensure(errors.contains("have to grow, by multiples of 10000"), || errors)
}
