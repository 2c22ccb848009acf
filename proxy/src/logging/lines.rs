//! Where lines go on their way to standard error: gathered for a moment, because a system call for each would cost a busy
//! server more than anything else in a call.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may be held back. Warnings and errors are not, nor is what came before them.
const HELD: Duration = Duration::from_millis(10);
/// How many bytes are held back at most; whoever brings more writes them out.
const MOST_BYTES: usize = 64 << 10;

/// Gathers lines, and has a thread that writes them out.
pub(super) struct Lines {
    held: Arc<Mutex<Held>>,
    /// Tells the thread that something is held. It holds one word, because more would say no more.
    wake: SyncSender<()>,
}

/// What is held back, and where it goes.
struct Held {
    bytes: Vec<u8>,
    out: Box<dyn Write + Send>,
}

/// Writes out what is held when it is dropped.
pub(crate) struct Rest(Arc<Mutex<Held>>);

impl Drop for Rest {
    fn drop(&mut self) {
        lock(&self.0).write_out();
    }
}

impl Lines {
    /// Lines that go to `out`. Whoever ends the process drops the [`Rest`] before.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<(Self, Rest)> {
        let held = Arc::new(Mutex::new(Held { bytes: Vec::new(), out: Box::new(out) }));
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name("prism-log".to_owned());
        let of_thread = Arc::clone(&held);
        thread.spawn(move || write_out(&of_thread, &woken))?;
        let rest = Rest(Arc::clone(&held));
        Ok((Self { held, wake }, rest))
    }
}

fn write_out(held: &Mutex<Held>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        thread::sleep(HELD);
        lock(held).write_out();
    }
}

/// Nothing in it is left half done by a panic that a line could not go on after.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn write_out(&mut self) {
        // Where even the log cannot be written, there is nobody to tell.
        let _ = self.out.write_all(&self.bytes).and_then(|()| self.out.flush());
        self.bytes.clear();
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, urgent: true }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, urgent: *event.level() <= Level::WARN }
    }
}

/// Takes one event's line.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = lock(&self.lines.held);
        let first = held.bytes.is_empty();
        held.bytes.extend_from_slice(bytes);
        if self.urgent || held.bytes.len() >= MOST_BYTES {
            held.write_out();
        } else if first {
            drop(held);
            // A word that is there already says the same.
            let _ = self.lines.wake.try_send(());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Each write as it comes.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (Lines, Rest, Receiver<String>) {
        let (sender, told) = channel();
        let (lines, rest) = Lines::to(Told(sender)).unwrap();
        (lines, rest, told)
    }

    fn line(lines: &Lines, urgent: bool, text: &str) {
        Line { lines, urgent }.write_all(text.as_bytes()).unwrap();
    }

    fn next(told: &Receiver<String>) -> String {
        told.recv_timeout(Duration::from_secs(30)).expect("the line was never written")
    }

    #[test]
    fn a_line_that_is_held_is_written_soon_and_the_next_one_too() {
        let (lines, _rest, told) = lines();
        for text in ["one\n", "two\n"] {
            line(&lines, false, text);
            assert_eq!(next(&told), text);
        }
    }

    #[test]
    fn a_warning_is_written_at_once_with_what_came_before() {
        let (lines, _rest, told) = lines();
        // The thread can get no word in, so that only the warning itself writes.
        let held = Arc::clone(&lines.held);
        lock(&held).bytes.extend_from_slice(b"before\n");
        line(&lines, true, "warning\n");
        assert_eq!(told.try_recv().unwrap(), "before\nwarning\n");
    }

    #[test]
    fn what_is_held_stays_within_its_bound() {
        let (lines, _rest, told) = lines();
        let long = "x".repeat(MOST_BYTES);
        line(&lines, false, &long);
        assert_eq!(told.try_recv().unwrap(), long);
    }

    #[test]
    fn the_rest_is_written_in_the_end() {
        let (lines, rest, told) = lines();
        lock(&lines.held).bytes.extend_from_slice(b"last\n");
        drop(rest);
        assert_eq!(told.try_recv().unwrap(), "last\n");
    }
}
