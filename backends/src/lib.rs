//! Prism's SQL backends, one feature each: `sqlite` and `postgres` (both on by default).
//!
//! Under load, waiting writes are read together in one transaction (group commit); a lone write leaves at once, without a timer.
//! `engine` has what every database and every abstraction shares: fair queues, group commit, connections, batched reads. `keyvalue`
//! has what KeyValue does on any of them. Each database has an engine, which owns its connections, and the SQL of each
//! abstraction. [`wrap`] holds backends around other backends.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod engine;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod keyvalue;

pub mod wrap;

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
