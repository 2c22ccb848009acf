//! The producer: one for the process. An Append's records are counted down as the brokers acknowledge them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prism_contract::Error;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::client::{self, Context};
use super::error::{Failure, RETRY_AFTER};
use super::offsets::signed;
use super::share::{Share, Shares};
use super::topic::Ends;
use super::{Options, record};

/// Time after which a record that is not acknowledged fails.
const DELIVERY: Duration = Duration::from_millis(3_500);

/// The longest time until it has failed, since librdkafka looks once a second: within the Append's own timeout of 5 s.
pub(super) const LONGEST_DELIVERY: Duration = Duration::from_millis(4_500);

/// Time that an Append waits for room in the queue before it is refused.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// Least bytes that may wait.
const LEAST_ROOM: usize = 16 << 20;

/// Bytes that a record counts in the queue besides its own.
const OVERHEAD: usize = 256;

/// Records that are sent together and answered once.
pub(super) struct Batch {
    left: AtomicUsize,
    ends: Option<Arc<Ends>>,
    outcome: Mutex<Outcome>,
    /// Whether a broker reports a time of its log.
    is_restamped: AtomicBool,
    /// Released with the last record, whether or not the caller waits.
    _room: Share,
}

struct Outcome {
    error: Option<KafkaError>,
    answer: Option<oneshot::Sender<Result<Stamps, KafkaError>>>,
}

/// The timestamps of records that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamps {
    /// Those of the records.
    Kept,
    /// The broker reports the time of its log, which may be in their place.
    Reported,
}

impl Batch {
    /// Counts a record.
    fn count(&self, error: Option<KafkaError>) {
        if let Some(error) = error {
            let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.error.get_or_insert(error);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            let is_restamped = self.is_restamped.load(Ordering::Relaxed);
            let stamps = if is_restamped { Stamps::Reported } else { Stamps::Kept };
            let result = outcome.error.take().map_or(Ok(stamps), Err);
            if let Some(answer) = outcome.answer.take() {
                // The call may have been cancelled.
                let _ = answer.send(result);
            }
        }
    }
}

/// Receives what became of records.
pub(super) struct Deliveries(Context);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        match result {
            Ok(message) => {
                if let (Some(ends), Ok(offset), Ok(partition)) =
                    (&batch.ends, u64::try_from(message.offset()), u32::try_from(message.partition()))
                {
                    ends.learn(partition, offset + 1);
                }
                if matches!(message.timestamp(), Timestamp::LogAppendTime(_)) {
                    batch.is_restamped.store(true, Ordering::Relaxed);
                }
                batch.count(None);
            }
            Err((error, _)) => batch.count(Some(error.clone())),
        }
    }
}

/// A record to send.
pub(super) struct Outgoing<'a> {
    pub(super) partition: u32,
    pub(super) key: &'a [u8],
    pub(super) payload: &'a [u8],
    /// Milliseconds; `None`: now.
    pub(super) timestamp: Option<i64>,
    pub(super) header: Option<bytes::Bytes>,
}

impl Outgoing<'_> {
    fn size(&self) -> usize {
        self.key.len() + self.payload.len() + self.header.as_ref().map_or(0, bytes::Bytes::len) + OVERHEAD
    }
}

type Client = ThreadedProducer<Deliveries>;

/// The producer.
pub(super) struct Producer {
    config: ClientConfig,
    client: Mutex<Arc<Client>>,
    /// The bytes that wait for their acknowledgement.
    room: Arc<Shares>,
}

impl Producer {
    pub(super) fn new(options: &Options) -> KafkaResult<Self> {
        let mut config = client::shared(options);
        config
            .set("acks", "all")
            .set("enable.idempotence", options.idempotence.to_string())
            .set("compression.type", options.compression.name())
            .set("linger.ms", "1")
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("message.timeout.ms", client::millis(DELIVERY))
            .set("request.timeout.ms", client::millis(options.request_timeout))
            // Bounded by the room.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2097151");
        if !options.idempotence {
            // Batches that are sent again must not overtake others.
            config.set("max.in.flight.requests.per.connection", "1");
        }
        let client = config.create_with_context(Deliveries(Context::default()))?;
        // At least what two of the largest Appends take.
        let room = Shares::new((options.queue_bytes as usize).max(LEAST_ROOM));
        Ok(Self { config, client: Mutex::new(Arc::new(client)), room })
    }

