//! Positions, and pages of a log in append order.

use prism_contract::timeseries::log::LogPosition;
use prism_contract::timeseries::{Position, Series, SeriesEvent, Start, Tail, TailPage};
use prism_contract::{Error, Namespace, Timestamp};
use rdkafka::message::Message;

use super::Inner;
use super::error::Failure;
use super::offsets::At;
use super::readers::{Flow, Range, Sink};
use super::record::Record;
use super::registry::Loss;
use super::scan::damaged;
use super::topic::Topic;
use super::topics::RETENTION_MARGIN;

/// Maximum records that a page scans, and their bytes. It ends there, matching or not.
const SCANNED: usize = 10_000;
const SCANNED_BYTES: usize = 16 << 20;

impl Inner {
    /// The position at which a Tail begins. That of a namespace without a topic has no partitions, and is before the first event
    /// of the topic that it gets.
    pub(super) async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        let Some(topic) = self.registry.find(namespace).await? else { return self.absent(namespace, None) };
        let at = match start {
            Start::Beginning => At::Start,
            Start::Now => At::End,
        };
        let partitions = match series {
            Some(series) => {
                let offset = self.offsets.of_one(&topic.name, topic.partition(series), at).await;
                offset.map(|offset| vec![offset])
            }
            None => self.offsets.of_all(&topic.name, topic.record.partitions, at).await,
        };
        let partitions = partitions.map_err(|failure| self.lost(&topic, failure))?;
        Ok(LogPosition { incarnation: topic.incarnation, partitions }.encode())
    }

    /// The position in a namespace without a topic, of which a token must be, if there is one.
    pub(super) fn absent(&self, namespace: &Namespace, token: Option<&Position>) -> Result<Position, Error> {
        let incarnation = self.registry.incarnation_of_first(namespace);
        let position = LogPosition { incarnation, partitions: Vec::new() }.encode();
        match token {
            Some(token) if *token != position => Err(Error::TokenExpired),
            Some(_) | None => Ok(position),
        }
    }

    /// Reads a position in a topic, of one partition or of all. It is within the topic's ends.
    pub(super) async fn read_position(
        &self,
        topic: &Topic,
        partition: Option<u32>,
        position: &Position,
    ) -> Result<Vec<u64>, Error> {
        let covered: Vec<u32> = match partition {
            Some(partition) => vec![partition],
            None => (0..topic.record.partitions).collect(),
        };
        let is_before = absent_before(topic, position);
        let known: Vec<u64> = covered.iter().map(|partition| topic.ends.get(*partition)).collect();
        if let Ok(position) = LogPosition::decode(position, &topic.incarnation, &known)
            && position.partitions.iter().zip(&known).any(|(at, end)| at < end)
        {
            return Ok(position.partitions);
        }
        // This gateway may not know of the last events.
        let mut ends = Vec::with_capacity(covered.len());
        let asked: Vec<_> = covered.iter().map(|partition| (&*topic.name, *partition, At::End)).collect();
        for (answer, partition) in self.offsets.of(&asked).await?.into_iter().zip(covered.iter().zip(&known))
        {
            let (partition, known) = partition;
            let end = answer.map_err(|failure| self.lost(topic, failure))?.unwrap_or_default();
            self.learn(topic, *partition, (*known, end))?;
            ends.push(end);
        }
        if is_before {
            // The ends are known from here on, so that the page reads up to them.
            return Ok(vec![0; covered.len()]);
        }
        Ok(LogPosition::decode(position, &topic.incarnation, &ends)?.partitions)
    }

    /// The end of a partition.
    pub(super) async fn end_of(&self, topic: &Topic, partition: u32) -> Result<u64, Error> {
        let known = topic.ends.get(partition);
        let end = self.offsets.of_one(&topic.name, partition, At::End).await;
        let end = end.map_err(|failure| self.lost(topic, failure))?;
        self.learn(topic, partition, (known, end))?;
        Ok(end)
    }

    fn learn(&self, topic: &Topic, partition: u32, (known, end): (u64, u64)) -> Result<(), Error> {
        if topic.ends.learn_asked(partition, known, end) {
            return Ok(());
        }
        self.registry.lose(topic, Loss::Shorter);
        Err(Error::unavailable(
            "the topic of the namespace was recreated or truncated; the next Append begins another incarnation",
        ))
    }

    /// The error of a read of a topic. A missing one is noted.
    pub(super) fn lost(&self, topic: &Topic, failure: Failure) -> Error {
        if matches!(failure, Failure::NoTopic) {
            self.registry.lose(topic, Loss::Missing);
        }
        failure.into_error()
    }

    /// Reads a page.
    pub(super) async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        let Some(topic) = self.registry.find(&tail.namespace).await? else {
            let position = self.absent(&tail.namespace, Some(&tail.after))?;
            return Ok(TailPage { events: Vec::new(), position, more: false });
        };
        let partition = tail.series.as_ref().map(|series| topic.partition(series));
        let mut at = self.read_position(&topic, partition, &tail.after).await?;
        let covered = partition.map_or(0..topic.record.partitions, |partition| partition..partition + 1);
        for attempt in 0.. {
            let ranges = covered.clone().zip(&at);
            let range = |(partition, from): (u32, &u64)| Range {
                partition,
                from: *from,
                to: topic.ends.get(partition).max(*from),
            };
            let ranges: Vec<_> = ranges.map(range).collect();
            match self.readers.read(&topic.name, ranges, Page::new(tail)).await {
                Ok((page, left)) => return page.finish(&topic, &left),
                // The first records were removed.
                Err(Failure::OutOfRange) if attempt == 0 && passes_over_removed(tail) => {
                    let starts = self.offsets.of_all(&topic.name, topic.record.partitions, At::Start).await;
                    let starts = starts.map_err(|failure| self.lost(&topic, failure))?;
                    for (partition, at) in covered.clone().zip(&mut at) {
                        *at = (*at).max(starts.get(partition as usize).copied().unwrap_or_default());
                    }
                }
                Err(failure) => return Err(self.lost(&topic, failure)),
            }
        }
        Err(Error::TokenExpired)
    }

    /// Waits until a partition may have grown beyond a position.
    pub(super) async fn appended(&self, tail: &Tail) {
        let Ok(found) = self.registry.find(&tail.namespace).await else { return };
        let Some(topic) = found else { return self.watch.created(self, &tail.namespace).await };
        let partition = tail.series.as_ref().map(|series| topic.partition(series));
        let watched = self.watch.watch(&topic);
        let mut grown = std::pin::pin!(topic.ends.grown(partition).notified());
        // Registered before the ends are looked at, so that no Append is missed in between.
        grown.as_mut().enable();
        let covered = partition.map_or(0..topic.record.partitions, |partition| partition..partition + 1);
        let ends: Vec<_> = covered.map(|partition| topic.ends.get(partition)).collect();
        let is_at_end = LogPosition::decode(&tail.after, &topic.incarnation, &ends)
            .is_ok_and(|position| position.partitions == ends);
        // Also in a topic that may not be what it was: the watch wakes its Tails.
        if is_at_end && !self.is_closed() {
            grown.await;
        }
        drop(watched);
    }
}

