//! The store on Kafka.
//!
//! `registry` knows the topics of the namespaces, `producer` writes, `readers` reads ranges of offsets, and `offsets` asks for
//! offsets. `scan` puts the events of a partition in the order of time for a Query; a Tail reads them as they are.

mod append;
mod backend;
mod client;
mod error;
mod names;
mod offsets;
mod producer;
mod query;
mod readers;
mod record;
mod registry;
mod scan;
mod share;
mod tail;
mod topic;
mod topics;
mod watch;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prism_contract::Error;

use self::error::translate;
use self::offsets::Offsets;
use self::query::Kept;
use self::readers::Readers;
use self::registry::{Clients, Registry};
use self::watch::Watch;

use super::Options;

/// Why a Kafka backend could not be opened. For the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The options cannot be kept.
    #[error("{0}")]
    Options(String),
    /// librdkafka refuses the options.
    #[error("the Kafka client refuses its settings: {0}")]
    Client(rdkafka::error::KafkaError),
    /// The brokers do not answer, or refuse.
    #[error("the Kafka brokers {brokers}: {why:?}")]
    Brokers {
        /// Their addresses.
        brokers: String,
        /// What failed.
        why: Error,
    },
}

impl OpenError {
    /// Whether the same options may work later.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Brokers { why: Error::Unavailable { .. }, .. })
    }
}

/// The longest time from an Append's `now` until its last record is in the log: what comes before it is sent, and its delivery.
const APPEND_TIME: Duration = Duration::from_secs(10);

/// A TimeSeries store on Kafka.
pub struct Kafka {
    inner: Arc<Inner>,
}

/// What the parts share.
struct Inner {
    options: Arc<Options>,
    clients: Arc<Clients>,
    registry: Registry,
    watch: Watch,
    kept: Kept,
    is_closed: AtomicBool,
}

impl Deref for Inner {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl Kafka {
    /// Opens a store: reads the registry topic, and creates it if it is missing.
    ///
    /// # Errors
    /// The options are wrong, or no broker answers.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        super::check_build(&options).map_err(OpenError::Options)?;
        let options = Arc::new(options);
        let clients = Clients {
            offsets: Offsets::new(&options).map_err(OpenError::Client)?,
            readers: Readers::new(&options),
            producer: producer::Producer::new(&options).map_err(OpenError::Client)?,
            topics: topics::Topics::new(&options).map_err(OpenError::Client)?,
        };
        let clients = Arc::new(clients);
        let registry = Registry::new(&options, &clients);
        let refused = |why| OpenError::Brokers { brokers: options.brokers.clone(), why };
        registry.open().await.map_err(refused)?;
        let (watch, kept) = (Watch::default(), Kept::default());
        let inner = Arc::new(Inner {
            options: Arc::clone(&options),
            clients,
            registry,
            watch,
            kept,
            is_closed: false.into(),
        });
        tokio::spawn(Watch::run(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }
}

/// How long after its `now` a record of an Append may be in the log, on a gateway whose clock is off, in microseconds.
fn delivery_bound(options: &Options) -> i64 {
    i64::try_from(APPEND_TIME.saturating_add(options.clock_skew).as_micros()).unwrap_or(i64::MAX)
}
