//! The progress bar of an import or an export, drawn only if standard error is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::out::grouped;

/// A bar if the total size is known, otherwise a spinner.
pub(super) struct Meter {
    bar: ProgressBar,
    items: u64,
}

impl Meter {
    /// A meter for `size` bytes, if that is known.
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
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
