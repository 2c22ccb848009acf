//! Prism's backends, one feature each: `sqlite` and `postgres` (both on by default), and `kafka`, for TimeSeries alone.
//!
//! Under load, waiting writes are committed in one transaction (group commit); a lone write is committed at once, without a
//! timer. `engine` is shared by all SQL databases and abstractions: fair queues, group commit, connections, batched reads.
//! `keyvalue` and `timeseries` are an abstraction's part for all databases. Each database has an engine, which owns its
//! connections, and the SQL of each abstraction. [`wrap`] has backends that wrap other backends.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod engine;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod keyvalue;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "kafka"))]
mod timeseries;

pub mod check;
pub mod internal;
pub mod observe;
pub mod rewrite;
pub mod trace;
pub mod wrap;

pub mod kafka;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "kafka")]
pub use kafka::Kafka;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
