//! What each case came to.

use serde::Serialize;

use super::{Options, Section, Seen};
use crate::arguments::word;
use crate::machine::{Machine, command};
use crate::tally::Figures;

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What it was measured on.
    pub machine: Machine,
    /// The command line.
    pub command: String,
    /// The options in effect.
    pub options: Options,
    /// Which versions were measured.
    pub versions: Vec<String>,
    /// A row for each case and kind of request.
    pub rows: Vec<Row>,
    /// Cases that went wrong, and why.
    pub failed: Vec<String>,
}

/// One kind of request in one case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What grows.
    pub section: Section,
    /// How far it has grown.
    pub case: String,
    /// The request.
    pub request: &'static str,
    /// What slow scanners saw meanwhile, if there were any.
    pub scanners: Option<Seen>,
    /// Its figures.
    pub figures: Figures,
    /// Memory of the gateway afterwards, in bytes.
    pub memory_bytes: u64,
    /// The most that it had so far, in bytes.
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

    /// The table and what it was measured with, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| case | request | requests/s | p50 µs | p99 µs | shed | errors | gateway's memory MiB | the most MiB |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in &self.rows {
            let of = &row.figures;
            let case = if row.section == Section::SlowScanners {
                format!("{} slow scanners", row.scanners.as_ref().map_or(0, |seen| seen.reading))
            } else {
                row.case.clone()
            };
            text += &format!(
                "| {case} | {} | {:.0} | {} | {} | {} | {} | {} | {} |\n",
                row.request,
                of.rate,
                of.p50_ns / 1000,
                of.p99_ns / 1000,
                of.shed,
                of.errors,
                row.memory_bytes >> 20,
                row.most_memory_bytes >> 20,
            );
        }
        let options = &self.options;
        text += &format!(
            "\nprism serve on {}; {} connections with {} requests in flight on each, and one on each where connections \
             grow; {} s after {} s each. Each case has a gateway and data of its own.\nMachine: {}.\n",
            word(&options.serve),
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
            if let Some(seen) = &row.scanners {
                text += &format!(
                    "- the {} slow scanners read {} messages of at most {} items (0: the gateway's choice); {} streams were \
                     shed or ended by their deadline\n",
                    seen.reading, seen.messages, self.options.scanner_items, seen.failed
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
