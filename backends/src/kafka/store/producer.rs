//! The producer: one for the process. An Append's records are counted down as the brokers acknowledge them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::Error;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::{Semaphore, oneshot};

use super::client::{self, Context};
use super::error::Failure;
use super::offsets::signed;
use super::topic::Ends;
use super::{Options, record};

/// Time after which a record that is not acknowledged fails: within the Append's own timeout of 5 s, since
/// librdkafka looks once a second.
pub(super) const DELIVERY: Duration = Duration::from_millis(3_500);

/// Time that an Append waits for room in the queue before it is refused.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// Bytes that a record counts in the queue besides its own.
const OVERHEAD: usize = 256;

/// Records that are sent together and answered once.
pub(super) struct Batch {
    left: AtomicUsize,
    ends: Option<Arc<Ends>>,
    outcome: Mutex<Outcome>,
}

struct Outcome {
    error: Option<KafkaError>,
    answer: Option<oneshot::Sender<Result<(), KafkaError>>>,
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
            let result = outcome.error.take().map_or(Ok(()), Err);
            if let Some(answer) = outcome.answer.take() {
                // The caller may have given up.
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
    /// A permit for each KiB that waits for its acknowledgement.
    room: Arc<Semaphore>,
    capacity: usize,
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
            // Bounded by the permits.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2097151");
        if !options.idempotence {
            // Batches that are sent again must not overtake others.
            config.set("max.in.flight.requests.per.connection", "1");
        }
        let client = config.create_with_context(Deliveries(Context::default()))?;
        let capacity = ((options.queue_bytes >> 10) as usize).clamp(8 << 10, 1 << 20);
        let (client, room) = (Mutex::new(Arc::new(client)), Arc::new(Semaphore::new(capacity)));
        Ok(Self { config, client, room, capacity })
    }

    /// Sends records of a topic, in this order within each partition, and waits for all of them. If it fails, any of them may
    /// have been written.
    pub(super) async fn send(
        &self,
        topic: &str,
        ends: Option<Arc<Ends>>,
        records: &[Outgoing<'_>],
    ) -> Result<(), Failure> {
        let kib = records.iter().map(Outgoing::size).sum::<usize>().div_ceil(1 << 10).min(self.capacity);
        let wanted = Arc::clone(&self.room).acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX));
        let Ok(Ok(permit)) = tokio::time::timeout(QUEUE_WAIT, wanted).await else {
            return Err(Error::ResourceExhausted(QUEUE_WAIT).into());
        };
        let (answer, answered) = oneshot::channel();
        let outcome = Mutex::new(Outcome { error: None, answer: Some(answer) });
        // One more than the records, so that the answer does not come before the last is sent.
        let batch = Arc::new(Batch { left: AtomicUsize::new(records.len() + 1), ends, outcome });
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
        // The room is free once the records are, whether or not the caller waits.
        let outcome = tokio::spawn(async move {
            let outcome = answered.await;
            drop(permit);
            outcome
        });
        let outcome = outcome.await;
        if !matches!(outcome, Ok(Ok(Ok(())))) {
            self.renew(client);
        }
        match outcome {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(refused(topic, error)),
            Ok(Err(_)) | Err(_) => Err(Error::unavailable(KafkaError::Canceled).into()),
        }
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a client that cannot go on: the broker has lost the numbers of its batches, and none that it sends again would be
    /// written once.
    fn renew(&self, client: Arc<Client>) {
        let Some((code, reason)) = client.client().fatal_error() else { return };
        tracing::warn!(?code, reason, "the Kafka producer cannot go on, and is replaced");
        self.replace(client);
    }

    /// Begins with new numbers: a topic was made anew, and knows none.
    pub(super) fn begin_anew(&self) {
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
