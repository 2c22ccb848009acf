//! Log lines on their way to standard error: a bounded buffer, and one thread that writes it. No call waits for the reader of
//! the log, and there is no system call for each line.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line of INFO or DEBUG is held back, so that lines are written together.
const HELD: Duration = Duration::from_millis(10);
/// Bytes that are written without holding them back any longer.
const MANY_BYTES: usize = 64 << 10;
/// Bytes that wait at most, before warnings and errors only. As many again may be in the write that is going on.
const MOST_BYTES: usize = 2 << 20;
/// What of [`MOST_BYTES`] is kept for warnings and errors.
const KEPT_FOR_WARNINGS: usize = MOST_BYTES / 4;
/// How long the end of the process waits for a reader that takes nothing.
const LAST_WRITE: Duration = Duration::from_secs(1);
/// How long a panic waits until it is written, since an abort may follow.
const PANIC_WRITE: Duration = Duration::from_millis(100);
/// Time between two reports of dropped lines, and between two tries where the output is non-blocking and full.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// Takes lines, and never blocks: a line that finds the buffer full is dropped and counted.
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Wakes the thread that writes.
    woken: Condvar,
    /// Tells those who wait for it that the thread has written.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that were dropped and not yet reported.
    dropped: u64,
    /// What waits is not held back.
    urgent: bool,
    /// Bytes that were taken in, and bytes that were written or lost, since the start.
    taken: u64,
    done: u64,
    /// Threads that wait for `written`.
    watchers: u32,
    closing: bool,
    ended: bool,
}

thread_local! {
    /// Whether this thread is writing a report, which has room however full the buffer is.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Writes what is left when it is dropped, for as long as a second.
pub(super) struct LastLines(Arc<Shared>);

impl Drop for LastLines {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closing = true;
        self.0.woken.notify_one();
        self.0.wait_until(waiting, LAST_WRITE, |waiting| waiting.ended);
    }
}

/// Lets a panic wait until it is written.
pub(super) struct PanicLines(Arc<Shared>);

impl PanicLines {
    /// Waits until what was logged before is written, 100 ms at most, and not at all where lines are being dropped.
    pub(super) fn wait(&self) {
        let waiting = self.0.lock();
        if waiting.dropped == 0 {
            let wanted = waiting.taken;
            self.0.wait_until(waiting, PANIC_WRITE, |waiting| waiting.done >= wanted || waiting.ended);
        }
    }
}

impl Lines {
    /// Lines that go to `out`. `report` logs how many lines were dropped; it is called once `out` takes lines again, at most
    /// once a second, and at the end. Drop [`LastLines`] before the process ends.
    pub(super) fn to(
        out: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, LastLines, PanicLines)> {
        let shared =
            Arc::new(Shared { waiting: Mutex::default(), woken: Condvar::new(), written: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("prism-log".to_owned());
        thread.spawn(move || of_thread.write_out(&mut Output { out, torn: false }, &report))?;
        Ok((Self(Arc::clone(&shared)), LastLines(Arc::clone(&shared)), PanicLines(shared)))
    }
}

impl Shared {
    /// A panic under the lock leaves nothing half done that the next line could not go on after.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(
        &self,
        mut waiting: MutexGuard<'_, Waiting>,
        at_most: Duration,
        holds: impl Fn(&Waiting) -> bool,
    ) {
        waiting.watchers += 1;
        let wait = self.written.wait_timeout_while(waiting, at_most, |waiting| !holds(waiting));
        let (mut waiting, _) = wait.unwrap_or_else(PoisonError::into_inner);
        waiting.watchers -= 1;
    }

    fn push(&self, line: &[u8], urgent: bool) {
        let mut waiting = self.lock();
        let room = if urgent { MOST_BYTES } else { MOST_BYTES - KEPT_FOR_WARNINGS };
        if waiting.bytes.len() + line.len() > room && !REPORTING.get() {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        waiting.taken += line.len() as u64;
        let hurry = urgent || waiting.bytes.len() >= MANY_BYTES;
        if first || (hurry && !waiting.urgent) {
            waiting.urgent |= hurry;
            drop(waiting);
            self.woken.notify_one();
        }
    }

    /// Waits for lines, at most `at_most`, and moves them into `batch`.
    fn next(&self, batch: &mut Vec<u8>, at_most: Option<Duration>) {
        let nothing = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closing;
        let waiting = self.lock();
        let waiting = match at_most {
            None => self.woken.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(at_most) => {
                let wait = self.woken.wait_timeout_while(waiting, at_most, nothing);
                wait.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let held = |waiting: &mut Waiting| !waiting.bytes.is_empty() && !waiting.urgent && !waiting.closing;
        let wait = self.woken.wait_timeout_while(waiting, HELD, held);
        let mut waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
        waiting.urgent = false;
        std::mem::swap(&mut waiting.bytes, batch);
    }

    /// What the thread does until the end.
    fn write_out(&self, out: &mut Output<impl Write>, report: &impl Fn(u64)) {
        let (mut batch, mut reported, mut last_report) = (Vec::new(), None::<Instant>, false);
        let mut pause = None;
        loop {
            self.next(&mut batch, pause);
            let (size, lost) = (batch.len(), out.write(&batch));
            batch.clear();
            batch.shrink_to(MANY_BYTES);
            let mut waiting = self.lock();
            waiting.done += size as u64;
            waiting.dropped += lost;
            let closing = waiting.closing;
            if waiting.watchers > 0 {
                self.written.notify_all();
            }
            pause = None;
            if waiting.dropped > 0 && lost == 0 && !last_report {
                let since = reported.map_or(BETWEEN_REPORTS, |at| at.elapsed());
                if closing || since >= BETWEEN_REPORTS {
                    let dropped = std::mem::take(&mut waiting.dropped);
                    drop(waiting);
                    (reported, last_report) = (Some(Instant::now()), closing);
                    REPORTING.set(true);
                    report(dropped);
                    REPORTING.set(false);
                    continue;
                }
                pause = Some(BETWEEN_REPORTS.saturating_sub(since));
            }
            if closing && size == 0 {
                waiting.ended = true;
                self.written.notify_all();
                return;
            }
        }
    }
}

/// Where lines go, and whether the last one there has no end.
struct Output<W> {
    out: W,
    torn: bool,
}

impl<W: Write> Output<W> {
    /// Writes whole lines, and answers how many of them were lost because the output failed: its reader is gone, or the disk
    /// that it is on is full.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if lines.is_empty() {
            return 0;
        }
        if self.torn {
            match self.write_all(b"\n") {
                Ok(()) => self.torn = false,
                Err(_) => return count(lines),
            }
        }
        self.write_all(lines).err().map_or(0, |at| {
            self.torn = at > 0 && lines[at - 1] != b'\n';
            count(&lines[at..])
        })
    }

    /// Where it failed, on failure.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while at < bytes.len() {
            match self.out.write(&bytes[at..]) {
                Ok(0) => return Err(at),
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process has made the pipe that both write to non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(HELD),
                Err(_) => return Err(at),
            }
        }
        let _ = self.out.flush();
        Ok(())
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.split_inclusive(|&byte| byte == b'\n').count() as u64
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: &self.0, urgent: true }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line { lines: &self.0, urgent: *event.level() <= Level::WARN }
    }
}

/// Takes one event's line, which comes in one piece.
pub(super) struct Line<'a> {
    lines: &'a Shared,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.push(bytes, self.urgent);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
