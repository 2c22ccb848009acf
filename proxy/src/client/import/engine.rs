//! The import itself: many lines in flight, no two that may write the same item, and always known what is safe.
//!
//! Lines that may meet are written in the file's order, so a file leaves the same items whatever else is in flight, and
//! a run that goes on from the safe mark repeats nothing but writes that put the same there again.

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
use super::write::{Sink, Written, is_about_the_line, write};
use crate::client::jsonl::Line;

/// Most bytes of keys and values in flight; one line may always be.
const IN_FLIGHT_BYTES: usize = 32 << 20;
/// How far the lines in flight may be ahead of the safe mark, for each that may be in flight.
const AHEAD: u64 = 64;

/// What to do with a line that is wrong or that the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnError {
    /// Finish the lines before it and stop
    Stop,
    /// Say what is wrong with it and go on with the next
    Skip,
}

/// How to import.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Where to.
    pub(super) namespace: String,
    /// Most lines written at once; at least 1.
    pub(super) in_flight: usize,
    /// What to do with a bad line.
    pub(super) on_error: OnError,
    /// How long to try again a Put that fails for a while.
    pub(super) retry_for: Duration,
}

/// What was done so far, in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Lines written.
    pub(super) lines: u64,
    /// Items written.
    pub(super) items: u64,
    /// Items left out, since they had expired.
    pub(super) expired: u64,
    /// Lines left out, since they were bad.
    pub(super) skipped: u64,
}

/// Why an import ended before the end of its input.
#[derive(Debug)]
pub(super) enum Stop {
    /// It was asked to.
    Interrupted,
    /// A line is wrong.
    Line { line: u64, why: String },
    /// A line could not be written.
    Put { line: u64, error: CallError },
    /// The input cannot be read.
    Input(io::Error),
    /// The progress cannot be kept.
    Progress(io::Error),
}

impl Stop {
    /// The line it is about; the lowest is the one to report.
    fn line(&self) -> u64 {
        match self {
            Self::Line { line, .. } | Self::Put { line, .. } => *line,
            Self::Interrupted | Self::Input(_) | Self::Progress(_) => u64::MAX,
        }
    }
}

/// Hears how an import goes.
pub(super) trait Observer {
    /// A line was left out.
    fn skipped(&mut self, why: &Stop);
    /// Lines up to `safe` are done without a gap.
    fn moved(&mut self, safe: &Mark, totals: &Totals) -> io::Result<()>;
}

/// A line that was written, or not.
struct Done {
    after: Mark,
    result: Result<Written, CallError>,
}

/// An import under way.
pub(super) struct Engine<'a, S, C, O> {
    sink: &'a S,
    clock: &'a C,
    settings: &'a Settings,
    observer: &'a mut O,
    safe: Safe,
    totals: Totals,
    /// Lines being written, by their numbers.
    flying: BTreeMap<u64, Arc<Line>>,
    flying_bytes: usize,
    running: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// The next line, while it must wait.
    held: Option<(Arc<Line>, Mark)>,
    /// Why no further line is begun; those in flight are finished.
    stopping: Option<Stop>,
}

impl<'a, S: Sink, C: Clock, O: Observer> Engine<'a, S, C, O> {
    /// An import that goes on from `safe`.
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
            flying: BTreeMap::new(),
            flying_bytes: 0,
            running: FuturesUnordered::new(),
            held: None,
            stopping: None,
        }
    }

    /// Writes `lines` until there are no more, one is bad, or `interrupt` is done: then what is in flight is dropped, and
    /// its lines are not safe. Answers what was done, up to where it is safe, and why it ended early.
    pub(super) async fn run(
        mut self,
        mut lines: Receiver<io::Result<ReadLine>>,
        interrupt: impl Future<Output = ()>,
    ) -> (Totals, Mark, Option<Stop>) {
        let mut interrupt = pin!(interrupt);
        let mut more = true;
        loop {
            self.start_held();
            let reading = more && self.stopping.is_none() && self.held.is_none();
            if !reading && self.running.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut interrupt => {
                    self.stopping = Some(Stop::Interrupted);
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
        (self.totals, self.safe.mark().clone(), self.stopping)
    }

    fn take(&mut self, read: ReadLine) {
        let line = read.after.lines;
        match read.line {
            Ok(line) => self.held = Some((Arc::new(line), read.after)),
            Err(why) => self.bad_line(read.after, Stop::Line { line, why }),
        }
    }

    /// Begins to write the line that waits, if it need not wait any more. A line alone need never wait.
    fn start_held(&mut self) {
        let may_start = self.held.as_ref().is_some_and(|(line, after)| self.may_start(line, after));
        if self.stopping.is_some() {
            self.held = None;
        } else if let Some((line, after)) = self.held.take_if(|_| may_start) {
            self.flying_bytes += line.bytes();
            self.flying.insert(after.lines, Arc::clone(&line));
            let (sink, clock, settings) = (self.sink, self.clock, self.settings);
            let writing = async move {
                let result = write(sink, clock, &settings.namespace, &line, settings.retry_for).await;
                Done { after, result }
            };
            self.running.push(writing.boxed_local());
        }
    }

    fn may_start(&self, line: &Line, after: &Mark) -> bool {
        self.flying.is_empty()
            || (self.flying.len() < self.settings.in_flight
                && self.flying_bytes + line.bytes() <= IN_FLIGHT_BYTES
                && after.lines - self.safe.mark().lines <= AHEAD * self.settings.in_flight as u64
                && !self.flying.values().any(|flying| flying.may_meet(line)))
    }

    fn finish(&mut self, Done { after, result }: Done) {
        let line = after.lines;
        if let Some(landed) = self.flying.remove(&line) {
            self.flying_bytes -= landed.bytes();
        }
        match result {
            Ok(Written { items, expired }) => {
                self.totals.lines += 1;
                self.totals.items += items;
                self.totals.expired += expired;
                self.done(after);
            }
            Err(error) if is_about_the_line(&error) => self.bad_line(after, Stop::Put { line, error }),
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
        if let Err(error) = self.observer.moved(self.safe.mark(), &self.totals) {
            self.stop(Stop::Progress(error));
        }
    }

    /// Of several reasons, the one of the lowest line stands.
    fn stop(&mut self, why: Stop) {
        if self.stopping.as_ref().is_none_or(|stands| why.line() < stands.line()) {
            self.stopping = Some(why);
        }
    }
}
