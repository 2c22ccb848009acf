//! The lines of a server's log that belong to one call, beside the failure of that call.
//!
//! Each call carries a unique `x-request-id`. A server that logs it has lines of that call alone; of any other server, the
//! lines that it wrote during the call are shown.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Abstraction, Instance, line};

/// Maximum number of log lines beside a failure.
const MAX_LINES: usize = 20;
/// Of a longer log, this many lines are from its end: a traceback ends with the error.
const LAST_LINES: usize = 13;
/// Maximum characters of a log line.
const MAX_WIDTH: usize = 200;
/// Time for a server to write its last lines about a call that it has answered.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(300);
/// Digits of a call's number in its id: always as many, so that no id is a prefix of another.
const DIGITS: usize = 8;
/// Interval of looks at a log.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// The request id of the call that this task is making.
    static REQUEST_ID: String;
}

/// The request id of the call that this task is making; `None`: a call outside a case.
#[cfg(feature = "cli")]
pub(super) fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// A call, and the part of the server's log that was written during it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallMark {
    /// The call's `x-request-id`.
    id: String,
    /// The number of the call among those of its case.
    number: u64,
    /// Lengths of the log in bytes, before and after the call; `None`: the log is not known.
    log: Option<(u64, u64)>,
}

impl CallMark {
    /// A mark before call `number` of the case whose namespaces have this prefix.
    pub(super) fn before<A: Abstraction>(prefix: &str, number: u64, instance: &dyn Instance<A>) -> Self {
        let id = format!("{prefix}{number:0DIGITS$x}");
        Self { id, number, log: instance.log_length().map(|length| (length, length)) }
    }

    /// Whether this is the call with this number.
    pub(super) fn is_number(&self, number: u64) -> bool {
        self.number == number
    }

    /// Makes the call with its request id.
    pub(super) async fn call<F: Future>(&self, call: F) -> F::Output {
        REQUEST_ID.scope(self.id.clone(), call).await
    }

    /// The mark after the call.
    pub(super) fn after<A: Abstraction>(mut self, instance: &dyn Instance<A>) -> Self {
        if let (Some((_, end)), Some(length)) = (&mut self.log, instance.log_length()) {
            *end = length;
        }
        self
    }

    /// The lines beside the failure of this call. `is_last`: no call was made after it, so that the log's end is about it, too.
    pub(super) async fn lines<A: Abstraction>(
        &self,
        instance: &dyn Instance<A>,
        is_last: bool,
    ) -> Vec<String> {
        let Some((start, end)) = self.log else {
            return match instance.raw() {
                Some(_) => vec![format!("x-request-id of this call: {}", self.id)],
                None => Vec::new(),
            };
        };
        let end = if is_last { settled(instance, start).await } else { end };
        let Some(log) = instance.log_since(start) else { return Vec::new() };
        let during = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX).min(log.len());
        let later = String::from_utf8_lossy(&log[during..]).into_owned();
        lines(&String::from_utf8_lossy(&log[..during]), &later, &self.id, instance.is_shared())
    }
}

/// The length of the log once the server has written something after `start` and then paused.
async fn settled<A: Abstraction>(instance: &dyn Instance<A>, start: u64) -> u64 {
    let (deadline, mut length) = (Instant::now() + SETTLE_TIMEOUT, start);
    loop {
        sleep(POLL_INTERVAL).await;
        let now = instance.log_length().unwrap_or(length);
        if (now > start && now == length) || Instant::now() > deadline {
            return now;
        }
        length = now;
    }
}

/// The lines with this id first, wherever they are, then the others that were written during the call.
fn lines(during: &str, later: &str, id: &str, is_shared: bool) -> Vec<String> {
    let of_call: Vec<_> = during.lines().chain(later.lines()).filter(|line| line.contains(id)).collect();
    // Lines with a namespace or an id of another case are about that one.
    let (run, case) =
        (super::run::namespace_prefix(), id.get(..id.len().saturating_sub(DIGITS)).unwrap_or(id));
    let is_other = |line: &&str| !line.contains(id) && (line.contains(case) || !line.contains(run));
    let others: Vec<_> = during.lines().filter(is_other).collect();
    let mut shown = Vec::new();
    if !of_call.is_empty() {
        shown.push(format!("server log, lines with x-request-id {id}:"));
        shown.extend(bounded(&of_call, MAX_LINES));
    }
    let left = MAX_LINES.saturating_sub(of_call.len());
    if !others.is_empty() && left > 0 {
        let beside = if is_shared { "; other cases ran at the same time" } else { "" };
        shown.push(format!("server log, lines written during the call{beside}:"));
        shown.extend(bounded(&others, left));
    }
    shown
}

/// At most `most` lines, from the start and the end, each escaped and of bounded width.
fn bounded(lines: &[&str], most: usize) -> Vec<String> {
    let shown = |lines: &[&str]| lines.iter().map(|text| line(text, MAX_WIDTH)).collect::<Vec<_>>();
    if lines.len() <= most {
        return shown(lines);
    }
    let last = LAST_LINES.min(most);
    let first = most - last;
    let omitted = format!("… {} lines", lines.len() - most);
    [shown(&lines[..first]), vec![omitted], shown(&lines[lines.len() - last..])].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_the_id_come_first_and_those_of_other_calls_are_left_out() {
        let prefix = crate::core::run::namespace_prefix();
        let (this, other) = (format!("{prefix}3-00000007"), format!("{prefix}4-00000001"));
        let during =
            format!("id={this} call\nid={other} call\nTraceback:\n  \u{1b}[31mValueError in {prefix}3-\n");
        let later = format!("id={this} ended\nsomething else\n");
        assert_eq!(
            lines(&during, &later, &this, true),
            [
                &format!("server log, lines with x-request-id {this}:"),
                &format!("id={this} call"),
                &format!("id={this} ended"),
                "server log, lines written during the call; other cases ran at the same time:",
                "Traceback:",
                &format!("  \\u{{1b}}[31mValueError in {prefix}3-"),
            ]
        );
        assert_eq!(lines("", &later, &other, false), [""; 0]);
        assert_eq!(lines("one\n", "", &this, false)[0], "server log, lines written during the call:");
    }

    #[test]
    fn a_long_traceback_is_shown_by_its_start_and_its_end() {
        let all: Vec<_> = (0..50).map(|at| format!("line {at}")).collect();
        let shown = lines(&all.join("\n"), "", "an id", false);
        assert_eq!(shown.len(), 1 + MAX_LINES + 1);
        assert_eq!((shown[1].as_str(), shown[8].as_str()), ("line 0", "… 30 lines"));
        assert_eq!((shown[9].as_str(), shown[21].as_str()), ("line 37", "line 49"));
        let wide = "ä".repeat(MAX_WIDTH + 1);
        assert_eq!(lines(&wide, "", "an id", false)[1], format!("{}…", "ä".repeat(MAX_WIDTH)));
    }
}
