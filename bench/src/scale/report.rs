//! Results per case.

use serde::Serialize;

use super::{Options, ScannerStats, Section};
use crate::arguments::value_name;
use crate::machine::{Machine, command};
use crate::tally::Figures;

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
    /// One row per case and kind of request.
    pub rows: Vec<Row>,
    /// Failed cases with their errors.
    pub failed: Vec<String>,
}

/// One kind of request in one case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The scaled dimension.
    pub section: Section,
    /// The case.
    pub case: String,
    /// The request.
    pub request: &'static str,
    /// Statistics of the slow scanners, if any.
    pub scanners: Option<ScannerStats>,
    /// Its figures.
    pub figures: Figures,
    /// Resident memory of the gateway afterwards, in bytes.
    pub memory_bytes: u64,
    /// Its peak resident memory so far, in bytes.
    pub most_memory_bytes: u64,
}

impl Report {
    pub(super) fn new(options: &Options, rows: Vec<Row>, failed: Vec<String>, versions: Vec<String>) -> Self {
        Self {
            machine: Machine::here(),
            command: command(),
            options: options.clone(),
            versions,
            rows,
            failed,
        }
    }

    /// The table with the parameters of the measurement, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| case | request | requests/s | p50 µs | p99 µs | shed | errors | gateway RSS MiB | peak RSS MiB |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in &self.rows {
            let figures = &row.figures;
            let case = if row.section == Section::SlowScanners {
                format!("{} slow scanners", row.scanners.as_ref().map_or(0, |stats| stats.reading))
            } else {
                row.case.clone()
            };
            text += &format!(
                "| {case} | {} | {:.0} | {} | {} | {} | {} | {} | {} |\n",
                row.request,
                figures.rate,
                figures.p50_ns / 1000,
                figures.p99_ns / 1000,
                figures.shed,
                figures.errors,
                row.memory_bytes >> 20,
                row.most_memory_bytes >> 20,
            );
        }
        let options = &self.options;
        text += &format!(
            "\nprism serve on {}; {} connections with {} requests in flight on each (one on each where connections are \
             scaled); {} s per measurement after {} s of warm-up. Each case has a separate gateway and data.\n\
             Machine: {}.\n",
            value_name(&options.serve),
            options.connections,
            options.in_flight,
            options.seconds,
            options.warm_up,
            self.machine.line(),
        );
        for version in &self.versions {
            text += &format!("- {version}\n");
        }
        for row in &self.rows {
            if let Some(stats) = &row.scanners {
                text += &format!(
                    "- {} slow scanners read {} messages of at most {} items (0: the gateway's choice); {} streams were \
                     shed or ended by their deadline\n",
                    stats.reading, stats.messages, self.options.scanner_items, stats.failed
                );
            }
            if let Some(error) = &row.figures.first_error {
                text += &format!("- {}, {}: {error}\n", row.case, row.request);
            }
        }
        for failed in &self.failed {
            text += &format!("- failed: {failed}\n");
        }
        text
    }
}
