//! The namespaces of a cluster: a topic with a record for each. From it a gateway learns which topics are Prism's, how their series
//! are distributed, and of which incarnation their tokens are.
//!
//! Kafka has no identity of a topic that every client can read, so that of a topic is derived: from the store's number, which the
//! first record holds, the namespace, and the number of topics that it has had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_contract::timeseries::{Append, Partitions};
use prism_contract::{Error, Namespace};
use rdkafka::message::{BorrowedMessage, Message};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Mutex as AsyncMutex;

use super::error::{Failure, Missing};
use super::offsets::{At, Offsets};
use super::producer::{Outgoing, Producer};
use super::readers::{Flow, Range, Readers, Sink};
use super::topic::{Ends, Record, Topic};
use super::topics::{Purpose, Topics};
use super::{Options, names};

/// The starts of the keys of records.
const STORE: &str = "store/";
const NAMESPACE: &str = "namespace/";

/// Attempts to write a record: another gateway may write one at the same time.
const ATTEMPTS: usize = 5;

/// The clients that the registry works with.
pub(super) struct Clients {
    pub(super) offsets: Offsets,
    pub(super) readers: Readers,
    pub(super) producer: Producer,
    pub(super) topics: Topics,
}

/// The namespaces.
pub(super) struct Registry {
    options: Arc<Options>,
    clients: Arc<Clients>,
    /// The name of the topic about the namespaces.
    pub(super) name: String,
    known: Mutex<Known>,
    /// The next offset to read; held while records are read.
    next: AsyncMutex<u64>,
    /// Held while a topic is made, or a record written.
    writing: AsyncMutex<()>,
}

#[derive(Default)]
struct Known {
    /// The store's number.
    store: Option<String>,
    topics: BTreeMap<Namespace, Topic>,
    /// Namespaces whose topic is not what it was.
    lost: BTreeSet<Namespace>,
}

/// Records that were read: keys and values, in order.
#[derive(Default)]
struct Records(Vec<(String, String)>);

impl Sink for Records {
    fn take(&mut self, _: usize, message: &BorrowedMessage<'_>) -> Flow {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        self.0.push((text(message.key()), text(message.payload())));
        Flow::More
    }
}

/// What an Append wants of the topic of its namespace.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    partitions: u32,
    window: u64,
    retention: Option<u64>,
}

impl Wanted {
    fn of(append: &Append) -> Result<Self, Error> {
        let (Some(past), Some(future)) = (append.window.past, append.window.future) else {
            return Err(Error::internal("a Kafka namespace has an acceptance window without a bound"));
        };
        let millis = past.saturating_add(future).as_micros().div_ceil(1_000);
        let retention = append.expired.map(|expired| append.now.as_micros() - expired.as_micros());
        Ok(Self {
            partitions: append.partitions,
            window: u64::try_from(millis).unwrap_or(u64::MAX),
            retention: retention.map(|micros| micros.unsigned_abs().div_ceil(1_000)),
        })
    }

    /// Whether a topic of this record needs no change.
    fn is_covered(self, record: Record, settles_retention: bool) -> bool {
        record.window >= self.window && (!settles_retention || record.retention == self.retention)
    }
}

impl Registry {
    pub(super) fn new(options: &Arc<Options>, clients: &Arc<Clients>) -> Self {
        Self {
            options: Arc::clone(options),
            clients: Arc::clone(clients),
            name: options.namespaces_topic(),
            known: Mutex::default(),
            next: AsyncMutex::default(),
            writing: AsyncMutex::default(),
        }
    }

    /// Reads the records; makes their topic, and the store's number, if there is none.
    pub(super) async fn open(&self) -> Result<(), Error> {
        if self.clients.offsets.partitions(&self.name).await?.is_none() {
            if !self.options.create_topics {
                let text = format!("the topic {} is not there, and create_topics is false", self.name);
                return Err(Error::unavailable(text));
            }
            self.clients.topics.create(&self.name, 1, Purpose::Namespaces).await?;
        }
        for _ in 0..ATTEMPTS {
            self.refresh().await?;
            if self.known().store.is_some() {
                return Ok(());
            }
            let number = random()?;
            let key = number.iter().fold(STORE.to_owned(), |key, byte| format!("{key}{byte:02x}"));
            self.write(&key, "").await?;
        }
        Err(Error::unavailable("the record of the store's number cannot be read"))
    }

