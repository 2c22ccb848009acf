//! What a full import tells: the bar on a terminal, bad lines, its progress, and the summary at the end.

use std::io;
use std::time::{Duration, Instant};

use prism_contract::Error;
use serde_json::json;

use super::progress::FullProgress;
use super::survey::{Index, Surveyor};
use crate::client::failure::Failure;
use crate::client::import::ImportArgs;
use crate::client::import::engine::OnError;
use crate::client::meter::Meter;
use crate::client::out::{Out, count, grouped, note};

/// How often the progress is kept: what is done again after a kill is bounded by this.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// What was done in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Items written.
    pub(super) items: u64,
    /// Items that had expired.
    pub(super) expired: u64,
    /// Lines left out, since they were bad or stood against what the database holds.
    pub(super) skipped: u64,
}

/// Why an import ended before the end of its file.
#[derive(Debug)]
pub(super) enum Stop {
    /// It was asked to.
    Interrupted,
    /// An item cannot be written.
    Line { line: u64, why: String },
    /// The database fails.
    Database(Error),
    /// The file cannot be read.
    Input(io::Error),
    /// The progress cannot be kept.
    Progress(io::Error),
}

/// Tells how a full import goes.
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

    /// Takes the bar away; what comes next has its own.
    pub(super) fn pause(&self) {
        self.meter.finish();
    }

    /// Every line was checked, and that was all.
    pub(super) fn checked(&self, index: &Index, out: &mut Out) -> Result<(), Failure> {
        let totals = Totals { skipped: index.skipped, ..Totals::default() };
        if self.json {
            out.json(&json!({ "complete": true, "items": index.len(), "skipped": totals.skipped }))?;
        } else {
            note(&format!("checked {}{}", count(index.len() as u64, "item"), skipped(&totals)));
        }
        if totals.skipped > 0 { Err(Failure::Said) } else { Ok(()) }
    }

    /// The writing begins. Fails where progress cannot be kept: that is better known now than in an hour.
    pub(super) fn begin(
        &mut self,
        done: Option<u64>,
        resume: bool,
        index: &Index,
        progress: &FullProgress,
    ) -> Result<(), Failure> {
        match done {
            Some(done) => {
                note(&format!("going on after {} of {}", grouped(done), count(index.len() as u64, "item")));
            }
            None if resume => note("note: no progress was kept; starting with the first item"),
            None => {}
        }
        self.meter.start_at(0);
        progress.save(done.unwrap_or(0)).map_err(|error| {
            Failure::Failed(format!("cannot keep progress in {}: {error}", progress.path().display()))
        })
    }

    /// So many bytes more were written; `safe` items are done by now.
    pub(super) fn moved(&mut self, bytes: u64, safe: u64, progress: &FullProgress) -> io::Result<()> {
        self.bytes += bytes;
        self.meter.moved(self.bytes, safe, safe);
        if self.saved.elapsed() >= SAVE_EVERY {
            progress.save(safe)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// An item was left out.
    pub(super) fn skipped(&self, line: u64, why: &str) {
        self.meter.aside(|| note(&format!("{}:{line}: {why}", self.name)));
    }

    /// The import has ended: keeps or removes the progress, says the summary and what stopped it.
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
        let kept = if stop.is_some() { progress.save(safe) } else { progress.remove() };
        self.summary(totals, safe, stop.is_none(), out)?;
        if let Some(stop) = stop {
            let how = match kept {
                Ok(()) => "go on from there with --resume".to_owned(),
                Err(error) => format!("but {} could not be written: {error}", progress.path().display()),
            };
            let of = count(index.len() as u64, "item");
            return Err(Failure::Failed(format!(
                "{}\n  {} of {of} are safe; {how}",
                self.why(&stop),
                grouped(safe)
            )));
        }
        kept.map_err(|error| Failure::Failed(format!("cannot remove the progress file: {error}")))?;
        if totals.skipped > 0 { Err(Failure::Said) } else { Ok(()) }
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
            // The cause may hold a path or a statement: whoever opened the database may see it.
            Stop::Database(error) => match error.cause() {
                Some(cause) => format!("{error}: {cause:?}"),
                None => error.to_string(),
            },
            Stop::Input(error) => format!("cannot read {}: {error}", self.name),
            Stop::Progress(error) => format!("cannot keep progress: {error}"),
        }
    }
}

impl Surveyor for Report {
    fn bad_line(&mut self, line: u64, why: &str) -> bool {
        if self.on_error == OnError::Skip {
            self.skipped(line, why);
        }
        self.on_error == OnError::Skip
    }

    fn moved(&mut self, bytes: u64, lines: u64, items: u64) {
        self.meter.moved(bytes, lines, items);
    }
}

fn skipped(totals: &Totals) -> String {
    if totals.skipped > 0 { format!("; skipped {}", count(totals.skipped, "line")) } else { String::new() }
}
