//! The input of `prism ts append`: lines as batches of events, read on a thread.

use std::collections::HashSet;
use std::io::{self, BufRead};

use bytes::Bytes;
use prism_contract::timeseries::Limits;
use prism_contract::timeseries::request::EventInput;
use prism_contract::{TimeInput, Timestamp};
use tokio::sync::mpsc;

use super::line;
use crate::client::import::lines::{Lines, Mark};

/// The events of one Append, and their lines.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<EventInput>,
    /// The line of each event.
    pub(super) lines: Vec<u64>,
    /// The position after its last line.
    pub(super) after: Mark,
}

/// A part of the input.
#[derive(Debug)]
pub(super) enum Part {
    Batch(Batch),
    /// A line that is not an event, why, and the position after it.
    Bad(u64, String, Mark),
    /// The input cannot be read.
    Failed(io::Error),
}

/// How lines become events.
pub(super) struct Reading {
    /// The series of lines that name none.
    pub(super) series: Option<String>,
    /// The time of lines that name none.
    pub(super) now: Timestamp,
    /// Maximum events of a batch.
    pub(super) events: usize,
}

/// Reads `lines` on a thread, which does not delay the calls in flight. Not a task: a blocked read of standard input must not
/// keep the process from exiting.
pub(super) fn read<R: BufRead + Send + 'static>(
    mut lines: Lines<R>,
    reading: Reading,
) -> mpsc::Receiver<Part> {
    // Few: each may be 4 MiB.
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut batches = Batches { reading, open: Batch::default(), bytes: 0, identities: HashSet::new() };
        loop {
            let number = lines.position().lines + 1;
            let of = &batches.reading;
            let read = lines.next_as(|text| line::parse(text, number, of.series.as_deref(), of.now));
            let (parts, is_last) = match read {
                Ok(Some(read)) => (batches.take(number, read.line, read.after), false),
                Ok(None) => (batches.close().into_iter().collect(), true),
                Err(error) => (batches.close().into_iter().chain([Part::Failed(error)]).collect(), true),
            };
            let sent = parts.into_iter().try_for_each(|part| sender.blocking_send(part));
            if sent.is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

struct Batches {
    reading: Reading,
    open: Batch,
    bytes: usize,
    identities: HashSet<(String, Option<TimeInput>, Bytes)>,
}

impl Batches {
    /// Adds a line; returns the parts that are complete with it.
    fn take(&mut self, number: u64, line: Result<EventInput, String>, after: Mark) -> Vec<Part> {
        let event = match line {
            Ok(event) => event,
            Err(why) => return self.close().into_iter().chain([Part::Bad(number, why, after)]).collect(),
        };
        let weight = line::weight(&event);
        let identity = (event.series.clone(), event.time, event.id.clone());
        // An Append may not have an identity twice (APP-6): the second is a duplicate of a later one.
        let is_full = self.open.events.len() == self.reading.events
            || self.bytes + weight > Limits::V1.append_bytes as usize
            || self.identities.contains(&identity);
        let complete = if is_full { self.close() } else { None };
        self.bytes += weight;
        self.identities.insert(identity);
        self.open.events.push(event);
        self.open.lines.push(number);
        self.open.after = after;
        complete.into_iter().collect()
    }

    fn close(&mut self) -> Option<Part> {
        (self.bytes, self.identities) = (0, HashSet::new());
        let batch = std::mem::take(&mut self.open);
        (!batch.events.is_empty()).then_some(Part::Batch(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(input: &'static str, events: usize) -> Vec<(usize, Vec<u64>)> {
        let reading = Reading { series: Some("s".to_owned()), now: Timestamp::EPOCH, events };
        let mut receiver = read(Lines::new(input.as_bytes()), reading);
        let part = |part| match part {
            Part::Batch(batch) => (batch.events.len(), batch.lines),
            Part::Bad(line, ..) => (0, vec![line]),
            Part::Failed(error) => panic!("{error}"),
        };
        std::iter::from_fn(|| receiver.blocking_recv()).map(part).collect()
    }

    #[test]
    fn lines_are_batches_of_at_most_so_many_events_and_a_bad_line_ends_one() {
        let input = "{}\n{}\n{}\nbad\n{}\n";
        assert_eq!(parts(input, 2), [(2, vec![1, 2]), (1, vec![3]), (0, vec![4]), (1, vec![5])]);
        assert_eq!(parts("", 2), []);
    }

    #[test]
    fn an_identity_is_in_a_batch_once() {
        let line = r#"{"id":"a","time":"2030-01-02T03:04:05Z"}"#;
        let input = [line, r#"{"id":"b","time":"2030-01-02T03:04:05Z"}"#, line].join("\n");
        assert_eq!(parts(Box::leak(input.into_boxed_str()), 9), [(2, vec![1, 2]), (1, vec![3])]);
    }
}
