//! A pool of consumers that read ranges of offsets. Their number is bounded, and so are their threads, whatever the number of
//! Queries and Tails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prism_contract::Error;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Context};
use super::error::{Failure, RETRY_AFTER};
use super::offsets::signed;
use super::share::Shares;
use super::{Options, translate};

/// Time between two looks at whether the call was cancelled.
const POLL: Duration = Duration::from_millis(50);

/// Time without a record after which offsets before a partition's end may hold none.
const GAP: Duration = Duration::from_millis(500);

/// What becomes of a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It was taken, and more are wanted.
    More,
    /// It was taken, and no more are wanted.
    Enough,
    /// It was not taken, and no more are wanted.
    Refused,
}

/// Takes records.
pub(super) trait Sink: Send + 'static {
    /// Takes a record of the range with this index.
    fn take(&mut self, range: usize, message: &impl Message) -> Flow;
}

/// Offsets of a partition, from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) partition: u32,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// The consumers.
pub(super) struct Readers {
    options: Arc<Options>,
    shares: Arc<Shares>,
    idle: Arc<Mutex<VecDeque<BaseConsumer<Context>>>>,
}

impl Readers {
    pub(super) fn new(options: &Arc<Options>) -> Self {
        let shares = Shares::new(options.readers);
        Self { options: Arc::clone(options), shares, idle: Arc::default() }
    }

    /// Reads ranges of a topic until `sink` has enough or all is read; returns it, and the ranges that are left. Dropping the
    /// future ends the read.
    pub(super) async fn read<S: Sink>(
        &self,
        topic: &str,
        ranges: Vec<Range>,
        mut sink: S,
    ) -> Result<(S, Vec<Range>), Failure> {
        if ranges.iter().all(|range| range.from >= range.to) {
            return Ok((sink, ranges));
        }
        let Some(share) = self.shares.take(topic, 1, self.options.request_timeout).await else {
            return Err(Error::ResourceExhausted(RETRY_AFTER).into());
        };
        let (options, idle, topic) = (Arc::clone(&self.options), Arc::clone(&self.idle), topic.to_owned());
        let cancel = Cancel::default();
        let is_cancelled = Arc::clone(&cancel.0);
        let read = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
            let consumer = if let Some(consumer) = taken {
                consumer
            } else {
                let consumer = client::consumer(&options).map_err(translate)?;
                // Connects, and learns the leaders: without them a read would begin with the next of librdkafka's looks for
                // leaders, which are a second apart.
                consumer.fetch_metadata(Some(&topic), options.request_timeout).map_err(translate)?;
                consumer
            };
            let timeout = options.request_timeout;
            let source = Assigned { consumer: &consumer, topic: &topic, timeout };
            let mut read = Reading::new(ranges, (GAP, timeout));
            let outcome = read.run(&source, &mut sink, &is_cancelled);
            let is_reset = consumer.assign(&TopicPartitionList::new()).is_ok();
            // A consumer that had trouble is not used again.
            if is_reset && !matches!(outcome, Err(Failure::Other(_))) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(consumer);
            }
            drop(share);
            outcome.map(|()| (sink, read.ranges))
        });
        let outcome = read.await.map_err(|error| Failure::Other(Error::internal(error)))?;
        drop(cancel);
        outcome
    }

    /// Closes idle consumers.
    pub(super) fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        // Closing waits for a consumer's threads.
        drop(tokio::task::spawn_blocking(move || drop(idle)));
    }
}

/// Set when it is dropped.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What records are polled from.
trait Source {
    type Record<'a>: Message
    where
        Self: 'a;

    /// Begins at the start of each range that is not empty.
    fn assign(&self, ranges: &[Range]) -> Result<(), Failure>;

    /// The next record, or an error; `None`: there is none yet.
    fn poll(&self) -> Option<Result<Self::Record<'_>, KafkaError>>;

    /// The end of a partition now.
    fn end(&self, partition: u32) -> Result<u64, Failure>;
}

