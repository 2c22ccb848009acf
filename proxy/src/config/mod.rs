//! The configuration: one typed structure, gathered from flags, the environment, a file and defaults.
//!
//! What is said nearer wins: a flag over the environment, the environment over the file, the file over the defaults.
//! Every key of the file can be set by a variable named after it: `server.listen` by `PRISM_SERVER_LISTEN`. What is
//! not known, or not allowed, is refused with the place where it stands, all of it at once.

mod explain;
mod load;
mod names;
mod node;
mod settings;
mod show;
mod tokens;
mod values;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use prism_backends::{postgres, sqlite};

pub(crate) use self::load::OPEN_BEYOND_LOOPBACK;
pub use self::load::{Flags, Problem, Problems, Sources, load};
pub use self::tokens::{Digest, NamespaceRule, Permission, Token};
pub(crate) use self::values::looks_like_an_address;
pub use self::values::masked_url;

/// Everything that `prism serve` can be told. The default is what an empty file means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Where and how it listens.
    pub server: Server,
    /// Where it keeps what it is given.
    pub database: Database,
    /// What it says about its work.
    pub logging: Logging,
    /// Who may call it.
    pub auth: Auth,
    /// How it watches its database.
    pub health: Health,
}

/// Where and how it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// How long calls and streams in flight may take to end after a signal to stop.
    pub drain_timeout: Duration,
    /// Most calls in work, of which a namespace and a caller have their share; one more is answered RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Most connections.
    pub max_connections: usize,
    /// Most connections from one address; `None`: half of `max_connections`.
    pub max_connections_per_peer: Option<usize>,
    /// How long a new connection may take until it speaks HTTP/2, TLS included.
    pub handshake_timeout: Duration,
    /// When a client is asked to make a new connection; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// How long calls on such a connection have to end.
    pub max_connection_age_grace: Duration,
    /// Most bytes of requests that are not complete and of answers that are not taken.
    pub max_buffered_bytes: u32,
    /// Encryption.
    pub tls: Tls,
}

/// Files that make the server speak TLS, as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The server's certificate, followed by those that vouch for it.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Certificate authorities; where set, each client must show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// Where it keeps what it is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// Which backend.
    pub kind: DatabaseKind,
    /// The file of a SQLite database.
    pub path: PathBuf,
    /// The address of a Postgres database. It may hold a password, which `Debug` hides.
    pub url: Option<String>,
    /// How long a tombstone keeps an item's highest token (TOK-4).
    pub tombstone_retention: Duration,
    /// How long to wait between sweeps of what is expired or forgotten.
    pub sweep_interval: Duration,
    /// A file that holds the password of a Postgres database, in place of the URL.
    pub password_file: Option<PathBuf>,
    /// How a SQLite database is worked; its path and its retention are those above.
    pub sqlite: sqlite::Options,
    /// How a Postgres database is worked; its URL, its password and its retention are those above.
    pub postgres: postgres::Options,
}

/// The backends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatabaseKind {
    /// A file.
    #[default]
    Sqlite,
    /// The reference backend, for tests: nothing survives the process.
    Memory,
    /// A Postgres server.
    Postgres,
}

/// What it says about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logging {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// How much is logged; each level holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What needs somebody's attention: bugs.
    Error,
    /// What may: a database that is away, load that was shed.
    Warn,
    /// One line per call, start and stop.
    #[default]
    Info,
    /// Calls to health and reflection too, and sweeps.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// Who may call it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Whether a caller needs a token; `None`: where `tokens` are given, and beyond loopback the server needs them.
    pub mode: Option<AuthMode>,
    /// Bearer tokens.
    pub tokens: Vec<Token>,
    /// The files that hold tokens, as the configuration names them.
    pub token_files: Vec<PathBuf>,
}

/// Whether a caller needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Each does, and a server without tokens does not start.
    Required,
    /// Nobody does, wherever the server listens and whatever tokens are given.
    Insecure,
}

/// How it watches its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How long to wait between two checks, and the longest that one may take.
    pub interval: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8980".to_owned(),
            drain_timeout: Duration::from_secs(10),
            max_in_flight: 4_096,
            // Below the 1,024 files that a process may commonly open, with room for the database's own.
            max_connections: 960,
            max_connections_per_peer: None,
            handshake_timeout: Duration::from_secs(5),
            max_connection_age: None,
            max_connection_age_grace: Duration::from_secs(30),
            max_buffered_bytes: 256 << 20,
            tls: Tls::default(),
        }
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
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
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
            .finish()
    }
}

impl Config {
    /// The effective configuration as a file would say it, secrets masked.
    pub fn to_yaml(&self) -> String {
        show::yaml(self)
    }

    /// A file that names every key at its default and says what it does: `fixtures/config/prism.yaml`.
    pub fn example() -> String {
        explain::yaml()
    }

    /// The reference of all keys, in Markdown: what each does, what is allowed, its default and its variable.
    pub fn reference() -> String {
        explain::markdown()
    }
}