    /// The topic of a namespace, as far as it is known.
    pub(super) fn get(&self, namespace: &Namespace) -> Option<Topic> {
        self.known().topics.get(namespace).cloned()
    }

    /// The topic of a namespace; `None`: it has had no Append.
    pub(super) async fn find(&self, namespace: &Namespace) -> Result<Option<Topic>, Error> {
        if let Some(topic) = self.get(namespace) {
            return Ok(Some(topic));
        }
        self.refresh().await?;
        Ok(self.get(namespace))
    }

    /// The incarnation that the first topic of a namespace without one will have.
    pub(super) fn incarnation_of_first(&self, namespace: &Namespace) -> [u8; 16] {
        incarnation(self.known().store.as_deref().unwrap_or_default(), namespace, 1)
    }

    /// Notes that the topic of a namespace is not there, or has begun anew: the next Append begins another incarnation.
    pub(super) fn lose(&self, topic: &Topic) {
        let mut known = self.known();
        let is_current =
            known.topics.get(&topic.namespace).is_some_and(|now| now.incarnation == topic.incarnation);
        if is_current && known.lost.insert(topic.namespace.clone()) {
            tracing::warn!(
                topic = &*topic.name,
                "the topic is not there, or was made anew: tokens of the namespace expire with its next Append"
            );
        }
    }

    /// Whether the topic of a namespace is not what it was.
    pub(super) fn is_lost(&self, namespace: &Namespace) -> bool {
        self.known().lost.contains(namespace)
    }

    /// The topic for an Append. It is made, and recorded, if this is the first one, and its record follows the policy.
    pub(super) async fn ensure(&self, append: &Append) -> Result<Topic, Error> {
        let wanted = Wanted::of(append)?;
        if let Some(topic) = self.ready(&append.namespace, wanted) {
            return Ok(topic);
        }
        let _turn = self.writing.lock().await;
        for _ in 0..ATTEMPTS {
            self.refresh().await?;
            if let Some(topic) = self.ready(&append.namespace, wanted) {
                return Ok(topic);
            }
            self.settle(&append.namespace, wanted).await?;
        }
        Err(Error::unavailable("the record of the namespace is written by others all the time"))
    }

    fn ready(&self, namespace: &Namespace, wanted: Wanted) -> Option<Topic> {
        let known = self.known();
        let topic = known.topics.get(namespace)?;
        let is_ready =
            wanted.is_covered(topic.record, self.options.create_topics) && !known.lost.contains(namespace);
        is_ready.then(|| topic.clone())
    }

    /// Makes the topic if it is not there, and writes its record.
    async fn settle(&self, namespace: &Namespace, wanted: Wanted) -> Result<(), Error> {
        let (name, old) = (names::topic(&self.options.topic_prefix, namespace), self.get(namespace));
        let old = old.map(|topic| topic.record);
        let (there, is_lost) = (self.clients.offsets.partitions(&name).await?, self.is_lost(namespace));
        let record = match (there, old) {
            (None, _) if !self.options.create_topics => return Err(Error::unavailable(Missing)),
            (None, _) => {
                let purpose = Purpose::Events(wanted.retention);
                if !self.clients.topics.create(&name, wanted.partitions, purpose).await? {
                    // Another gateway has made it meanwhile.
                    return Ok(());
                }
                let generation = old.map_or(1, |old| old.generation.saturating_add(1));
                let Wanted { partitions, window, retention } = wanted;
                Record { generation, partitions, window, retention }
            }
            (Some(count), old) if old.is_none() || is_lost => {
                check_partitions(&name, count, wanted.partitions)?;
                let generation = old.map_or(1, |old| old.generation.saturating_add(1));
                let Wanted { partitions, window, retention } = wanted;
                Record { generation, partitions, window, retention }
            }
            // Handled above.
            (Some(_), None) => return Ok(()),
            (Some(count), Some(old)) => {
                check_partitions(&name, count.min(old.partitions), old.partitions)?;
                if self.options.create_topics && old.retention != wanted.retention {
                    self.clients.topics.retain(&name, wanted.retention).await?;
                }
                let window = old.window.max(wanted.window);
                Record { window, retention: wanted.retention, ..old }
            }
        };
        if record.generation > 1 && old.is_none_or(|old| old.generation < record.generation) {
            self.clients.producer.begin_anew();
        }
        self.write(&format!("{NAMESPACE}{}", namespace.as_str()), &record.encode()).await?;
        self.known().lost.remove(namespace);
        Ok(())
    }

