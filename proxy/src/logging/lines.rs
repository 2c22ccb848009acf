//! Asynchronous log output to standard error: a bounded buffer and one writer thread. No call waits for the log's reader,
//! and there is no system call per line.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Delay of INFO and DEBUG lines, so that several are written together.
const BATCH_DELAY: Duration = Duration::from_millis(10);
/// Buffered bytes that are written without delay.
const BATCH_BYTES: usize = 64 << 10;
/// Maximum buffered bytes. As many again may be in the current write.
const MAX_BYTES: usize = 2 << 20;
/// Part of [`MAX_BYTES`] reserved for warnings and errors.
const RESERVED_FOR_WARNINGS: usize = MAX_BYTES / 4;
/// Maximum wait for a stalled reader at the end of the process.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum wait until a panic is written, since an abort may follow.
const PANIC_WRITE_TIMEOUT: Duration = Duration::from_millis(100);
/// Minimum time between two reports of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts lines without blocking: a line that does not fit into the buffer is dropped and counted.
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// All dropped lines, for metrics.
    dropped: Arc<AtomicU64>,
    /// Wakes the writer thread.
    woken: Condvar,
    /// Notified after each write, for the threads that wait for it.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Dropped lines not yet reported.
    dropped: u64,
    /// The buffer is to be written without delay.
    urgent: bool,
    /// Bytes accepted, and bytes written or lost, since the start.
    taken: u64,
    done: u64,
    /// Threads that wait for `written`.
    watchers: u32,
    closing: bool,
    ended: bool,
}

thread_local! {
    /// Whether this thread is logging a report, which is accepted even if the buffer is full.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Writes the rest of the buffer on drop, for up to a second.
pub(super) struct LastLines(Arc<Shared>);

impl LastLines {
    /// The number of dropped lines so far.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.dropped)
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closing = true;
        self.0.woken.notify_one();
        self.0.wait_until(waiting, FINAL_WRITE_TIMEOUT, |waiting| waiting.ended);
    }
}

/// Waits until a panic is written.
pub(super) struct PanicLines(Arc<Shared>);

impl PanicLines {
    /// Waits until everything logged so far is written, at most 100 ms, and not at all while lines are being dropped.
    pub(super) fn wait(&self) {
        let waiting = self.0.lock();
        if waiting.dropped == 0 {
            let wanted = waiting.taken;
            self.0
                .wait_until(waiting, PANIC_WRITE_TIMEOUT, |waiting| waiting.done >= wanted || waiting.ended);
        }
    }
}

impl Lines {
    /// A log to `out`. `report` logs the number of dropped lines; it is called once `out` accepts lines again, at most once
    /// a second, and at the end. Drop [`LastLines`] before the process ends.
    pub(super) fn to(
        out: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, LastLines, PanicLines)> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            dropped: Arc::default(),
            woken: Condvar::new(),
            written: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("prism-log".to_owned());
        thread.spawn(move || of_thread.write_out(&mut Output { out, incomplete: false }, &report))?;
        Ok((Self(Arc::clone(&shared)), LastLines(Arc::clone(&shared)), PanicLines(shared)))
    }
}

impl Shared {
    /// A panic under the lock leaves no state that the next line could not continue from.
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
        let room = if urgent { MAX_BYTES } else { MAX_BYTES - RESERVED_FOR_WARNINGS };
        if waiting.bytes.len() + line.len() > room && !REPORTING.get() {
            self.dropped(&mut waiting, 1);
            return;
        }
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        waiting.taken += line.len() as u64;
        let urgent = urgent || waiting.bytes.len() >= BATCH_BYTES;
        if first || (urgent && !waiting.urgent) {
            waiting.urgent |= urgent;
            drop(waiting);
            self.woken.notify_one();
        }
    }

    fn dropped(&self, waiting: &mut Waiting, lines: u64) {
        waiting.dropped += lines;
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Waits for lines, at most `at_most`, and moves them into `batch`.
    fn next(&self, batch: &mut Vec<u8>, at_most: Option<Duration>) {
        let is_empty = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closing;
        let waiting = self.lock();
        let waiting = match at_most {
            None => self.woken.wait_while(waiting, is_empty).unwrap_or_else(PoisonError::into_inner),
            Some(at_most) => {
                let wait = self.woken.wait_timeout_while(waiting, at_most, is_empty);
                wait.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let held = |waiting: &mut Waiting| !waiting.bytes.is_empty() && !waiting.urgent && !waiting.closing;
        let wait = self.woken.wait_timeout_while(waiting, BATCH_DELAY, held);
        let mut waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
        waiting.urgent = false;
        std::mem::swap(&mut waiting.bytes, batch);
    }

    /// The loop of the writer thread.
    fn write_out(&self, out: &mut Output<impl Write>, report: &impl Fn(u64)) {
        let (mut batch, mut reported, mut last_report) = (Vec::new(), None::<Instant>, false);
        let mut pause = None;
        loop {
            self.next(&mut batch, pause);
            let (size, lost) = (batch.len(), out.write(&batch));
            batch.clear();
            batch.shrink_to(BATCH_BYTES);
            let mut waiting = self.lock();
            waiting.done += size as u64;
            self.dropped(&mut waiting, lost);
            let closing = waiting.closing;
            if waiting.watchers > 0 {
                self.written.notify_all();
            }
            pause = None;
            if waiting.dropped > 0 && lost == 0 && !last_report {
                let since = reported.map_or(REPORT_INTERVAL, |at| at.elapsed());
                if closing || since >= REPORT_INTERVAL {
                    let dropped = std::mem::take(&mut waiting.dropped);
                    drop(waiting);
                    (reported, last_report) = (Some(Instant::now()), closing);
                    REPORTING.set(true);
                    report(dropped);
                    REPORTING.set(false);
                    continue;
                }
                pause = Some(REPORT_INTERVAL.saturating_sub(since));
            }
            if closing && size == 0 {
                waiting.ended = true;
                self.written.notify_all();
                return;
            }
        }
    }
}

/// The output, and whether its last line is incomplete.
struct Output<W> {
    out: W,
    incomplete: bool,
}

impl<W: Write> Output<W> {
    /// Writes whole lines, and returns how many were lost because the output failed: its reader is gone, or its disk is
    /// full.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if lines.is_empty() {
            return 0;
        }
        if self.incomplete {
            match self.write_all(b"\n") {
                Ok(()) => self.incomplete = false,
                Err(_) => return count(lines),
            }
        }
        self.write_all(lines).err().map_or(0, |at| {
            self.incomplete = at > 0 && lines[at - 1] != b'\n';
            count(&lines[at..])
        })
    }

    /// On failure, returns the position.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while at < bytes.len() {
            match self.out.write(&bytes[at..]) {
                Ok(0) => return Err(at),
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process has made the shared pipe non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BATCH_DELAY),
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

/// Accepts one event's line, which is written in one piece.
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
