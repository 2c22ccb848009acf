//! The configuration: one typed structure, merged from flags, the environment, a file and defaults.
//!
//! Precedence, highest first: flags, environment, file, defaults. Every key of the file has an environment variable named
//! after it: `server.listen` is `PRISM_SERVER_LISTEN`. Unknown keys and invalid values are errors, reported with their
//! locations, all at once.

mod abstraction;
mod backends;
mod encryption;
mod explain;
mod grants;
mod jwt;
mod load;
mod mappings;
mod names;
mod node;
mod pattern;
mod rules;
mod settings;
mod show;
mod tokens;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use prism_backends::{kafka, postgres, sqlite};

use crate::server::{Limits, LoggedCalls};

pub use self::abstraction::Abstraction;
pub use self::backends::Backend;
pub(crate) use self::backends::is_name as is_backend_name;
pub use self::encryption::{Encryption, EncryptionKey, KeySource};
pub(crate) use self::grants::{DNS, URI};
pub use self::grants::{Grant, Who};
pub use self::jwt::{JwksSource, JwtIssuer};
pub(crate) use self::load::OPEN_BEYOND_LOOPBACK;
pub use self::load::{Flags, Problem, Problems, Sources, load};
pub use self::pattern::{NamespaceRule, Pattern};
pub use self::rules::{LimitsOfRule, Namespaces, Rate, Rule, Undeclared};
pub(crate) use self::rules::{MAX_OWNERS, is_owner};
pub use self::tokens::{Digest, Permission, Token};
pub(crate) use self::values::looks_like_url;
pub use self::values::masked_url;

/// The whole configuration of `prism serve`. The default is that of an empty file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Listening, connections and limits.
    pub server: Server,
    /// The backend and its database, if there is one only.
    pub database: Database,
    /// The backends by name; empty: that of `database`.
    pub backends: BTreeMap<String, Backend>,
    /// Namespaces: their backends and policies.
    pub namespaces: Namespaces,
    /// Encryption at rest.
    pub encryption: Encryption,
    /// Log level and format.
    pub logging: Logging,
    /// Authentication and authorization.
    pub auth: Auth,
    /// Health checks of the database.
    pub health: Health,
    /// The admin endpoint: metrics, liveness and readiness.
    pub admin: Admin,
    /// Traces and metrics that are sent to a collector.
    pub otlp: Otlp,
    /// The audit log.
    pub audit: Audit,
}

/// Listening, connections and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`; port 0 picks a free port.
    pub listen: String,
    /// What clients may use, and for how long.
    pub limits: Limits,
    /// TLS files.
    pub tls: Tls,
}

/// TLS files, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The server's certificate chain.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Certificate authorities; if set, each client must present a certificate issued by one of them.
    pub client_ca: Option<PathBuf>,
}

/// The backend and its database.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// The backend.
    pub kind: DatabaseKind,
    /// The file of a SQLite database.
    pub path: PathBuf,
    /// The URL of a Postgres database. It may contain a password, which `Debug` hides.
    pub url: Option<String>,
    /// Time for which a tombstone keeps an item's highest token (TOK-4).
    pub tombstone_retention: Duration,
    /// Time between sweeps of expired items and old tombstones.
    pub sweep_interval: Duration,
    /// A file with the password of a Postgres database, in place of the URL.
    pub password_file: Option<PathBuf>,
    /// SQLite tuning; path and retention are those above.
    pub sqlite: sqlite::Options,
    /// Postgres tuning; URL, password and retention are those above.
    pub postgres: postgres::Options,
    /// The brokers of Kafka, and how they are used.
    pub kafka: kafka::Options,
    /// A file with the password of a Kafka user.
    pub kafka_password_file: Option<PathBuf>,
}

/// The backends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatabaseKind {
    /// A file.
    #[default]
    Sqlite,
    /// The reference backend, for tests: its data is lost when the process ends.
    Memory,
    /// A Postgres server.
    Postgres,
    /// Kafka, or brokers of its protocol: TimeSeries alone.
    Kafka,
}