/// A consumer of a topic.
struct Assigned<'a> {
    consumer: &'a BaseConsumer<Context>,
    topic: &'a str,
    timeout: Duration,
}

impl Source for Assigned<'_> {
    type Record<'a>
        = BorrowedMessage<'a>
    where
        Self: 'a;

    fn assign(&self, ranges: &[Range]) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        for range in ranges.iter().filter(|range| range.from < range.to) {
            let from = Offset::Offset(i64::try_from(range.from).unwrap_or(i64::MAX));
            list.add_partition_offset(self.topic, signed(range.partition), from).map_err(translate)?;
        }
        Ok(self.consumer.assign(&list).map_err(translate)?)
    }

    fn poll(&self) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        self.consumer.poll(POLL)
    }

    fn end(&self, partition: u32) -> Result<u64, Failure> {
        let (_, high) = self.consumer.fetch_watermarks(self.topic, signed(partition), self.timeout)?;
        Ok(u64::try_from(high).unwrap_or_default())
    }
}

struct Reading {
    ranges: Vec<Range>,
    gap: Duration,
    timeout: Duration,
    /// Partitions whose end was reported.
    ended: Vec<i32>,
    /// Partitions that were assigned again, at a time when their end was not before that of their range.
    confirmed: Vec<i32>,
}

impl Reading {
    fn new(ranges: Vec<Range>, (gap, timeout): (Duration, Duration)) -> Self {
        Self { ranges, gap, timeout, ended: Vec::new(), confirmed: Vec::new() }
    }

