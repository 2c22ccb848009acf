//! The progress bar of an import or an export, drawn on standard error where that is a terminal and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::out::grouped;

/// A bar where the end is known, a spinner where it is not.
pub(super) struct Meter {
    bar: ProgressBar,
    items: u64,
}

impl Meter {
    /// For a work of `size` bytes, where that is known.
    pub(super) fn new(size: Option<u64>) -> Self {
        let bar = ProgressBar::no_length();
        let template = match size {
            Some(size) => {
                bar.set_length(size);
                "{bar:30} {bytes}/{total_bytes}  {msg}  {binary_bytes_per_sec}  {eta} left"
            }
            None => "{spinner} {bytes}  {msg}  {binary_bytes_per_sec}  {elapsed}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        Self { bar, items: 0 }
    }

    /// Begins; `bytes` were done earlier and count for no speed.
    pub(super) fn start_at(&self, bytes: u64) {
        self.bar.set_position(bytes);
        self.bar.reset_eta();
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// This much is done.
    pub(super) fn moved(&mut self, bytes: u64, records: u64, items: u64) {
        self.bar.set_position(bytes);
        // The words change seldom enough to be worth not writing them for each record.
        if items.abs_diff(self.items) >= 500 || records < 100 {
            self.items = items;
            self.bar.set_message(format!("{} records, {} items", grouped(records), grouped(items)));
        }
    }

    /// Does something that prints, with the bar out of the way.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Ends, and leaves nothing on the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
