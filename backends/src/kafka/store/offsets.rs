//! Questions about topics: their partitions, and offsets by time, at the start and at the end.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::Error;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Semaphore;

use super::client::{self, Context};
use super::error::{Failure, RETRY_AFTER};
use super::{Options, translate};

/// Maximum requests at once: each has a thread, since librdkafka's calls block.
const THREADS: usize = 16;

/// Attempts to ask about a topic that was just created, and the time between them.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// A client for questions. It fetches no records, so that no answer waits behind them.
pub(super) struct Offsets {
    consumer: Arc<BaseConsumer<Context>>,
    threads: Arc<Semaphore>,
    timeout: Duration,
}

/// The offset that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Of the first record that is left.
    Start,
    /// The high watermark: after the last record that all in-sync replicas have.
    End,
    /// Of the first record with this timestamp or a later one, in milliseconds.
    Time(i64),
}

/// An answer; `Ok(None)`: no record has such a time.
pub(super) type Answer = Result<Option<u64>, Failure>;

impl Offsets {
    pub(super) fn new(options: &Options) -> KafkaResult<Self> {
        let consumer = Arc::new(client::consumer(options)?);
        Ok(Self { consumer, threads: Arc::new(Semaphore::new(THREADS)), timeout: options.request_timeout })
    }

    /// The offsets of partitions of topics, none of which is asked for twice: one request to each broker. A topic that librdkafka
    /// remembers as missing is looked for again.
    pub(super) async fn of(&self, asked: &[(&str, u32, At)]) -> Result<Vec<Answer>, Error> {
        for attempt in 0.. {
            let answers = self.ask(asked).await?;
            let missing =
                answers.iter().zip(asked).find(|(answer, _)| matches!(answer, Err(Failure::NoTopic)));
            let Some((_, (topic, partition, _))) = missing else { return Ok(answers) };
            let is_there = self.partitions(topic).await?.is_some_and(|count| *partition < count);
            if !is_there || attempt == ATTEMPTS {
                return Ok(answers);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Vec::new())
    }

    async fn ask(&self, asked: &[(&str, u32, At)]) -> Result<Vec<Answer>, Error> {
        let mut list = TopicPartitionList::with_capacity(asked.len());
        for (topic, partition, at) in asked {
            let at = match at {
                At::Start => Offset::Beginning,
                At::End => Offset::End,
                At::Time(millis) => Offset::Offset((*millis).max(0)),
            };
            list.add_partition_offset(topic, signed(*partition), at).map_err(translate)?;
        }
        let answered =
            self.blocking(move |consumer, timeout| consumer.offsets_for_times(list, timeout)).await;
        let list = match answered {
            Ok(list) => list,
            // librdkafka answers so where no partition is there.
            Err(Failure::NoTopic) => return Ok(asked.iter().map(|_| Err(Failure::NoTopic)).collect()),
            Err(failure) => return Err(failure.into_error()),
        };
        let answer = |(topic, partition, _): &(&str, u32, At)| {
            let element = list.find_partition(topic, signed(*partition));
            let element = element.ok_or_else(|| Error::internal("a partition was not answered"))?;
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => u64::try_from(offset).ok(),
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => None,
            })
        };
        Ok(asked.iter().map(answer).collect())
    }

    /// The ends, or the starts, of all partitions of a topic.
    pub(super) async fn of_all(&self, topic: &str, partitions: u32, at: At) -> Result<Vec<u64>, Failure> {
        let asked: Vec<_> = (0..partitions).map(|partition| (topic, partition, at)).collect();
        let answers = self.of(&asked).await?;
        answers.into_iter().map(|answer| answer.map(Option::unwrap_or_default)).collect()
    }

    /// The end, or the start, of a partition.
    pub(super) async fn of_one(&self, topic: &str, partition: u32, at: At) -> Result<u64, Failure> {
        let answers = self.of(&[(topic, partition, at)]).await?;
        answers.into_iter().next().map_or(Ok(0), |answer| answer.map(Option::unwrap_or_default))
    }

    /// The number of partitions of a topic; `None`: there is no such topic.
    pub(super) async fn partitions(&self, topic: &str) -> Result<Option<u32>, Error> {
        let name = topic.to_owned();
        let ask =
            move |consumer: &BaseConsumer<Context>, timeout| consumer.fetch_metadata(Some(&name), timeout);
        let metadata = self.blocking(ask).await.map_err(Failure::into_error)?;
        let Some(topic) = metadata.topics().first() else { return Ok(None) };
        match topic.error().map(Code::from) {
            None => {
                Ok(Some(u32::try_from(topic.partitions().len()).unwrap_or_default())
                    .filter(|count| *count > 0))
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => Err(translate(KafkaError::MetadataFetch(code))),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&BaseConsumer<Context>, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let waiting = tokio::time::timeout(self.timeout, Arc::clone(&self.threads).acquire_owned()).await;
        // Never closed.
        let Ok(Ok(permit)) = waiting else { return Err(Error::ResourceExhausted(RETRY_AFTER).into()) };
        let (consumer, timeout) = (Arc::clone(&self.consumer), self.timeout);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = ask(&consumer, timeout);
            drop(permit);
            answer
        });
        Ok(asked.await.unwrap_or(Err(KafkaError::Canceled))?)
    }
}

/// A partition's number as librdkafka has it.
pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