    fn run(
        &mut self,
        source: &impl Source,
        sink: &mut impl Sink,
        is_cancelled: &AtomicBool,
    ) -> Result<(), Failure> {
        source.assign(&self.ranges)?;
        let mut quiet = Instant::now();
        while self.ranges.iter().any(|range| range.from < range.to) {
            if is_cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            match source.poll() {
                Some(Ok(message)) => {
                    quiet = Instant::now();
                    if self.take(&message, sink) != Flow::More {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.end(partition),
                Some(Err(error)) => passing(&error).then_some(()).ok_or(error)?,
                None if quiet.elapsed() >= self.gap && self.confirm_ends(source)? => quiet = Instant::now(),
                None if quiet.elapsed() >= self.timeout => {
                    return Err(KafkaError::MessageConsumption(Code::OperationTimedOut).into());
                }
                None => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &impl Message, sink: &mut impl Sink) -> Flow {
        let found = self.ranges.iter().position(|range| signed(range.partition) == message.partition());
        let (Some(at), Ok(offset)) = (found, u64::try_from(message.offset())) else { return Flow::More };
        let range = &mut self.ranges[at];
        if offset < range.from || range.from >= range.to {
            return Flow::More;
        }
        if offset >= range.to {
            range.from = range.to;
            return Flow::More;
        }
        let flow = sink.take(at, message);
        range.from = if flow == Flow::Refused { offset } else { offset + 1 };
        flow
    }

    /// Notes that a partition's end was reported. The rest of a range holds no record, but marks of transactions at most, if the
    /// report is of a fetch that began when the partition's end was not before that of the range.
    fn end(&mut self, partition: i32) {
        if !self.confirmed.contains(&partition) {
            self.ended.push(partition);
            return;
        }
        for range in self.ranges.iter_mut().filter(|range| signed(range.partition) == partition) {
            range.from = range.from.max(range.to);
        }
    }

    /// Reads again from where it is, if a partition's end was reported before that of its range and is not before it now: records
    /// may have come in between. Whether it does so.
    fn confirm_ends(&mut self, source: &impl Source) -> Result<bool, Failure> {
        let mut is_any = false;
        for range in self.ranges.iter().filter(|range| range.from < range.to) {
            let partition = signed(range.partition);
            let is_open = self.ended.contains(&partition) && !self.confirmed.contains(&partition);
            if is_open && source.end(range.partition)? >= range.to {
                self.confirmed.push(partition);
                is_any = true;
            }
        }
        if is_any {
            self.ended.clear();
            source.assign(&self.ranges)?;
        }
        Ok(is_any)
    }
}

/// Whether a read goes on after an error: librdkafka recovers of it, or the read ends by its timeout.
fn passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::OffsetNotAvailable
                // No group is ever joined.
                | Code::GroupAuthorizationFailed
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
        )
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use rdkafka::message::OwnedMessage;

    use super::super::record::samples;
    use super::*;

    /// What a fake log answers to a poll.
    enum Answer {
        Record(i64),
        End,
        Nothing,
    }

    /// A partition whose polls are scripted, for each assignment.
    struct Script {
        polls: RefCell<VecDeque<Vec<Answer>>>,
        now: RefCell<VecDeque<Answer>>,
        assigned: RefCell<Vec<u64>>,
        end: u64,
    }

    impl Source for Script {
        type Record<'a> = OwnedMessage;

        fn assign(&self, ranges: &[Range]) -> Result<(), Failure> {
            self.assigned.borrow_mut().push(ranges[0].from);
            *self.now.borrow_mut() = self.polls.borrow_mut().pop_front().unwrap_or_default().into();
            Ok(())
        }

        fn poll(&self) -> Option<Result<OwnedMessage, KafkaError>> {
            match self.now.borrow_mut().pop_front()? {
                Answer::Record(offset) => Some(Ok(samples::of("s", offset, &samples::event(0, "id")))),
                Answer::End => Some(Err(KafkaError::PartitionEOF(0))),
                Answer::Nothing => None,
            }
        }

        fn end(&self, _: u32) -> Result<u64, Failure> {
            Ok(self.end)
        }
    }

    #[derive(Default)]
    struct Offsets(Vec<i64>);

    impl Sink for Offsets {
        fn take(&mut self, _: usize, message: &impl Message) -> Flow {
            self.0.push(message.offset());
            Flow::More
        }
    }

    /// Reads the offsets before 5 of a log that ends at `end`.
    fn read(polls: Vec<Vec<Answer>>, end: u64) -> (Vec<i64>, Vec<u64>, Result<(), &'static str>) {
        let script = Script {
            polls: RefCell::new(polls.into()),
            now: RefCell::default(),
            assigned: RefCell::default(),
            end,
        };
        let range = Range { partition: 0, from: 0, to: 5 };
        let mut sink = Offsets::default();
        let mut reading = Reading::new(vec![range], (Duration::ZERO, Duration::from_millis(20)));
        let outcome = reading.run(&script, &mut sink, &AtomicBool::default());
        (sink.0, script.assigned.into_inner(), outcome.map_err(|failure| failure.into_error().reason()))
    }

    #[test]
    fn records_that_come_after_a_partition_s_end_was_reported_are_not_passed_over() {
        use Answer::{End, Nothing, Record};

        let polls = vec![
            vec![Record(0), Record(1), End, Nothing, Record(2)],
            // The others came before the partition's end was asked for.
            vec![Record(2), Nothing, Record(3), Record(4)],
        ];
        assert_eq!(read(polls, 5), (vec![0, 1, 2, 3, 4], vec![0, 2], Ok(())));
    }

    #[test]
    fn offsets_without_records_before_a_partition_s_end_are_passed_over() {
        use Answer::{End, Nothing, Record};

        let polls = vec![vec![Record(0), End, Nothing], vec![Nothing, Record(2), End]];
        assert_eq!(read(polls, 5), (vec![0, 2], vec![0, 1], Ok(())));
    }

    #[test]
    fn a_partition_that_ends_before_the_range_is_a_timeout() {
        use Answer::{End, Nothing, Record};

        let polls = vec![vec![Record(0), End, Nothing]];
        assert_eq!(read(polls, 4), (vec![0], vec![0], Err("BACKEND_UNAVAILABLE")));
    }
}
