//! Settings of a Kafka backend.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a Kafka backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Comma-separated list of `host:port`, the bootstrap servers. One that answers suffices: the others are found by it.
    pub brokers: String,
    /// The start of the names of all topics: at most 64 of `[a-zA-Z0-9._-]`.
    pub topic_prefix: String,
    /// The registry topic, which holds what Prism knows about its namespaces; empty: the prefix and `_namespaces`.
    pub namespaces_topic: String,
    /// Whether Prism creates topics, and changes their retention with the policy. If not, the topic of a namespace has to be
    /// there before its first Append.
    pub create_topics: bool,
    /// Replication factor of the topics that Prism creates; 0: as the brokers are configured.
    pub replication: u32,
    /// How batches of records are compressed.
    pub compression: Compression,
    /// Whether the producer numbers its batches, so that a batch that it sends again is written once and in order.
    pub idempotence: bool,
    /// Maximum difference between the clocks of the gateways: how much longer than its policy says an event may be late.
    pub clock_skew: Duration,
    /// Time after which a request to the brokers fails with `UNAVAILABLE`.
    pub request_timeout: Duration,
    /// Maximum number of consumers, each with its connections and threads: reads of Queries and Tails that run at once. One
    /// namespace gets at most as many as are free.
    pub readers: usize,
    /// Maximum bytes of the events that wait for their acknowledgement, at least 16 MiB. One namespace gets at most as many as
    /// are free.
    pub queue_bytes: u32,
    /// Maximum bytes of the events that one Query holds to put them in order.
    pub scan_bytes: u32,
    /// Credentials; `None`: none.
    pub sasl: Option<Sasl>,
    /// TLS; `None`: plaintext.
    pub tls: Option<Tls>,
}

impl Options {
    /// The defaults, for these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// The name of the registry topic.
    pub fn namespaces_topic(&self) -> String {
        if self.namespaces_topic.is_empty() {
            return format!("{}_namespaces", self.topic_prefix);
        }
        self.namespaces_topic.clone()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            topic_prefix: "prism-".to_owned(),
            namespaces_topic: String::new(),
            create_topics: true,
            replication: 0,
            compression: Compression::Lz4,
            idempotence: true,
            clock_skew: Duration::from_secs(1),
            request_timeout: Duration::from_secs(2),
            readers: 8,
            queue_bytes: 64 << 20,
            scan_bytes: 16 << 20,
            sasl: None,
            tls: None,
        }
    }
}

/// How batches of records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    #[default]
    Lz4,
    /// Zstandard; needs the feature `kafka-zstd`.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its name, in Kafka and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// How a password is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mechanism {
    /// The password itself is sent: use TLS.
    #[default]
    Plain,
    /// SCRAM with SHA-256; needs the feature `kafka-tls`.
    ScramSha256,
    /// SCRAM with SHA-512; needs the feature `kafka-tls`.
    ScramSha512,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// Its name, in Kafka and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Credentials.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sasl {
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// The user.
    pub username: String,
    /// The password, which `Debug` hides.
    pub password: String,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// TLS; needs the feature `kafka-tls`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificate authorities of the brokers, in PEM; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The client's certificate, in PEM.
    pub cert: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub key: Option<PathBuf>,
}