    async fn write(&self, key: &str, value: &str) -> Result<(), Error> {
        let record = Outgoing {
            partition: 0,
            key: key.as_bytes(),
            payload: value.as_bytes(),
            timestamp: None,
            header: None,
        };
        self.clients.producer.send(&self.name, None, &[record]).await.map_err(Failure::into_error)
    }

    /// Reads the records that were written since.
    pub(super) async fn refresh(&self) -> Result<(), Error> {
        let end = self.clients.offsets.of_one(&self.name, 0, At::End).await.map_err(Failure::into_error)?;
        self.refresh_to(end).await
    }

    /// Reads the records up to this end, which the topic has had.
    pub(super) async fn refresh_to(&self, end: u64) -> Result<(), Error> {
        let mut next = self.next.lock().await;
        if end <= *next {
            return Ok(());
        }
        let from = if *next == 0 {
            self.clients.offsets.of_one(&self.name, 0, At::Start).await.map_err(Failure::into_error)?
        } else {
            *next
        };
        let range = Range { partition: 0, from, to: end };
        let read = self.clients.readers.read(&self.name, vec![range], Records::default()).await;
        let (records, _) = read.map_err(Failure::into_error)?;
        {
            let mut known = self.known();
            for (key, value) in records.0 {
                self.apply(&mut known, &key, &value);
            }
        }
        *next = end;
        Ok(())
    }

    fn apply(&self, known: &mut Known, key: &str, value: &str) {
        if let Some(number) = key.strip_prefix(STORE) {
            // The first stays, and compaction never removes it: each number is a key.
            known.store.get_or_insert_with(|| number.to_owned());
            return;
        }
        let namespace = key.strip_prefix(NAMESPACE).and_then(|name| Namespace::new(name).ok());
        let (Some(namespace), Some(record)) = (namespace, Record::decode(value)) else {
            tracing::warn!(topic = self.name, key, "a record about a namespace cannot be read");
            return;
        };
        let incarnation =
            incarnation(known.store.as_deref().unwrap_or_default(), &namespace, record.generation);
        let old = known.topics.get(&namespace).filter(|old| old.incarnation == incarnation);
        let ends = old.map_or_else(|| Arc::new(Ends::new(record.partitions)), |old| Arc::clone(&old.ends));
        if let Some(before) = known.topics.get(&namespace).filter(|before| before.incarnation != incarnation)
        {
            // Tails of the incarnation before look, and end.
            before.ends.wake();
            known.lost.remove(&namespace);
        }
        let name = names::topic(&self.options.topic_prefix, &namespace).into();
        known.topics.insert(namespace.clone(), Topic { name, namespace, record, incarnation, ends });
    }

    /// A namespace whose number of partitions is not the configured one.
    pub(super) async fn repartitioned(
        &self,
        configured: Partitions<'_>,
    ) -> Result<Option<(Namespace, u32)>, Error> {
        self.refresh().await?;
        let known = self.known();
        let mut topics = known.topics.values().map(|topic| (&topic.namespace, topic.record.partitions));
        let other =
            topics.find(|(namespace, fixed)| configured(namespace).is_some_and(|count| count != *fixed));
        Ok(other.map(|(namespace, fixed)| (namespace.clone(), fixed)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_partitions(topic: &str, count: u32, wanted: u32) -> Result<(), Error> {
    if count == wanted {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the topic {topic} has {count} partitions, and the policy of its namespace {wanted}"
    )))
}

fn incarnation(store: &str, namespace: &Namespace, generation: u32) -> [u8; 16] {
    // Neither text has a NUL.
    let text = format!("{store}\0{}\0{generation}", namespace.as_str());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    bytes
}

/// 16 random bytes.
fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::internal("the system has no random numbers"))?;
    Ok(bytes)
}
