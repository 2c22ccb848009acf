//! The namespaces of a cluster: the registry topic, with a record for each. From it a gateway learns which topics are Prism's, how
//! their series are distributed, and of which incarnation their tokens are.
//!
//! Kafka has no identity of a topic that every client can read, so that of a topic is derived: from the store id, which the first
//! record holds, the namespace, and the number of topics that it has had.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prism_contract::timeseries::{Append, Partitions};
use prism_contract::{Error, Namespace};
use rdkafka::message::Message;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::error::{Failure, Missing};
use super::offsets::{At, Offsets};
use super::producer::{Outgoing, Producer};
use super::readers::{Flow, Range, Readers, Sink};
use super::topic::{Ends, Record, Topic};
use super::topics::{Purpose, Topics};
use super::{APPEND_TIME, Options, names};

/// The starts of the keys of records.
const STORE: &str = "store/";
const NAMESPACE: &str = "namespace/";

/// Attempts to write a record: another gateway may write one at the same time.
const ATTEMPTS: usize = 5;

/// Locks of namespaces that are kept, to save allocating them again.
const LOCKS: usize = 64;

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
    /// The name of the registry topic.
    pub(super) name: String,
    known: Mutex<Known>,
    /// Held while records are read.
    read: AsyncMutex<Read>,
    /// Each is held while the topic of the namespace is created, or its record written.
    writing: Mutex<HashMap<Namespace, Arc<AsyncMutex<()>>>>,
    /// Notified when records were read.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct Known {
    store_id: Option<String>,
    topics: BTreeMap<Namespace, Topic>,
    /// Namespaces whose topic is not what it was.
    lost: BTreeMap<Namespace, Loss>,
    /// Namespaces whose records keep their timestamps, though the broker reports others.
    stamped: BTreeSet<Namespace>,
    /// The retention for which the settings of a topic that an operator created were checked.
    checked: BTreeMap<Namespace, Option<u64>>,
}

/// Why the topic of a namespace may not be what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// A broker did not know it, which passes if that was late to learn of it.
    Missing,
    /// It was recreated or truncated.
    Shorter,
}

/// How far the registry topic was read.
#[derive(Default)]
struct Read {
    /// Its end.
    end: u64,
    /// The record of the store id: if another one is at its offset, the topic was recreated.
    identity: Option<Entry>,
}

/// A record of the registry topic.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    offset: i64,
    key: String,
    value: String,
}

/// Records that were read, in order.
#[derive(Default)]
struct Entries(Vec<Entry>);

