//! The progress bar of a long command, drawn only if standard error is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use prism_contract::keyvalue::RecordId;

use super::out::{Out, grouped};
use crate::terminal::stderr_width;

/// Counts of the entries that a scan has read.
#[derive(Default)]
pub(super) struct Totals {
    last: Option<RecordId>,
    /// Records, of which the last may be incomplete.
    pub(super) records: u64,
    /// Items.
    pub(super) items: u64,
    /// Bytes, of a size that the command chooses.
    pub(super) bytes: u64,
}

impl Totals {
    /// Adds an item of `bytes` bytes of the record `id`; the items of a record come one after the other.
    pub(super) fn add(&mut self, id: &RecordId, bytes: usize) {
        self.items += 1;
        self.bytes += bytes as u64;
        if self.last.as_ref() != Some(id) {
            self.records += 1;
            self.last = Some(id.clone());
        }
    }
}

/// The width from which a meter shows all its parts, in columns.
const WIDE: usize = 76;

/// A bar if the total size is known, otherwise a spinner.
pub(super) struct Meter {
    bar: ProgressBar,
    items: u64,
}

impl Meter {
    /// A meter for `size` bytes, if that is known.
    pub(super) fn new(size: Option<u64>) -> Self {
        // Also where the command ends early.
        let bar = ProgressBar::no_length().with_finish(ProgressFinish::AndClear);
        // A line that wraps leaves its first part behind on the terminal.
        let is_wide = stderr_width().is_none_or(|width| width >= WIDE);
        let template = match (size, is_wide) {
            (Some(_), true) => "{wide_bar} {bytes}/{total_bytes}  {msg}  {eta} left",
            (Some(_), false) => "{bytes}/{total_bytes}  {eta} left",
            (None, true) => "{spinner} {bytes}  {msg}  {binary_bytes_per_sec}  {elapsed}",
            (None, false) => "{spinner} {bytes}  {elapsed}",
        };
        if let Some(size) = size {
            bar.set_length(size);
        }
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        Self { bar, items: 0 }
    }

    /// No meter, where another output says how far it is.
    pub(super) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), items: 0 }
    }

    /// A meter for results on standard output, which suspends it while it prints them: below them on a terminal, and alone
    /// where they go to a file. Where they go to a pipe there is none, since the next program may use the terminal.
    pub(super) fn for_results(out: &Out) -> Self {
        if out.is_terminal() || out.is_file() { Self::new(None) } else { Self::hidden() }
    }

    /// Starts; `bytes` were done by an earlier run, so they do not count for the rate.
    pub(super) fn start_at(&self, bytes: u64) {
        self.bar.set_position(bytes);
        self.bar.reset_eta();
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Shows the progress so far.
    pub(super) fn update(&mut self, bytes: u64, records: u64, items: u64) {
        self.bar.set_position(bytes);
        // Formatting the message for each record would be wasteful.
        if items.abs_diff(self.items) >= 500 || records < 100 {
            self.items = items;
            self.bar.set_message(format!("{} records, {} items", grouped(records), grouped(items)));
        }
    }

    /// Runs `print` with the bar hidden.
    pub(super) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