/// Whether a Tail passes over records that were removed: it began at the beginning, and so lately that what was removed
/// since had expired by then. A topic keeps events an hour longer than the policy says, and half of that is for the clocks.
fn passes_over_removed(tail: &Tail) -> bool {
    let since = tail.expired.zip(tail.passed_over).map(|(now, began)| now.as_micros() - began.as_micros());
    since.is_some_and(|since| since <= i64::try_from(RETENTION_MARGIN.as_micros() / 2).unwrap_or(0))
}

/// A page that is read.
struct Page {
    tail: Tail,
    events: Vec<SeriesEvent>,
    bytes: usize,
    scanned: usize,
    scanned_bytes: usize,
    error: Option<Error>,
}

impl Page {
    fn new(tail: &Tail) -> Self {
        Self { tail: tail.clone(), events: Vec::new(), bytes: 0, scanned: 0, scanned_bytes: 0, error: None }
    }

    fn offer(&mut self, record: &Record<'_>) -> Result<Flow, Offered> {
        let tail = &self.tail;
        if tail.series.as_ref().is_some_and(|series| record.series() != series.as_str().as_bytes()) {
            return Ok(Flow::More);
        }
        let parsed = record.parse()?;
        if !tail.tags.is_empty() && !tail.tags.match_all(&parsed.tags()?) {
            return Ok(Flow::More);
        }
        let is_until = |until: Option<Timestamp>| until.is_some_and(|until| parsed.time <= until);
        if is_until(tail.passed_over) {
            return Ok(Flow::More);
        }
        if is_until(tail.expired) {
            return Err(Offered::Expired);
        }
        let series = tail.series.clone().map_or_else(|| parsed.series(), Ok)?;
        let event = SeriesEvent { series, event: parsed.event(parsed.key()?, tail.without_payload)? };
        let weight = event.weight();
        if !tail.page.fits(self.events.len(), self.bytes, weight) {
            return Ok(Flow::Refused);
        }
        self.bytes += weight;
        self.events.push(event);
        Ok(Flow::More)
    }

    fn finish(self, topic: &Topic, left: &[Range]) -> Result<TailPage, Error> {
        match self.error {
            // What was read before it is emitted first.
            Some(error) if self.events.is_empty() => return Err(error),
            Some(_) | None => {}
        }
        let more = left.iter().any(|range| range.from < range.to);
        let partitions = left.iter().map(|range| range.from).collect();
        let position = LogPosition { incarnation: topic.incarnation, partitions }.encode();
        Ok(TailPage { events: self.events, position, more })
    }
}

/// Why a record ends a page.
enum Offered {
    Expired,
    Damaged(prism_contract::Invalid),
}

impl From<prism_contract::Invalid> for Offered {
    fn from(why: prism_contract::Invalid) -> Self {
        Self::Damaged(why)
    }
}

impl Sink for Page {
    fn take(&mut self, _: usize, message: &impl Message) -> Flow {
        self.scanned += 1;
        self.scanned_bytes += message.payload().map_or(0, <[u8]>::len);
        let flow = match Record::of(message).map_or(Ok(Flow::More), |record| self.offer(&record)) {
            Ok(flow) => flow,
            Err(why) => {
                self.error = Some(match why {
                    Offered::Expired => Error::TokenExpired,
                    Offered::Damaged(why) => damaged(message, &why.to_string()),
                });
                return Flow::Refused;
            }
        };
        let is_long = self.scanned >= SCANNED || self.scanned_bytes >= SCANNED_BYTES;
        if flow == Flow::More && is_long { Flow::Enough } else { flow }
    }
}

/// Whether a position is before the first event of a topic, which did not exist.
fn absent_before(topic: &Topic, position: &Position) -> bool {
    let before = LogPosition { incarnation: topic.incarnation, partitions: Vec::new() };
    topic.record.generation == 1 && before.encode() == *position
}
