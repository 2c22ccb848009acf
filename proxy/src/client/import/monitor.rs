//! What an import tells: the bar on a terminal, bad lines, the progress file, and the summary at the end.

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
use crate::client::failure::{Failure, call_text};
use crate::client::meter::Meter;
use crate::client::out::{Out, count, grouped, note};

/// How often the progress is kept: what is done again after a kill is bounded by this.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// Watches an import.
pub(super) struct Monitor {
    /// The input's name, as errors say it.
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
    /// Watches the import of `input`, whose length may be known; without `progress`, none is kept.
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

    /// The import begins at `start`. Fails where progress cannot be kept: that is better known now than in an hour.
    pub(super) fn begin(&mut self, start: &Mark, resume: bool) -> Result<(), Failure> {
        self.meter.start_at(start.bytes);
        self.first_byte = start.bytes;
        let Some(progress) = &self.progress else { return Ok(()) };
        if !resume {
            note_unused(progress);
        } else if start.lines == 0 {
            note("note: no progress was kept; starting with the first line");
        } else {
            note(&format!("going on after line {}", grouped(start.lines)));
        }
        progress.save(start).map_err(|error| {
            Failure::Failed(format!(
                "cannot keep progress in {}: {error}; import from standard input to do without",
                progress.path().display()
            ))
        })
    }

    /// The import has ended: keeps or removes the progress, says the summary and what stopped it.
    pub(super) fn end(
        &mut self,
        totals: &Totals,
        safe: &Mark,
        stop: Option<Stop>,
        check: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.meter.finish();
        let kept = match (&self.progress, &stop) {
            (Some(progress), Some(_)) => progress.save(safe),
            (Some(progress), None) => progress.remove(),
            (None, _) => Ok(()),
        };
        self.summary(totals, safe, check, stop.is_none(), out)?;
        if let Some(stop) = stop {
            return Err(Failure::Failed(self.stopped(&stop, safe, check, kept.is_ok())));
        }
        kept.map_err(|error| Failure::Failed(format!("cannot remove the progress file: {error}")))?;
        if totals.skipped > 0 { Err(Failure::Said) } else { Ok(()) }
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
        let took = self.began.elapsed();
        let bytes = safe.bytes.saturating_sub(self.first_byte);
        let verb = if check { "checked" } else { "imported" };
        let said = format!(
            "{verb} {}, {}, {} in {:.1} s",
            count(totals.lines, "line"),
            count(totals.items, "item"),
            HumanBytes(bytes),
            took.as_secs_f64()
        );
        let expired = (totals.expired > 0)
            .then(|| format!("; left out {} that had expired", count(totals.expired, "item")));
        let skipped =
            (totals.skipped > 0).then(|| format!("; skipped {}", count(totals.skipped, "bad line")));
        note(&[said, expired.unwrap_or_default(), skipped.unwrap_or_default()].concat());
        Ok(())
    }

    /// What stopped it, and how to go on.
    fn stopped(&self, stop: &Stop, safe: &Mark, check: bool, kept: bool) -> String {
        let why = self.why(stop);
        if check {
            return why;
        }
        let safe = match safe.lines {
            0 => "no line is done for certain".to_owned(),
            1 => "line 1 is safe".to_owned(),
            lines => format!("lines 1 to {} are safe", grouped(lines)),
        };
        let how = match (&self.progress, kept) {
            (Some(_), true) => "go on from there with --resume".to_owned(),
            (Some(progress), false) => format!("but {} could not be written", progress.path().display()),
            (None, _) => {
                "standard input cannot be resumed, but importing the same lines again does no harm".to_owned()
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
                let away = error.status().is_some_and(|status| status.code == tonic::Code::Unavailable);
                let whom = if away { format!("no answer from {}: ", self.endpoint) } else { String::new() };
                format!("{name}:{line}: {whom}{}", call_text(error))
            }
            Stop::Input(error) => format!("cannot read {name}: {error}"),
            Stop::Progress(error) => format!("cannot keep progress: {error}"),
        }
    }
}

impl Observer for Monitor {
    fn skipped(&mut self, why: &Stop) {
        let text = self.why(why);
        self.meter.aside(|| note(&text));
    }

    fn moved(&mut self, safe: &Mark, totals: &Totals) -> io::Result<()> {
        self.meter.moved(safe.bytes, totals.lines, totals.items);
        if let Some(progress) = &self.progress
            && self.saved.elapsed() >= SAVE_EVERY
        {
            progress.save(safe)?;
            self.saved = Instant::now();
        }
        Ok(())
    }
}
