//! What the readers came to.

use serde::Serialize;

use super::{Options, Reader};
use crate::arguments::word;
use crate::machine::{Machine, command};
use crate::stats::Spread;

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
    /// Items that each reader has read in each round.
    pub items: u64,
    /// A row for each reader.
    pub rows: Vec<Row>,
}

/// One reader.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who reads.
    pub reader: Reader,
    /// What would bring it, if it is not there.
    pub not_installed: Option<&'static str>,
    /// What each round took.
    pub seconds: Vec<f64>,
}

impl Row {
    pub(super) fn new(reader: Reader, not_installed: Option<&'static str>) -> Self {
        Self { reader, not_installed, seconds: Vec::new() }
    }
}

impl Report {
    pub(super) fn new(options: &Options, rows: Vec<Row>, items: u64, versions: Vec<String>) -> Self {
        Self { machine: Machine::here(), command: command(), options: options.clone(), versions, items, rows }
    }

    /// The table and what it was measured with, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| reader | items/s, median (least..most) | seconds, median |\n| --- | ---: | ---: |\n",
        );
        #[expect(clippy::cast_precision_loss, reason = "nobody scans 2^52 items")]
        let items = self.items as f64;
        for row in &self.rows {
            let name = word(&row.reader);
            if let Some(how) = row.not_installed {
                text += &format!("| {name} | not installed ({how}) | - |\n");
                continue;
            }
            let rate = Spread::of(row.seconds.iter().map(|seconds| items / seconds));
            let seconds = Spread::of(row.seconds.iter().copied());
            text += &format!("| {name} | {} | {:.2} |\n", rate.text(), seconds.median);
        }
        let options = &self.options;
        text += &format!(
            "\n{} items: {} records of {}, values of {} bytes; {} rounds, the readers in turn. Each item through the gateway \
             is checked; the tools write a file.\nMachine: {}.\n",
            self.items,
            options.records,
            options.items_per_record,
            options.value_bytes,
            options.rounds,
            self.machine.line(),
        );
        for version in &self.versions {
            text += &format!("- {version}\n");
        }
        text
    }
}
