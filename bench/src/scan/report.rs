//! Results of the readers.

use serde::Serialize;

use super::{Options, Reader};
use crate::arguments::value_name;
use crate::machine::{Machine, command};
use crate::stats::Spread;

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
    /// Items read per reader and round.
    pub items: u64,
    /// One row per reader.
    pub rows: Vec<Row>,
}

/// One reader.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The reader.
    pub reader: Reader,
    /// How to install it, if it is missing.
    pub not_installed: Option<&'static str>,
    /// Duration of each round.
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

    /// The table with the parameters of the measurement, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| reader | items/s, median (min..max) | seconds, median |\n| --- | ---: | ---: |\n",
        );
        #[expect(clippy::cast_precision_loss, reason = "no scan has 2^52 items")]
        let items = self.items as f64;
        for row in &self.rows {
            let name = value_name(&row.reader);
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
            "\n{} items: {} records of {}, values of {} bytes; {} rounds, readers alternating. Items read through the gateway \
             are verified; the tools write a file.\nMachine: {}.\n",
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
