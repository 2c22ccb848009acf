//! Prism's SQL backends, one feature each: `sqlite` and `postgres` (both on by default).
//!
//! Under load, waiting writes are read together in one transaction (group commit); a lone write leaves at once, without a timer.
//! What does not depend on a database lives here: the bounded queue (`queue`), what a batch of writes makes of the rows it
//! touches (`batch`), what a page asks (`query`, `span`) and when it is full (`page`). Each database has a module with its SQL.
//! [`wrap`] holds backends around other backends.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod batch;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod batched_read;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod corrupt_row;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod fair;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod page;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod page_query;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod queue;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod slots;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod span;

pub mod wrap;

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
