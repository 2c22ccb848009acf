//! KeyValue on any SQL database: writes and how batches of them are decided, pages, and batched reads.

mod batch;
mod batched_read;
mod page;
mod page_query;
mod span;
mod writes;

pub(crate) use batch::{Change, Decision, FullKey, Overlay, Pending};
#[cfg(feature = "sqlite")]
pub(crate) use batched_read::SPANS;
#[cfg(feature = "postgres")]
pub(crate) use batched_read::SpanOfGet;
pub(crate) use batched_read::{BatchedRead, ROWS};
pub(crate) use page::{Fit, PageBuilder};
pub(crate) use page_query::{Keys, PageQuery, Scope};
#[cfg(feature = "postgres")]
pub(crate) use writes::unanswered;
pub(crate) use writes::{Answers, Request, Write, Writes, subtractable_micros, whole_micros};