/// Log level and format, and which calls have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logging {
    /// Level.
    pub level: LogLevel,
    /// Format.
    pub format: LogFormat,
    /// Which calls have a line.
    pub calls: LoggedCalls,
}

/// Log level; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Bugs.
    Error,
    /// An unavailable database, shed load.
    Warn,
    /// One line per call, start and stop.
    #[default]
    Info,
    /// Calls to health and reflection too, and sweeps.
    Debug,
    /// Everything.
    Trace,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For humans.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Authentication and authorization.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Whether callers must be known; `None`: if there are `tokens` or `grants`, without which the server listens on loopback
    /// only.
    pub mode: Option<AuthMode>,
    /// Bearer tokens.
    pub tokens: Vec<Token>,
    /// The files with tokens, as named in the configuration.
    pub token_files: Vec<PathBuf>,
    /// The issuers whose JWTs are accepted.
    pub jwt: Vec<JwtIssuer>,
    /// The permissions of callers with a JWT or a client certificate.
    pub grants: Vec<Grant>,
}

impl Auth {
    /// Whether every client may do everything.
    pub fn is_open(&self) -> bool {
        let configured = !self.tokens.is_empty() || !self.jwt.is_empty() || !self.grants.is_empty();
        self.mode == Some(AuthMode::Insecure) || !configured
    }
}

/// Whether a caller must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Every caller must; a server without tokens and grants does not start.
    Required,
    /// No caller must, on any listen address, even if tokens or grants are configured.
    Insecure,
}

/// Health checks of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Time between two checks, and the time limit of one.
    pub interval: Duration,
}

/// The admin endpoint: metrics, liveness and readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: AdminListen,
    /// Maximum namespaces with metrics under their names, 0 to 1,000.
    pub namespaces: usize,
}

/// Where the admin endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListen {
    /// On [`AdminListen::DEFAULT`]; nowhere if another program listens there.
    Default,
    /// On this `host:port`; port 0 picks a free port.
    At(String),
    /// Nowhere.
    Off,
}

impl AdminListen {
    /// The address unless another is configured.
    pub const DEFAULT: &str = "127.0.0.1:8981";

    /// The address; `None`: it is off.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Default => Some(Self::DEFAULT),
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: AdminListen::Default, namespaces: crate::metrics::DEFAULT_NAMESPACES }
    }
}

/// Traces and metrics that are sent to a collector of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// The collector's URL; `None`: nothing is sent.
    pub endpoint: Option<http::Uri>,
    /// How it is sent.
    pub protocol: OtlpProtocol,
    /// A file with headers of the requests, such as one with a token; `None`: none.
    pub headers_file: Option<PathBuf>,
    /// The certificate authorities of the collector, a file in PEM; `None`: those of the machine.
    pub ca: Option<PathBuf>,
    /// The share of calls that are traced, of those whose callers have made no decision.
    pub sample: Share,
    /// Maximum traces per second that begin here, and as many again that callers ask for.
    pub max_traces: usize,
    /// Time between two exports of the metrics; `None`: they are not sent.
    pub metrics_interval: Option<Duration>,
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// 0 to 1,000,000.
    pub millionths: u32,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f64::from(self.millionths) / 1e6).fmt(f)
    }
}

/// A transport of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtlpProtocol {
    /// OTLP/gRPC.
    #[default]
    Grpc,
    /// OTLP/HTTP, with binary protobuf.
    Http,
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: OtlpProtocol::default(),
            headers_file: None,
            ca: None,
            sample: Share { millionths: 10_000 },
            max_traces: 100,
            metrics_interval: Some(Duration::from_mins(1)),
        }
    }
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its file; `None`: no audit.
    pub file: Option<PathBuf>,
    /// Which namespaces are audited; `None`: the chosen ones if a rule says `audit`, otherwise all.
    pub namespaces: Option<AuditNamespaces>,
    /// What happens to a call whose line cannot be written.
    pub on_failure: AuditFailure,
    /// When lines are on disk.
    pub sync: AuditSync,
    /// Size in bytes at which the file is rotated.
    pub rotate: u32,
    /// Number of rotated files that are kept.
    pub keep: usize,
    /// How ids and keys appear.
    pub show: AuditShow,
}

