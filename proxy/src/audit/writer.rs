//! The thread that writes an audit file: waiting lines together, with a report of failures and of the chain's end.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use prism_mutants::seeded;
use tonic::Code;

use super::chain::Link;
use super::file::{AuditFile, Entry};
use super::record::Event;
use super::{Command, Shared, Waiting};

/// Minimum time between two log lines of a kind: the end of the chain, and failures.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);
/// Time between two attempts to write while lines cannot be written and none is waiting.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum lines of unauthenticated calls per interval. Any client can make such calls: without a limit, one that floods the
/// gateway would rotate all other lines out of the files that are kept.
const MOST_UNAUTHENTICATED: u64 = 1_000;

/// The state of the writer thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) file: AuditFile,
    /// The last line that the log names, and when it did.
    anchor: (Link, Instant),
    /// Lines lost since the last failure was logged, and when that was.
    failed: (u64, Option<Instant>),
    unauthenticated: Flood,
}

/// Unauthenticated calls since `since`.
struct Flood {
    since: Instant,
    written: u64,
    omitted: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, file: AuditFile) -> Self {
        let now = Instant::now();
        Self {
            anchor: (file.last(), now),
            failed: (0, None),
            unauthenticated: Flood { since: now, written: 0, omitted: 0 },
            shared,
            file,
        }
    }

    /// Writes the first line, so that a full disk is noticed before the first call.
    pub(super) fn start(&mut self) {
        self.append(&[Entry::Event(Event::Started)]);
    }

    /// Writes lines until the log is closed.
    pub(super) fn run(mut self) {
        loop {
            let (waiting, commands, closing) = self.next();
            for command in commands {
                self.obey(command);
            }
            if !waiting.is_empty() {
                self.write(waiting);
            } else if !self.is_healthy() {
                self.append(&[]);
            }
            self.report_flood(Instant::now());
            if closing {
                break;
            }
            if self.anchor.0 != self.file.last() && self.anchor.1.elapsed() >= REPORT_INTERVAL {
                self.report_anchor("the audit log is written");
            }
        }
        self.report_flood(self.unauthenticated.since + REPORT_INTERVAL);
        self.append(&[Entry::Event(Event::Stopped)]);
        self.report_anchor("the audit log is closed");
    }

    /// Waits for lines, a command, the close, or the time of the next report.
    fn next(&self) -> (Vec<Waiting>, Vec<Command>, bool) {
        let mut until = None;
        let mut by = |time: Instant| until = Some(until.map_or(time, |until: Instant| until.min(time)));
        if self.anchor.0 != self.file.last() {
            by(self.anchor.1 + REPORT_INTERVAL);
        }
        if self.unauthenticated.omitted > 0 {
            by(self.unauthenticated.since + REPORT_INTERVAL);
        }
        if !self.is_healthy() {
            by(Instant::now() + RETRY_INTERVAL);
        }
        let mut queue = self.shared.lock();
        while queue.waiting.is_empty() && queue.commands.is_empty() && !queue.closing {
            let Some(left) = until.map(|until| until.saturating_duration_since(Instant::now())) else {
                queue = self.shared.woken.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if left.is_zero() {
                break;
            }
            let waited = self.shared.woken.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let (waiting, commands) = (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.commands));
        (waiting, commands, queue.closing)
    }

    /// Writes the lines of `waiting`, and wakes their calls.
    fn write(&mut self, waiting: Vec<Waiting>) {
        let now = Instant::now();
        self.report_flood(now);
        let (mut entries, mut done) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
        for Waiting { record, written, room } in waiting {
            if record.code != Code::Unauthenticated || self.unauthenticated.admit() {
                entries.push(Entry::Call(record));
            }
            done.push((written, room));
        }
        if self.file.is_full() {
            self.rotate();
        }
        let succeeded = self.append(&entries);
        for (written, room) in done {
            drop(room);
            if let Some(written) = written {
                // A call that was cancelled does not wait any more.
                let _ = written.send(succeeded);
            }
        }
    }

    /// Appends `entries`, after a repair and a line that reports it if the last attempt failed. Returns whether they are
    /// written.
    fn append(&mut self, entries: &[Entry]) -> bool {
        let result = if self.is_healthy() { self.file.append(entries) } else { self.recover(entries) };
        let Err(error) = result else { return true };
        let lost = entries.len() as u64;
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        self.shared.healthy.store(false, Ordering::Release);
        self.failed.0 += lost;
        if self.failed.1.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL) {
            tracing::error!(%error, lost = self.failed.0, "the audit log cannot be written");
            self.failed = (0, Some(Instant::now()));
        }
        false
    }

    fn recover(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.file.repair().map_err(io::Error::other)?;
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let lost = if seeded("audit/names-no-lost-lines") { 0 } else { lost };
        self.file.append(&[Entry::Event(Event::Resumed { lost })])?;
        self.shared.lost.fetch_sub(lost, Ordering::Relaxed);
        self.shared.healthy.store(true, Ordering::Release);
        tracing::info!(lost, "the audit log is written again");
        self.file.append(entries)
    }

    fn rotate(&mut self) {
        match self.file.rotate() {
            Ok(Link { sequence, hash }) => {
                self.anchor = (Link { sequence, hash }, Instant::now());
                tracing::info!(sequence, %hash, "the audit log is rotated");
            }
            // Lines go to the old file.
            Err(error) => tracing::warn!(%error, "the audit log cannot be rotated"),
        }
    }

    fn obey(&mut self, command: Command) {
        let Command::Reopen(done) = command;
        let reopened = self.file.reopen().map_err(|error| error.to_string());
        if let Ok(true) = reopened {
            self.append(&[Entry::Event(Event::Started)]);
        }
        let _ = done.send(reopened);
    }

    /// Logs the end of the chain, which can prove later that the file was cut off or written anew.
    fn report_anchor(&mut self, message: &str) {
        let Link { sequence, hash } = self.file.last();
        tracing::info!(sequence, %hash, "{message}");
        self.anchor = (self.file.last(), Instant::now());
    }

    /// Begins a new interval if the last is over, with a line for the calls that it omitted.
    fn report_flood(&mut self, now: Instant) {
        let flood = &mut self.unauthenticated;
        if now.saturating_duration_since(flood.since) < REPORT_INTERVAL {
            return;
        }
        let count = flood.omitted;
        *flood = Flood { since: now, written: 0, omitted: 0 };
        if count > 0 {
            self.append(&[Entry::Event(Event::Omitted { count })]);
        }
    }

    fn is_healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
    }
}

impl Flood {
    /// Whether another unauthenticated call has a line.
    fn admit(&mut self) -> bool {
        let has_room =
            self.written < MOST_UNAUTHENTICATED || seeded("audit/writes-any-number-of-denied-calls");
        if has_room {
            self.written += 1;
        } else {
            self.omitted += 1;
        }
        has_room
    }
}
