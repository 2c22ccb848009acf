//! Errors of opening a Postgres database, for the operator: the fault, the database, and the remedy.

use crate::postgres::SCHEMA_VERSION;

/// The error of opening a database. It is for the operator, so it names host and database, but never a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option is out of bounds.
    #[error("the option '{option}' is out of bounds: {allowed}")]
    Option {
        /// Its name in [`Options`](super::Options).
        option: &'static str,
        /// The allowed values.
        allowed: &'static str,
    },
    /// The URL is invalid.
    #[error(
        "the database's URL is invalid: {why}; write postgres://user:password@host:port/database, with the parameters \
         {allowed}"
    )]
    Url {
        /// The fault, without the URL itself, which may have a password.
        why: String,
        /// The allowed parameters.
        allowed: String,
    },
    /// The server is unreachable, or refuses this user.
    #[error(
        "cannot open {at}: {source}; check that the server runs, and its address, user, password and TLS settings"
    )]
    Unreachable {
        /// Host, port and database.
        at: String,
        /// The error of the system or the server.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is read-only. Reads from a standby could be stale, so none are served either.
    #[error(
        "cannot open {at}: the server takes no writes: it is a standby, or default_transaction_read_only is on; give the \
         address of the primary, or turn the setting off"
    )]
    ReadOnly {
        /// Host, port and database.
        at: String,
    },
    /// A pooler in front of the server changes the server connection between transactions.
    #[error(
        "cannot open {at}: a pooler there changes the server connection between transactions, so neither settings nor \
         prepared statements persist; set pool_mode = session for this database in PgBouncer, or give the address of Postgres \
         itself"
    )]
    Pooled {
        /// Host, port and database.
        at: String,
    },
    /// The schema is of a later version of Prism. The database was left unchanged.
    #[error(
        "{at} has schema version {found}, and this version of Prism knows versions up to {SCHEMA_VERSION}; it was left \
         unchanged; use the newer version of Prism"
    )]
    Newer {
        /// Host, port and database.
        at: String,
        /// Its schema version.
        found: i64,
    },
    /// There are no tables of Prism's, which only a gateway creates.
    #[error(
        "{at} has no tables of Prism's in the search path of this user; name the database and the user of a gateway, and \
         start a gateway once if the database is new"
    )]
    NoTables {
        /// Host, port and database.
        at: String,
    },
    /// A check could not be made.
    #[error(
        "cannot check {at}: {source}; the user needs the right to read the tables, and a large one may need more time"
    )]
    Unchecked {
        /// Host, port and database.
        at: String,
        /// The error of Postgres.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables cannot be created or used.
    #[error(
        "cannot prepare {at}: {source}; the user needs the right to create tables in the schema (GRANT USAGE, CREATE ON \
         SCHEMA … TO …), or tables of Prism's that are there already, and a server that takes writes"
    )]
    Unprepared {
        /// Host, port and database.
        at: String,
        /// The error of Postgres.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