/// What happens to an audited call whose line cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditFailure {
    /// It fails with UNAVAILABLE.
    #[default]
    Refuse,
    /// It is answered.
    Continue,
}

/// Which namespaces are audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditNamespaces {
    /// All but those whose rule says `audit: false`.
    All,
    /// Those whose rule or definition says `audit: true`.
    Chosen,
}

/// When the lines of an audit log are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditSync {
    /// When the operating system writes them.
    #[default]
    None,
    /// Before their calls are answered.
    Batch,
}

/// How ids and keys appear in an audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditShow {
    /// As a salted hash.
    #[default]
    Hashed,
    /// As text, other bytes escaped.
    Plain,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8980".to_owned(), limits: Limits::default(), tls: Tls::default() }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            kind: DatabaseKind::default(),
            path: PathBuf::from("./prism.db"),
            url: None,
            tombstone_retention: prism_contract::keyvalue::row::DEFAULT_RETENTION,
            sweep_interval: Duration::from_mins(1),
            password_file: None,
            sqlite: sqlite::Options::new(""),
            postgres: postgres::Options::new(""),
            kafka: kafka::Options::default(),
            kafka_password_file: None,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            file: None,
            namespaces: None,
            on_failure: AuditFailure::default(),
            sync: AuditSync::default(),
            rotate: 64 << 20,
            keep: 10,
            show: AuditShow::default(),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .field("url", &self.url.as_deref().map(masked_url))
            .field("tombstone_retention", &self.tombstone_retention)
            .field("sweep_interval", &self.sweep_interval)
            .field("password_file", &self.password_file)
            .field("sqlite", &self.sqlite)
            .field("postgres", &self.postgres)
            .field("kafka", &self.kafka)
            .field("kafka_password_file", &self.kafka_password_file)
            .finish()
    }
}

/// The name of the backend of `database`.
pub const DEFAULT_BACKEND: &str = "default";

impl Config {
    /// The backends by name, at least one.
    pub fn all_backends(&self) -> BTreeMap<String, Backend> {
        if self.backends.is_empty() {
            let backend = Backend { database: self.database.clone(), required: true };
            return BTreeMap::from([(DEFAULT_BACKEND.to_owned(), backend)]);
        }
        self.backends.clone()
    }

    /// Whether another configuration has other backends, which needs a restart.
    pub(crate) fn backends_differ(&self, other: &Self) -> bool {
        self.all_backends() != other.all_backends()
    }

    /// The single keys whose values differ in another configuration and need a restart.
    pub(crate) fn keys_for_restart(&self, other: &Self) -> Vec<&'static str> {
        settings::changed_for_restart(self, other)
    }

    /// Which namespaces are audited, if there is an audit log.
    pub fn audited_namespaces(&self) -> AuditNamespaces {
        let is_chosen = self.namespaces.rules.iter().any(|rule| rule.audit.is_some());
        let by_rules = if is_chosen { AuditNamespaces::Chosen } else { AuditNamespaces::All };
        self.audit.namespaces.unwrap_or(by_rules)
    }

    /// The effective configuration as a YAML file, secrets masked.
    pub fn to_yaml(&self) -> String {
        show::yaml(self)
    }

    /// An example file with every key, its description and its default: `fixtures/config/prism.yaml`.
    pub fn example() -> String {
        explain::yaml()
    }

    /// The reference of all keys in Markdown: description, allowed values, default and variable.
    pub fn reference() -> String {
        explain::markdown()
    }
}
