//! The import engine: many lines in flight, no two of which may write the same item, and a watermark of completed lines.
//!
//! Lines that may conflict are written in the file's order, so the result does not depend on concurrency, and a run that
//! resumes from the watermark repeats only idempotent writes.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use prism_wire::channel::CallError;
use prism_wire::clock::Clock;
use tokio::sync::mpsc::Receiver;

use super::lines::{Mark, ReadLine};
use super::safe::Safe;
use super::write::{Sink, Written, is_line_error, write};
use crate::client::jsonl::Line;

/// Limit of bytes of keys and values in flight; a single line is always allowed.
const IN_FLIGHT_BYTES: usize = 32 << 20;
/// Limit of lines ahead of the watermark, per line that may be in flight.
const MAX_AHEAD: u64 = 64;

/// What to do with a line that is invalid or that the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum OnError {
    /// Finish the lines before it, then stop
    Stop,
    /// Report it and continue with the next line
    Skip,
}

/// The import settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The namespace to write to.
    pub(super) namespace: String,
    /// Limit of lines in flight; at least 1.
    pub(super) in_flight: usize,
    /// What to do with a bad line.
    pub(super) on_error: OnError,
    /// How long to retry a Put on transient failures.
    pub(super) retry_for: Duration,
}

/// Counts of this run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Lines written.
    pub(super) lines: u64,
    /// Items written.
    pub(super) items: u64,
    /// Items left out because they had expired.
    pub(super) expired: u64,
    /// Lines left out because they were invalid or refused.
    pub(super) skipped: u64,
}

/// Why an import ended before the end of its input.
#[derive(Debug)]
pub(super) enum Stop {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// A line is invalid.
    Line { line: u64, why: String },
    /// A line could not be written.
    Put { line: u64, error: CallError },
    /// The input cannot be read.
    Input(io::Error),
    /// The progress cannot be saved.
    Progress(io::Error),
}

impl Stop {
    /// The line at fault; of several stops, the lowest line is reported.
    fn line(&self) -> u64 {
        match self {
            Self::Line { line, .. } | Self::Put { line, .. } => *line,
            Self::Interrupted | Self::Input(_) | Self::Progress(_) => u64::MAX,
        }
    }
}

/// Observes an import's progress.
pub(super) trait Observer {
    /// A line was left out.
    fn skipped(&mut self, why: &Stop);
    /// The watermark is now `safe`.
    fn advanced(&mut self, safe: &Mark, totals: &Totals) -> io::Result<()>;
}

/// The outcome of writing a line.
struct Done {
    after: Mark,
    result: Result<Written, CallError>,
}

/// A running import.
pub(super) struct Engine<'a, S, C, O> {
    sink: &'a S,
    clock: &'a C,
    settings: &'a Settings,
    observer: &'a mut O,
    safe: Safe,
    totals: Totals,
    /// Lines in flight, by line number.
    in_flight: BTreeMap<u64, Arc<Line>>,
    in_flight_bytes: usize,
    running: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// The next line, while it cannot start yet.
    pending: Option<(Arc<Line>, Mark)>,
    /// Why no further line is started; lines in flight are finished.
    stop_reason: Option<Stop>,
}

impl<'a, S: Sink, C: Clock, O: Observer> Engine<'a, S, C, O> {
    /// An import that starts at `safe`.
    pub(super) fn new(
        sink: &'a S,
        clock: &'a C,
        settings: &'a Settings,
        observer: &'a mut O,
        safe: Mark,
    ) -> Self {
        Self {
            sink,
            clock,
            settings,
            observer,
            safe: Safe::from(safe),
            totals: Totals::default(),
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            running: FuturesUnordered::new(),
            pending: None,
            stop_reason: None,
        }
    }

    /// Writes `lines` to their end, to a bad line, or until `interrupt` completes, which drops the lines in flight: they stay
    /// above the watermark. Returns the counts, the watermark, and the reason for an early stop.
    pub(super) async fn run(
        mut self,
        mut lines: Receiver<io::Result<ReadLine>>,
        interrupt: impl Future<Output = ()>,
    ) -> (Totals, Mark, Option<Stop>) {
        let mut interrupt = pin!(interrupt);
        let mut more = true;
        loop {
            self.start_pending();
            let reading = more && self.stop_reason.is_none() && self.pending.is_none();
            if !reading && self.running.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut interrupt => {
                    self.stop_reason = Some(Stop::Interrupted);
                    break;
                }
                Some(done) = self.running.next(), if !self.running.is_empty() => self.finish(done),
                read = lines.recv(), if reading => match read {
                    Some(Ok(read)) => self.take(read),
                    Some(Err(error)) => self.stop(Stop::Input(error)),
                    None => more = false,
                },
            }
        }
        (self.totals, self.safe.mark().clone(), self.stop_reason)
    }

    fn take(&mut self, read: ReadLine) {
        let line = read.after.lines;
        match read.line {
            Ok(line) => self.pending = Some((Arc::new(line), read.after)),
            Err(why) => self.bad_line(read.after, Stop::Line { line, why }),
        }
    }

    /// Starts the pending line if it may start. With no line in flight it always may.
    fn start_pending(&mut self) {
        let may_start = self.pending.as_ref().is_some_and(|(line, after)| self.may_start(line, after));
        if self.stop_reason.is_some() {
            self.pending = None;
        } else if let Some((line, after)) = self.pending.take_if(|_| may_start) {
            self.in_flight_bytes += line.bytes();
            self.in_flight.insert(after.lines, Arc::clone(&line));
            let (sink, clock, settings) = (self.sink, self.clock, self.settings);
            let writing = async move {
                let result = write(sink, clock, &settings.namespace, &line, settings.retry_for).await;
                Done { after, result }
            };
            self.running.push(writing.boxed_local());
        }
    }

    fn may_start(&self, line: &Line, after: &Mark) -> bool {
        self.in_flight.is_empty()
            || (self.in_flight.len() < self.settings.in_flight
                && self.in_flight_bytes + line.bytes() <= IN_FLIGHT_BYTES
                && after.lines - self.safe.mark().lines <= MAX_AHEAD * self.settings.in_flight as u64
                && !self.in_flight.values().any(|other| other.may_conflict(line)))
    }

    fn finish(&mut self, Done { after, result }: Done) {
        let line = after.lines;
        if let Some(finished) = self.in_flight.remove(&line) {
            self.in_flight_bytes -= finished.bytes();
        }
        match result {
            Ok(Written { items, expired }) => {
                self.totals.lines += 1;
                self.totals.items += items;
                self.totals.expired += expired;
                self.done(after);
            }
            Err(error) if is_line_error(&error) => self.bad_line(after, Stop::Put { line, error }),
            Err(error) => self.stop(Stop::Put { line, error }),
        }
    }

    fn bad_line(&mut self, after: Mark, why: Stop) {
        match self.settings.on_error {
            OnError::Stop => self.stop(why),
            OnError::Skip => {
                self.totals.skipped += 1;
                self.observer.skipped(&why);
                self.done(after);
            }
        }
    }

    fn done(&mut self, after: Mark) {
        self.safe.done(after);
        if let Err(error) = self.observer.advanced(self.safe.mark(), &self.totals) {
            self.stop(Stop::Progress(error));
        }
    }

    /// Of several reasons, the one at the lowest line is kept.
    fn stop(&mut self, why: Stop) {
        if self.stop_reason.as_ref().is_none_or(|reason| why.line() < reason.line()) {
            self.stop_reason = Some(why);
        }
    }
}
