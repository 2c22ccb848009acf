//! A full import's reporting: the progress bar, bad lines, its progress, and the final summary.

use std::io;
use std::time::{Duration, Instant};

use prism_contract::Error;
use serde_json::json;

use super::index::{Index, IndexObserver};
use super::progress::FullProgress;
use crate::client::failure::Failure;
use crate::client::import::ImportArgs;
use crate::client::import::engine::OnError;
use crate::client::meter::Meter;
use crate::client::out::{Out, count, grouped, note};
use crate::exit::Exit;

/// Interval of saving progress: bounds the work repeated after a kill.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// Counts of this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Items written.
    pub(super) items: u64,
    /// Items that had expired.
    pub(super) expired: u64,
    /// Lines left out because they were invalid or conflicted with what the database holds.
    pub(super) skipped: u64,
}

/// Why an import ended before the end of its file.
#[derive(Debug)]
pub(super) enum Stop {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// An item cannot be written.
    Line { line: u64, why: String },
    /// The database failed.
    Database(Error),
    /// The file cannot be read.
    Input(io::Error),
    /// The progress cannot be saved.
    Progress(io::Error),
}

/// Reports on a full import and saves its progress.
pub(super) struct Report {
    name: String,
    json: bool,
    on_error: OnError,
    meter: Meter,
    bytes: u64,
    began: Instant,
    saved: Instant,
}

impl Report {
    pub(super) fn new(args: &ImportArgs) -> Self {
        Self {
            name: args.file.display().to_string(),
            json: args.connect.json,
            on_error: args.on_error,
            meter: Meter::new(args.size()),
            bytes: 0,
            began: Instant::now(),
            saved: Instant::now(),
        }
    }

    /// Removes the bar; the next phase has a separate one.
    pub(super) fn pause(&self) {
        self.meter.finish();
    }

    /// Reports the result of `--check`.
    pub(super) fn checked(&self, index: &Index, out: &mut Out) -> Result<(), Failure> {
        let totals = Totals { skipped: index.skipped, ..Totals::default() };
        if self.json {
            out.json(&json!({ "complete": true, "items": index.len(), "skipped": totals.skipped }))?;
        } else {
            note(&format!("checked {}{}", count(index.len() as u64, "item"), skipped(&totals)));
        }
        if totals.skipped > 0 { Err(Failure::Reported) } else { Ok(()) }
    }

    /// Starts the write phase. Fails early if progress cannot be saved, not after an hour of importing.
    pub(super) fn begin(
        &mut self,
        done: Option<u64>,
        resume: bool,
        index: &Index,
        progress: &FullProgress,
    ) -> Result<(), Failure> {
        match done {
            Some(done) => {
                note(&format!("resuming after {} of {}", grouped(done), count(index.len() as u64, "item")));
            }
            None if resume => note("note: no saved progress; starting with the first item"),
            None => {}
        }
        self.meter.start_at(0);
        progress.save(done.unwrap_or(0)).map_err(|error| {
            Failure::failed(format!("cannot save progress in {}: {error}", progress.path().display()))
        })
    }

    /// Another `bytes` bytes were written; the watermark is now `safe` items.
    pub(super) fn advanced(&mut self, bytes: u64, safe: u64, progress: &FullProgress) -> io::Result<()> {
        self.bytes += bytes;
        self.meter.update(self.bytes, safe, safe);
        if self.saved.elapsed() >= SAVE_EVERY {
            progress.save(safe)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// An item was left out.
    pub(super) fn skipped(&self, line: u64, why: &str) {
        self.meter.print(|| note(&format!("{}:{line}: {why}", self.name)));
    }

    /// Ends the import: saves or removes the progress, prints the summary, and returns the reason for an early stop.
    pub(super) fn end(
        &self,
        totals: &Totals,
        safe: u64,
        index: &Index,
        stop: Option<Stop>,
        progress: &FullProgress,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.meter.finish();
        let saved = if stop.is_some() { progress.save(safe) } else { progress.remove() };
        self.summary(totals, safe, stop.is_none(), out)?;
        if let Some(stop) = stop {
            let how = match saved {
                Ok(()) => "continue with --resume".to_owned(),
                Err(error) => format!("but {} could not be written: {error}", progress.path().display()),
            };
            let of = count(index.len() as u64, "item");
            let exit = match &stop {
                Stop::Database(error) => Exit::of_error(error),
                Stop::Input(_) => Exit::Usage,
                Stop::Interrupted | Stop::Line { .. } | Stop::Progress(_) => Exit::Failed,
            };
            let why = format!("{}\n  {} of {of} are safe; {how}", self.why(&stop), grouped(safe));
            return Err(Failure::new(exit, why));
        }
        saved.map_err(|error| Failure::failed(format!("cannot remove the progress file: {error}")))?;
        if totals.skipped > 0 { Err(Failure::Reported) } else { Ok(()) }
    }

    fn summary(&self, totals: &Totals, safe: u64, complete: bool, out: &mut Out) -> Result<(), Failure> {
        if self.json {
            return out.json(&json!({
                "complete": complete,
                "items": totals.items,
                "expired": totals.expired,
                "skipped": totals.skipped,
                "safe_items": safe,
            }));
        }
        let expired = match totals.expired {
            0 => String::new(),
            expired => format!("; {} had expired", count(expired, "item")),
        };
        note(&format!(
            "imported {} with versions, tokens and times in {:.1} s{expired}{}",
            count(totals.items, "item"),
            self.began.elapsed().as_secs_f64(),
            skipped(totals)
        ));
        Ok(())
    }

    fn why(&self, stop: &Stop) -> String {
        match stop {
            Stop::Interrupted => "interrupted".to_owned(),
            Stop::Line { line, why } => format!("{}:{line}: {why}", self.name),
            // The cause may contain a path or a statement, which the operator of the database may see.
            Stop::Database(error) => match error.cause() {
                Some(cause) => format!("{error}: {cause:?}"),
                None => error.to_string(),
            },
            Stop::Input(error) => format!("cannot read {}: {error}", self.name),
            Stop::Progress(error) => format!("cannot save progress: {error}"),
        }
    }
}

impl IndexObserver for Report {
    fn bad_line(&mut self, line: u64, why: &str) -> bool {
        if self.on_error == OnError::Skip {
            self.skipped(line, why);
        }
        self.on_error == OnError::Skip
    }

    fn advanced(&mut self, bytes: u64, lines: u64, items: u64) {
        self.meter.update(bytes, lines, items);
    }
}

fn skipped(totals: &Totals) -> String {
    if totals.skipped > 0 { format!("; skipped {}", count(totals.skipped, "line")) } else { String::new() }
}
