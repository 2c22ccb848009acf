//! Log output to a reader that reads, stalls, fails and recovers.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// Forwards each write to a channel; stalls or fails according to its gate.
struct Reader {
    writes: Sender<String>,
    gate: Arc<Mutex<Gate>>,
    opened: Arc<Condvar>,
}

#[derive(Clone, Copy, PartialEq)]
enum Gate {
    Open,
    Stalled,
    Gone,
    /// Accepts three bytes, then fails.
    TakesThree,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut gate = self.gate.lock().unwrap();
        while *gate == Gate::Stalled {
            gate = self.opened.wait(gate).unwrap();
        }
        let taken = match *gate {
            Gate::Open | Gate::Stalled => bytes,
            Gate::Gone => return Err(ErrorKind::BrokenPipe.into()),
            Gate::TakesThree => {
                *gate = Gate::Gone;
                &bytes[..3]
            }
        };
        self.writes.send(String::from_utf8_lossy(taken).into_owned()).unwrap();
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    shared: Arc<Shared>,
    last: Option<LastLines>,
    panics: PanicLines,
    writes: Receiver<String>,
    gate: Arc<Mutex<Gate>>,
    opened: Arc<Condvar>,
}

impl Log {
    fn start(gate: Gate) -> Self {
        let (sender, writes) = channel();
        let (gate, opened) = (Arc::new(Mutex::new(gate)), Arc::new(Condvar::new()));
        let reader = Reader { writes: sender, gate: Arc::clone(&gate), opened: Arc::clone(&opened) };
        // A report is logged like every line, as it is through the subscriber.
        let target = Arc::new(Mutex::new(None::<Arc<Shared>>));
        let of_report = Arc::clone(&target);
        let report = move |count: u64| {
            let shared = of_report.lock().unwrap().clone().unwrap();
            shared.push(format!("{count} dropped\n").as_bytes(), true);
        };
        let (lines, last, panics) = Lines::to(reader, report).unwrap();
        *target.lock().unwrap() = Some(Arc::clone(&lines.0));
        Self { shared: lines.0, last: Some(last), panics, writes, gate, opened }
    }

    fn line(&self, urgent: bool, text: &str) {
        Line { lines: &self.shared, urgent }.write_all(text.as_bytes()).unwrap();
    }

    fn becomes(&self, gate: Gate) {
        *self.gate.lock().unwrap() = gate;
        self.opened.notify_all();
    }

    fn next(&self) -> String {
        self.writes.recv_timeout(LONG).expect("the line was never written")
    }

    /// Waits until the thread is inside a write, with nothing left in the buffer.
    fn writer_is_stuck(&self) {
        let deadline = Instant::now() + LONG;
        while !self.shared.lock().bytes.is_empty() {
            assert!(Instant::now() < deadline, "the writer takes no bytes");
            thread::yield_now();
        }
    }
}

#[test]
fn delayed_lines_are_written_soon() {
    let log = Log::start(Gate::Open);
    for text in ["one\n", "two\n"] {
        log.line(false, text);
        assert_eq!(log.next(), text);
    }
}

#[test]
fn a_warning_is_written_without_delay_and_so_are_earlier_lines() {
    let log = Log::start(Gate::Stalled);
    log.line(true, "stuck\n");
    log.writer_is_stuck();
    log.line(false, "before\n");
    assert!(!log.shared.lock().urgent, "a line of INFO is not delayed");
    log.line(true, "warning\n");
    assert!(log.shared.lock().urgent);
    log.becomes(Gate::Open);
    assert_eq!([log.next(), log.next()], ["stuck\n", "before\nwarning\n"]);
}

#[test]
fn a_stalled_reader_blocks_no_line_and_dropped_lines_are_reported_when_it_recovers() {
    let log = Log::start(Gate::Stalled);
    log.line(true, "first\n");
    log.writer_is_stuck();
    let line = "x".repeat(1_023) + "\n";
    for _ in 0..10_000 {
        log.line(false, &line);
    }
    let held = log.shared.lock().bytes.len();
    assert!(held <= MAX_BYTES - RESERVED_FOR_WARNINGS, "{held} bytes are held");
    log.line(true, "a warning still has room\n");
    log.becomes(Gate::Open);
    assert_eq!(log.next(), "first\n");
    let written = log.next();
    let kept = written.lines().filter(|line| line.starts_with('x')).count();
    assert!(kept < 10_000, "nothing was dropped");
    let end = format!("a warning still has room\n{} dropped\n", 10_000 - kept);
    assert!(written.ends_with(&end), "{}", &written[written.len() - 2 * end.len()..]);
}

#[test]
fn a_warning_that_does_not_fit_is_dropped_and_counted() {
    let log = Log::start(Gate::Stalled);
    log.line(true, "first\n");
    log.writer_is_stuck();
    log.line(true, &"x".repeat(MAX_BYTES));
    log.line(true, "no room\n");
    let waiting = log.shared.lock();
    assert_eq!((waiting.bytes.len(), waiting.dropped), (MAX_BYTES, 1));
}

#[test]
fn lines_to_a_vanished_reader_are_lost_and_counted() {
    let log = Log::start(Gate::Gone);
    for _ in 0..3 {
        log.line(true, "lost\n");
        let wanted = log.shared.lock().taken;
        let lost = |waiting: &Waiting| waiting.done >= wanted;
        log.shared.wait_until(log.shared.lock(), LONG, lost);
    }
    log.becomes(Gate::Open);
    log.line(true, "back\n");
    assert_eq!(log.next(), "back\n");
    assert_eq!(log.next(), "3 dropped\n");
}

#[test]
fn an_incomplete_line_is_ended_before_the_next_one() {
    let log = Log::start(Gate::TakesThree);
    log.line(true, "cut off\n");
    assert_eq!(log.next(), "cut");
    let wanted = log.shared.lock().taken;
    log.shared.wait_until(log.shared.lock(), LONG, |waiting| waiting.done >= wanted);
    log.becomes(Gate::Open);
    log.line(true, "whole\n");
    assert_eq!([log.next(), log.next()].concat(), "\nwhole\n");
}

#[test]
fn the_rest_is_written_at_the_end_with_the_count_of_dropped_lines() {
    let mut log = Log::start(Gate::Open);
    log.shared.lock().dropped = 7;
    log.line(false, "last\n");
    drop(log.last.take());
    assert_eq!(log.writes.try_iter().collect::<String>(), "last\n7 dropped\n");
}

#[test]
fn a_stalled_reader_blocks_neither_the_exit_nor_a_panic() {
    let mut log = Log::start(Gate::Stalled);
    log.line(true, "stuck\n");
    log.writer_is_stuck();
    let begun = Instant::now();
    log.panics.wait();
    drop(log.last.take());
    let took = begun.elapsed();
    assert!(took >= FINAL_WRITE_TIMEOUT && took < LONG / 2, "{took:?}");
    log.becomes(Gate::Open);
}

#[test]
fn a_panic_is_written_before_its_hook_returns() {
    let log = Log::start(Gate::Open);
    log.line(true, "panic\n");
    log.panics.wait();
    assert_eq!(log.writes.try_recv().unwrap(), "panic\n");
}

#[test]
fn a_panic_under_the_lock_does_not_stop_the_log() {
    let log = Log::start(Gate::Open);
    let shared = Arc::clone(&log.shared);
    let poisoned = thread::spawn(move || {
        let _waiting = shared.lock();
        panic!("as the test asked");
    });
    poisoned.join().unwrap_err();
    log.line(true, "on\n");
    assert_eq!(log.next(), "on\n");
}
