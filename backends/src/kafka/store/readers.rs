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
use tokio::sync::Semaphore;

use super::client::{self, Context};
use super::error::Failure;
use super::offsets::signed;
use super::{Options, translate};

/// Time between two looks at whether the call was cancelled.
const POLL: Duration = Duration::from_millis(50);

/// Time without a record after which offsets before a partition's end are taken to hold none.
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
    fn take(&mut self, range: usize, message: &BorrowedMessage<'_>) -> Flow;
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
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<VecDeque<BaseConsumer<Context>>>>,
}

impl Readers {
    pub(super) fn new(options: &Arc<Options>) -> Self {
        let permits = Arc::new(Semaphore::new(options.readers.max(1)));
        Self { options: Arc::clone(options), permits, idle: Arc::default() }
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
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.options.request_timeout, waiting).await;
        let Ok(Ok(permit)) = permit else { return Err(Error::ResourceExhausted(GAP).into()) };
        let (options, idle, topic) = (Arc::clone(&self.options), Arc::clone(&self.idle), topic.to_owned());
        let cancel = Cancel::default();
        let is_cancelled = Arc::clone(&cancel.0);
        let read = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
            let consumer = match taken {
                Some(consumer) => consumer,
                None => client::consumer(&options).map_err(translate)?,
            };
            let mut read =
                Reading { topic: &topic, ranges, timeout: options.request_timeout, ended: Vec::new() };
            let outcome = read.run(&consumer, &mut sink, &is_cancelled);
            let is_reset = consumer.assign(&TopicPartitionList::new()).is_ok();
            // A consumer that had trouble begins anew.
            if is_reset && !matches!(outcome, Err(Failure::Other(_))) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(consumer);
            }
            drop(permit);
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

struct Reading<'a> {
    topic: &'a str,
    ranges: Vec<Range>,
    timeout: Duration,
    /// Partitions whose end was reported.
    ended: Vec<i32>,
}

impl Reading<'_> {
    fn run(
        &mut self,
        consumer: &BaseConsumer<Context>,
        sink: &mut impl Sink,
        is_cancelled: &AtomicBool,
    ) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        for range in self.ranges.iter().filter(|range| range.from < range.to) {
            let from = Offset::Offset(i64::try_from(range.from).unwrap_or(i64::MAX));
            list.add_partition_offset(self.topic, signed(range.partition), from).map_err(translate)?;
        }
        consumer.assign(&list).map_err(translate)?;
        let mut quiet = Instant::now();
        while self.ranges.iter().any(|range| range.from < range.to) {
            if is_cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    quiet = Instant::now();
                    if self.take(&message, sink) != Flow::More {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.ended.push(partition),
                Some(Err(error)) => passing(&error).then_some(()).ok_or(error)?,
                None if quiet.elapsed() >= GAP && self.skip_gaps(consumer)? => quiet = Instant::now(),
                None if quiet.elapsed() >= self.timeout => {
                    return Err(KafkaError::MessageConsumption(Code::OperationTimedOut).into());
                }
                None => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, sink: &mut impl Sink) -> Flow {
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

    /// Ends the ranges whose rest holds no records, such as marks of transactions: the consumer has come to the partition's end,
    /// which is not before theirs, and nothing came since. Whether there was one.
    fn skip_gaps(&mut self, consumer: &BaseConsumer<Context>) -> Result<bool, Failure> {
        let mut is_any = false;
        for range in self.ranges.iter_mut().filter(|range| range.from < range.to) {
            let partition = signed(range.partition);
            if !self.ended.contains(&partition) {
                continue;
            }
            let (_, high) = consumer.fetch_watermarks(self.topic, partition, self.timeout)?;
            if u64::try_from(high).is_ok_and(|high| high >= range.to) {
                range.from = range.to;
                is_any = true;
            }
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