    /// Sends records of a topic, in this order within each partition, and waits for all of them. If it fails, any of them may
    /// have been written, but none later than `until`.
    pub(super) async fn send(
        &self,
        topic: &str,
        ends: Option<Arc<Ends>>,
        records: &[Outgoing<'_>],
        until: Instant,
    ) -> Result<Stamps, Failure> {
        let bytes = records.iter().map(Outgoing::size).sum::<usize>();
        let Some(room) = self.room.take(topic, bytes, QUEUE_WAIT).await else {
            return Err(Error::ResourceExhausted(RETRY_AFTER).into());
        };
        if Instant::now() + LONGEST_DELIVERY > until {
            return Err(Error::DeadlineExceeded.into());
        }
        let (answer, answered) = oneshot::channel();
        let outcome = Mutex::new(Outcome { error: None, answer: Some(answer) });
        // One more than the records, so that the answer does not come before the last is sent.
        let left = AtomicUsize::new(records.len() + 1);
        let batch = Arc::new(Batch { left, ends, outcome, is_restamped: false.into(), _room: room });
        let client = self.client();
        for outgoing in records {
            let mut message = BaseRecord::with_opaque_to(topic, Arc::clone(&batch))
                .partition(signed(outgoing.partition))
                .key(outgoing.key)
                .payload(outgoing.payload);
            message.timestamp = outgoing.timestamp;
            message.headers = outgoing.header.as_ref().map(|header| {
                OwnedHeaders::new_with_capacity(1)
                    .insert(Header { key: record::HEADER, value: Some(&header[..]) })
            });
            if let Err((error, _)) = client.send(message) {
                batch.count(Some(error));
            }
        }
        batch.count(None);
        drop(batch);
        match answered.await {
            Ok(Ok(stamps)) => Ok(stamps),
            Ok(Err(error)) => {
                self.renew(client);
                Err(refused(topic, error))
            }
            Err(_) => Err(Error::unavailable(KafkaError::Canceled).into()),
        }
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a client that cannot go on: the broker has lost the sequence numbers of its batches, and none that it sends
    /// again would be written once.
    fn renew(&self, client: Arc<Client>) {
        let Some((code, reason)) = client.client().fatal_error() else { return };
        tracing::warn!(?code, reason, "the Kafka producer cannot go on, and is replaced");
        self.replace(client);
    }

    /// Restarts the sequence numbers of the batches: a topic was recreated, and knows none of them.
    pub(super) fn restart_sequence(&self) {
        self.replace(self.client());
    }

    fn replace(&self, client: Arc<Client>) {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, &client) {
            return;
        }
        match self.config.create_with_context(Deliveries(Context::default())) {
            Ok(new) => {
                let old = std::mem::replace(&mut *current, Arc::new(new));
                drop(client);
                // What it has is delivered, or fails by its timeout.
                drop(tokio::task::spawn_blocking(move || old.flush(DELIVERY)));
            }
            Err(error) => tracing::error!(%error, "the Kafka producer cannot be replaced"),
        }
    }

    /// Waits for what is in flight, at most the time that a delivery may take.
    pub(super) fn flush(&self) {
        if let Err(error) = self.client().flush(DELIVERY) {
            tracing::warn!(%error, "records were not acknowledged at shutdown");
        }
    }
}

/// The failure of a record.
fn refused(topic: &str, error: KafkaError) -> Failure {
    if error.rdkafka_error_code() == Some(Code::MessageSizeTooLarge) {
        let max = client::MESSAGE_BYTES;
        tracing::warn!(
            topic,
            "the brokers refuse a record as too large: set the topic's max.message.bytes to {max}"
        );
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_that_may_be_in_the_log_too_late_are_not_sent() {
        // No broker listens there.
        let producer = Producer::new(&Options::new("127.0.0.1:1")).unwrap();
        let record = Outgoing { partition: 0, key: b"s", payload: b"", timestamp: Some(0), header: None };
        let until = Instant::now() + LONGEST_DELIVERY;
        let refused = producer.send("topic", None, &[record], until).await.unwrap_err();
        assert_eq!(refused.into_error().reason(), "DEADLINE_EXCEEDED");
    }
}
