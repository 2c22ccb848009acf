//! Prism's SQL backends, one feature each: `sqlite` (on by default).
//!
//! Under load, waiting writes ride together in one transaction (group commit); a lone write leaves at once, without a timer.
//! What does not depend on a database lives here: the bounded queue (`queue`), what a batch of writes makes of the rows it
//! touches (`batch`), and which keys a page still has to read (`span`). Each database has a module with its SQL.

#[cfg(feature = "sqlite")]
mod batch;
#[cfg(feature = "sqlite")]
mod page;
#[cfg(feature = "sqlite")]
mod queue;
#[cfg(feature = "sqlite")]
mod span;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
