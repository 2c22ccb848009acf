//! Results as a table and as JSON: medians of the rounds, with minimum and maximum.

use std::collections::HashMap;

use serde::Serialize;

use super::{Operation, Options};
use crate::machine::{Machine, command};
use crate::stats::Spread;
use crate::tally::Figures;
use crate::target::Kind;

/// The results.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The command line.
    pub command: String,
    /// The options in effect.
    pub options: Options,
    /// The measured versions.
    pub versions: Vec<String>,
    /// One row per operation and target.
    pub rows: Vec<Row>,
}

/// One operation on one target.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The operation's name.
    pub operation: &'static str,
    /// The target's name.
    pub target: &'static str,
    /// How to install a missing target, which has no figures.
    pub not_installed: Option<&'static str>,
    /// The figures of an installed target.
    #[serde(flatten)]
    pub summary: Option<Summary>,
}

/// Summary of the rounds.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Answers per second.
    pub rate: Spread,
    /// The median of the rounds' p50, in microseconds.
    pub p50_us: f64,
    /// The median of the rounds' p99, in microseconds.
    pub p99_us: f64,
    /// Calls that were shed or failed, in all rounds.
    pub errors: u64,
    /// The first error.
    pub first_error: Option<String>,
    /// The rate relative to the echo's.
    pub of_echo: Option<f64>,
    /// The median fraction of all cores used by the load generator.
    pub generator_cpu: f64,
    /// The figures of each round.
    pub rounds: Vec<Figures>,
}

pub(super) fn rows(
    options: &Options,
    figures: &HashMap<(Operation, Kind), Vec<Figures>>,
    missing: &[(Kind, &'static str)],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for &operation in &options.operations {
        let echo = figures.get(&(operation, Kind::Echo)).map(|rounds| median(rounds, |round| round.rate));
        for &kind in &options.only {
            let rounds = figures.get(&(operation, kind));
            rows.push(Row {
                operation: operation.name(),
                target: kind.name(),
                not_installed: missing.iter().find(|(missing, _)| *missing == kind).map(|(_, how)| *how),
                summary: rounds.map(|rounds| summary(rounds, echo)),
            });
        }
    }
    rows
}

fn summary(rounds: &[Figures], echo: Option<f64>) -> Summary {
    let rate = Spread::of(rounds.iter().map(|round| round.rate));
    Summary {
        rate,
        p50_us: median(rounds, |round| microseconds(round.p50_ns)),
        p99_us: median(rounds, |round| microseconds(round.p99_ns)),
        errors: rounds.iter().map(|round| round.errors + round.shed).sum(),
        first_error: rounds.iter().find_map(|round| round.first_error.clone()),
        of_echo: echo.filter(|&echo| echo > 0.0).map(|echo| rate.median / echo),
        generator_cpu: median(rounds, |round| round.generator_cpu),
        rounds: rounds.to_vec(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "no latency is 2^52 nanoseconds")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

fn median(rounds: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    Spread::of(rounds.iter().map(figure)).median
}

impl Report {
    pub(super) fn new(options: &Options, rows: Vec<Row>, versions: Vec<String>) -> Self {
        Self { machine: Machine::here(), command: command(), options: options.clone(), versions, rows }
    }

    /// The table with the parameters of the measurement, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| operation | target | requests/s, median (min..max) | p50 µs | p99 µs | errors | of echo | generator CPU |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in &self.rows {
            let start = format!("| {} | {} |", row.operation, row.target);
            let Some(summary) = &row.summary else {
                let how = row.not_installed.unwrap_or_default();
                text += &format!("{start} not installed ({how}) | - | - | - | - | - |\n");
                continue;
            };
            let of_echo = summary.of_echo.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"));
            text += &format!(
                "{start} {} | {:.0} | {:.0} | {} | {of_echo} | {:.0} % |\n",
                summary.rate.text(),
                summary.p50_us,
                summary.p99_us,
                summary.errors,
                summary.generator_cpu * 100.0,
            );
        }
        let options = &self.options;
        text += &format!(
            "\n{} rounds of {} s after {} s of warm-up; {} connections with {} in flight each; {} records, values of {} bytes.\n\
             Machine: {}.\n",
            options.rounds,
            options.seconds,
            options.warm_up,
            options.connections,
            options.in_flight,
            options.records,
            options.value_bytes,
            self.machine.line(),
        );
        for version in &self.versions {
            text += &format!("- {version}\n");
        }
        for row in &self.rows {
            let Some(summary) = row.summary.as_ref().filter(|summary| summary.errors > 0) else { continue };
            let first = summary.first_error.as_deref().unwrap_or("shed");
            text += &format!(
                "- {} {}: {} errors, first error: {first}\n",
                row.target, row.operation, summary.errors
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;
    use std::time::Duration;

    #[test]
    fn the_median_does_not_depend_on_the_order_of_rounds() {
        let rounds: Vec<Figures> = [3_u32, 1, 2]
            .iter()
            .map(|&seconds| {
                let mut tally = Tally::default();
                (0..6).for_each(|_| tally.completed());
                tally.figures(Duration::from_secs(seconds.into()), 0.0)
            })
            .collect();
        let row = summary(&rounds, Some(12.0));
        assert_eq!(row.rate, Spread { median: 3.0, least: 2.0, most: 6.0 });
        assert_eq!(row.of_echo, Some(0.25));
    }

    #[test]
    fn a_missing_target_is_listed_in_the_table() {
        let missing = [(Kind::Etcd, "apt-get install etcd-server")];
        let mut options = crate::cli::compare_options(&["--only", "etcd", "--operations", "get"]);
        options.rounds = 1;
        let rows = rows(&options, &HashMap::new(), &missing);
        let table = Report::new(&options, rows, Vec::new()).markdown();
        assert!(table.contains("| get | etcd | not installed (apt-get install etcd-server) |"), "{table}");
    }
}
