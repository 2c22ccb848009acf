//! Why a Postgres database could not be opened, for the operator: what is wrong, with which database, and what to do.

use crate::postgres::SCHEMA_VERSION;

/// Why a database could not be opened. Meant for the operator, so it names host and database, and never a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An option has a value that is not allowed.
    #[error("the option '{option}' is out of bounds: {allowed}")]
    Option {
        /// Its name in [`Options`](super::Options).
        option: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The URL cannot be understood.
    #[error(
        "the database's URL is not one: {why}; write postgres://user:password@host:port/database, with the parameters \
         {allowed}"
    )]
    Url {
        /// What is wrong, without the URL itself, which may hold a password.
        why: String,
        /// Which parameters are allowed.
        allowed: String,
    },
    /// The server cannot be reached, or does not let this user in.
    #[error(
        "cannot open {at}: {source}; check that the server runs, and its address, user, password and TLS settings"
    )]
    Unreachable {
        /// Host, port and database.
        at: String,
        /// What the system or the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server takes no writes. Reads from a standby could be stale, so none are served either.
    #[error(
        "cannot open {at}: the server takes no writes: it is a standby, or default_transaction_read_only is on; give the \
         address of the primary, or turn the setting off"
    )]
    ReadOnly {
        /// Host, port and database.
        at: String,
    },
    /// A pooler stands before the server that changes the server connection between transactions.
    #[error(
        "cannot open {at}: a pooler there changes the server connection between transactions, where neither settings nor \
         prepared statements last; set pool_mode = session for this database in PgBouncer, or give the address of Postgres \
         itself"
    )]
    Pooled {
        /// Host, port and database.
        at: String,
    },
    /// A later version of Prism has changed the schema. The database was left as it is.
    #[error(
        "{at} has schema version {found}, and this version of Prism knows versions up to {SCHEMA_VERSION}; it was left \
         untouched; use the newer version of Prism"
    )]
    Newer {
        /// Host, port and database.
        at: String,
        /// Its schema version.
        found: i64,
    },
    /// The tables cannot be made or used.
    #[error(
        "cannot prepare {at}: {source}; the user needs the right to create tables in the schema (GRANT USAGE, CREATE ON \
         SCHEMA … TO …), or tables of Prism's that are there already, and a server that takes writes"
    )]
    Unprepared {
        /// Host, port and database.
        at: String,
        /// What Postgres said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
