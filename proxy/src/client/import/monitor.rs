//! An import's reporting: the progress bar, bad lines, the progress file, and the final summary.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use serde_json::json;

use super::engine::{Observer, Stop, Totals};
use super::lines::Mark;
use super::note_unused;
use super::progress::ProgressFile;
use crate::client::connect::ConnectArgs;
use crate::client::failure::{Failure, call_exit, call_text};
use crate::client::meter::Meter;
use crate::client::out::{Out, count, grouped, note};
use crate::exit::Exit;

/// Interval of saving progress: bounds the work repeated after a kill.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// Reports on an import and saves its progress.
pub(super) struct Monitor {
    /// The input's name in messages.
    name: String,
    json: bool,
    endpoint: String,
    progress: Option<ProgressFile>,
    meter: Meter,
    saved: Instant,
    began: Instant,
    first_byte: u64,
}

impl Monitor {
    /// A monitor for the import of `input`, of `size` bytes if known; without `progress`, none is saved.
    pub(super) fn new(
        input: &Path,
        progress: Option<ProgressFile>,
        size: Option<u64>,
        connect: &ConnectArgs,
    ) -> Self {
        let name = if input == Path::new("-") { "<stdin>".to_owned() } else { input.display().to_string() };
        Self {
            name,
            json: connect.json,
            endpoint: connect.endpoint().to_owned(),
            progress,
            meter: Meter::new(size),
            saved: Instant::now(),
            began: Instant::now(),
            first_byte: 0,
        }
    }

    /// Starts at `start`. Fails early if progress cannot be saved, not after an hour of importing.
    pub(super) fn begin(&mut self, start: &Mark, resume: bool) -> Result<(), Failure> {
        self.meter.start_at(start.bytes);
        self.first_byte = start.bytes;
        let Some(progress) = &self.progress else { return Ok(()) };
        if !resume {
            note_unused(progress);
        } else if start.lines == 0 {
            note("note: no saved progress; starting with the first line");
        } else {
            note(&format!("resuming after line {}", grouped(start.lines)));
        }
        progress.save(start).map_err(|error| {
            Failure::failed(format!(
                "cannot save progress in {}: {error}; import from standard input to run without progress",
                progress.path().display()
            ))
        })
    }

    /// Ends the import: saves or removes the progress, prints the summary, and returns the reason for an early stop.
    pub(super) fn end(
        &mut self,
        totals: &Totals,
        safe: &Mark,
        stop: Option<Stop>,
        check: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.meter.finish();
        let saved = match (&self.progress, &stop) {
            (Some(progress), Some(_)) => progress.save(safe),
            (Some(progress), None) => progress.remove(),
            (None, _) => Ok(()),
        };
        self.summary(totals, safe, check, stop.is_none(), out)?;
        if let Some(stop) = stop {
            let exit = match &stop {
                // A line that the server refuses is not a mistake in the command line.
                Stop::Put { error, .. } => match call_exit(error) {
                    Exit::Usage => Exit::Failed,
                    exit => exit,
                },
                Stop::Input(_) => Exit::Usage,
                Stop::Interrupted | Stop::Line { .. } | Stop::Progress(_) => Exit::Failed,
            };
            return Err(Failure::new(exit, self.stopped(&stop, safe, check, saved.is_ok())));
        }
        saved.map_err(|error| Failure::failed(format!("cannot remove the progress file: {error}")))?;
        if totals.skipped > 0 { Err(Failure::Reported) } else { Ok(()) }
    }

    fn summary(
        &self,
        totals: &Totals,
        safe: &Mark,
        check: bool,
        complete: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if self.json {
            return out.json(&json!({
                "complete": complete,
                "lines": totals.lines,
                "items": totals.items,
                "expired": totals.expired,
                "skipped": totals.skipped,
                "safe_lines": safe.lines,
            }));
        }
        let elapsed = self.began.elapsed();
        let bytes = safe.bytes.saturating_sub(self.first_byte);
        let verb = if check { "checked" } else { "imported" };
        let done = format!(
            "{verb} {}, {}, {} in {:.1} s",
            count(totals.lines, "line"),
            count(totals.items, "item"),
            HumanBytes(bytes),
            elapsed.as_secs_f64()
        );
        let expired = (totals.expired > 0)
            .then(|| format!("; left out {} that had expired", count(totals.expired, "item")));
        let skipped =
            (totals.skipped > 0).then(|| format!("; skipped {}", count(totals.skipped, "bad line")));
        note(&[done, expired.unwrap_or_default(), skipped.unwrap_or_default()].concat());
        Ok(())
    }

    /// The reason for an early stop, and how to continue.
    fn stopped(&self, stop: &Stop, safe: &Mark, check: bool, saved: bool) -> String {
        let why = self.why(stop);
        if check {
            return why;
        }
        let safe = match safe.lines {
            0 => "no line is known to be written".to_owned(),
            1 => "line 1 is safe".to_owned(),
            lines => format!("lines 1 to {} are safe", grouped(lines)),
        };
        let how = match (&self.progress, saved) {
            (Some(_), true) => "continue with --resume".to_owned(),
            (Some(progress), false) => format!("but {} could not be written", progress.path().display()),
            (None, _) => {
                "standard input cannot be resumed, but it is safe to import the same lines again".to_owned()
            }
        };
        format!("{why}\n  {safe}; {how}")
    }

    fn why(&self, stop: &Stop) -> String {
        let name = &self.name;
        match stop {
            Stop::Interrupted => "interrupted".to_owned(),
            Stop::Line { line, why } => format!("{name}:{line}: {why}"),
            Stop::Put { line, error } => {
                let unavailable =
                    error.status().is_some_and(|status| status.code == tonic::Code::Unavailable);
                let server = if unavailable { format!("{}: ", self.endpoint) } else { String::new() };
                format!("{name}:{line}: {server}{}", call_text(error))
            }
            Stop::Input(error) => format!("cannot read {name}: {error}"),
            Stop::Progress(error) => format!("cannot save progress: {error}"),
        }
    }
}

impl Observer for Monitor {
    fn skipped(&mut self, why: &Stop) {
        let text = self.why(why);
        self.meter.print(|| note(&text));
    }

    fn advanced(&mut self, safe: &Mark, totals: &Totals) -> io::Result<()> {
        self.meter.update(safe.bytes, totals.lines, totals.items);
        if let Some(progress) = &self.progress
            && self.saved.elapsed() >= SAVE_EVERY
        {
            progress.save(safe)?;
            self.saved = Instant::now();
        }
        Ok(())
    }
}