impl Sink for Entries {
    fn take(&mut self, _: usize, message: &impl Message) -> Flow {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (key, value) = (text(message.key()), text(message.payload()));
        self.0.push(Entry { offset: message.offset(), key, value });
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

    /// The record of a topic that is the namespace's from now on.
    fn record(self, generation: u32) -> Record {
        let Self { partitions, window, retention } = self;
        Record { generation, partitions, window, retention }
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
            read: AsyncMutex::default(),
            writing: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Reads the records; creates their topic, and the store id, if there is none.
    pub(super) async fn open(&self) -> Result<(), Error> {
        if self.clients.offsets.partitions(&self.name).await?.is_none() {
            if !self.options.create_topics {
                let text = format!("the registry topic {} is missing, and create_topics is false", self.name);
                return Err(Error::unavailable(text));
            }
            self.clients.topics.create(&self.name, 1, Purpose::Registry).await?;
        }
        for _ in 0..ATTEMPTS {
            self.refresh().await?;
            if self.known().store_id.is_some() {
                return Ok(());
            }
            let id = random()?;
            let key = id.iter().fold(STORE.to_owned(), |key, byte| format!("{key}{byte:02x}"));
            self.write(&key, "").await?;
        }
        Err(Error::unavailable(format!("the store id in the registry topic {} cannot be read", self.name)))
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
        incarnation(self.known().store_id.as_deref().unwrap_or_default(), namespace, 1)
    }

    /// Notes that the topic of a namespace may not be what it was: the next Append looks.
    pub(super) fn lose(&self, topic: &Topic, loss: Loss) {
        let mut known = self.known();
        let is_current =
            known.topics.get(&topic.namespace).is_some_and(|now| now.incarnation == topic.incarnation);
        if !is_current || known.lost.get(&topic.namespace).is_some_and(|before| *before >= loss) {
            return;
        }
        known.lost.insert(topic.namespace.clone(), loss);
        let topic = &*topic.name;
        match loss {
            Loss::Missing => tracing::warn!(topic, "the topic is missing"),
            Loss::Shorter => tracing::warn!(
                topic,
                "the topic was recreated or truncated: tokens of the namespace expire with its next Append"
            ),
        }
    }

    /// The topic for an Append. It is created, and recorded, if this is the first one, and its record follows the policy.
    pub(super) async fn ensure(&self, append: &Append) -> Result<Topic, Error> {
        let wanted = Wanted::of(append)?;
        if let Some(topic) = self.ready(&append.namespace, wanted) {
            return Ok(topic);
        }
        let lock = self.lock_of(&append.namespace);
        let _turn = lock.lock().await;
        for _ in 0..ATTEMPTS {
            self.refresh().await?;
            if let Some(topic) = self.ready(&append.namespace, wanted) {
                return Ok(topic);
            }
            self.settle(&append.namespace, wanted).await?;
        }
        Err(Error::unavailable("too many concurrent writers of the namespace's record"))
    }

    fn lock_of(&self, namespace: &Namespace) -> Arc<AsyncMutex<()>> {
        let mut locks = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= LOCKS {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(namespace.clone()).or_default())
    }

    fn ready(&self, namespace: &Namespace, wanted: Wanted) -> Option<Topic> {
        let known = self.known();
        let topic = known.topics.get(namespace)?;
        let is_checked =
            self.options.create_topics || known.checked.get(namespace) == Some(&wanted.retention);
        let is_ready = is_checked
            && wanted.is_covered(topic.record, self.options.create_topics)
            && !known.lost.contains_key(namespace);
        is_ready.then(|| topic.clone())
    }

    /// Creates the topic if it is missing, sets or checks its settings, and writes its record.
    async fn settle(&self, namespace: &Namespace, wanted: Wanted) -> Result<(), Error> {
        let name = names::topic(&self.options.topic_prefix, namespace);
        let (old, loss) = {
            let known = self.known();
            (known.topics.get(namespace).cloned(), known.lost.get(namespace).copied())
        };
        let next = old.as_ref().map_or(1, |old| old.record.generation.saturating_add(1));
        let Some(count) = self.clients.offsets.partitions(&name).await? else {
            if !self.options.create_topics {
                return Err(Error::unavailable(Missing));
            }
            let purpose = Purpose::Events(wanted.retention);
            // If not, another gateway has created it meanwhile.
            if self.clients.topics.create(&name, wanted.partitions, purpose).await? {
                self.record(namespace, old.as_ref(), wanted, wanted.record(next)).await?;
            }
            return Ok(());
        };
        let kept = match (&old, loss) {
            (Some(old), None) => Some(old.record),
            (Some(old), Some(Loss::Missing)) => self.is_whole(old).await?.then_some(old.record),
            (Some(_), Some(Loss::Shorter)) | (None, _) => None,
        };
        let record = if let Some(old) = kept {
            check_partitions(&name, count.min(old.partitions), old.partitions)?;
            Record { window: old.window.max(wanted.window), retention: wanted.retention, ..old }
        } else {
            check_partitions(&name, count, wanted.partitions)?;
            wanted.record(next)
        };
        if !self.options.create_topics {
            self.clients.topics.check(&name, wanted.retention).await?;
        } else if kept.is_none_or(|old| old.retention != wanted.retention) {
            self.clients.topics.retain(&name, wanted.retention).await?;
        }
        self.record(namespace, old.as_ref(), wanted, record).await
    }

    /// Whether a topic that was missing has all records that this process knows of: a broker was late to learn of it.
    async fn is_whole(&self, topic: &Topic) -> Result<bool, Error> {
        let partitions = topic.record.partitions;
        let known: Vec<_> = (0..partitions).map(|partition| topic.ends.get(partition)).collect();
        let ends = self.clients.offsets.of_all(&topic.name, partitions, At::End).await;
        let ends = ends.map_err(Failure::into_error)?;
        let mut all = (0..partitions).zip(known.into_iter().zip(ends));
        Ok(all.all(|(partition, (known, end))| topic.ends.learn_asked(partition, known, end)))
    }

    /// Checks that the records of a topic keep their timestamps, of which the broker reports others.
    pub(super) async fn check_stamps(&self, topic: &Topic) -> Result<(), Error> {
        if self.known().stamped.contains(&topic.namespace) {
            return Ok(());
        }
        self.clients.topics.check_stamps(&topic.name).await?;
        self.known().stamped.insert(topic.namespace.clone());
        Ok(())
    }

    /// Writes the record of a topic that is as the policy wants it.
    async fn record(
        &self,
        namespace: &Namespace,
        old: Option<&Topic>,
        wanted: Wanted,
        record: Record,
    ) -> Result<(), Error> {
        if old.is_none_or(|old| old.record != record) {
            if old.is_some_and(|old| old.record.generation < record.generation) {
                self.clients.producer.restart_sequence();
            }
            self.write(&format!("{NAMESPACE}{}", namespace.as_str()), &record.encode()).await?;
        }
        let mut known = self.known();
        known.lost.remove(namespace);
        known.checked.insert(namespace.clone(), wanted.retention);
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
        let until = Instant::now() + APPEND_TIME;
        let sent = self.clients.producer.send(&self.name, None, &[record], until).await;
        sent.map(|_| ()).map_err(|failure| self.unread(failure))
    }

    /// Reads the records that were written since.
    pub(super) async fn refresh(&self) -> Result<(), Error> {
        let end = self.clients.offsets.of_one(&self.name, 0, At::End).await;
        self.refresh_to(end.map_err(|failure| self.unread(failure))?).await
    }

    /// Reads the records up to this end, which the topic has had.
    pub(super) async fn refresh_to(&self, end: u64) -> Result<(), Error> {
        let mut read = self.read.lock().await;
        if end == read.end {
            return Ok(());
        }
        if end < read.end {
            // Another one may have read further since the end was asked for.
            let now = self.clients.offsets.of_one(&self.name, 0, At::End).await;
            let now = now.map_err(|failure| self.unread(failure))?;
            return if now < read.end { Err(self.recreated()) } else { Ok(()) };
        }
        if let Some(identity) = &read.identity {
            let offset = u64::try_from(identity.offset).unwrap_or_default();
            if self.entries(offset, offset + 1).await?.first().is_some_and(|entry| entry != identity) {
                return Err(self.recreated());
            }
        }
        let from = if read.end == 0 {
            let start = self.clients.offsets.of_one(&self.name, 0, At::Start).await;
            start.map_err(|failure| self.unread(failure))?
        } else {
            read.end
        };
        let entries = self.entries(from, end).await?;
        {
            let mut known = self.known();
            for entry in &entries {
                self.apply(&mut known, &entry.key, &entry.value);
            }
        }
        if read.identity.is_none() {
            read.identity = entries.into_iter().find(|entry| entry.key.starts_with(STORE));
        }
        read.end = end;
        self.changed.notify_waiters();
        Ok(())
    }

    /// The records with these offsets.
    async fn entries(&self, from: u64, to: u64) -> Result<Vec<Entry>, Error> {
        let range = Range { partition: 0, from, to };
        let read = self.clients.readers.read(&self.name, vec![range], Entries::default()).await;
        let (entries, _) = read.map_err(|failure| self.unread(failure))?;
        Ok(entries.0)
    }

    /// The error of a request about the registry topic.
    pub(super) fn unread(&self, failure: Failure) -> Error {
        match failure {
            Failure::NoTopic => Error::unavailable(format!("the registry topic {} is missing", self.name)),
            Failure::OutOfRange => self.recreated(),
            Failure::Other(error) => error,
        }
    }

    /// A topic that lacks records is another store's: its namespaces would have no tokens, and other incarnations.
    fn recreated(&self) -> Error {
        let name = &self.name;
        Error::unavailable(format!(
            "the registry topic {name} was recreated or truncated; restore it, then restart the gateways"
        ))
    }

    fn apply(&self, known: &mut Known, key: &str, value: &str) {
        if let Some(id) = key.strip_prefix(STORE) {
            // The first stays, and compaction never removes it: each id is a key.
            known.store_id.get_or_insert_with(|| id.to_owned());
            return;
        }
        let namespace = key.strip_prefix(NAMESPACE).and_then(|name| Namespace::new(name).ok());
        let (Some(namespace), Some(record)) = (namespace, Record::decode(value)) else {
            tracing::warn!(topic = self.name, key, "a record of the registry topic cannot be read");
            return;
        };
        let incarnation =
            incarnation(known.store_id.as_deref().unwrap_or_default(), &namespace, record.generation);
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
