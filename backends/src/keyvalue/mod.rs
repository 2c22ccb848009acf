//! KeyValue on any SQL database: its writes and how they are decided in groups, its pages, and its reads that share a
//! statement.

mod batch;
mod batched_read;
mod page;
mod page_query;
mod span;
mod writes;

pub(crate) use batch::{Change, Decision, Overlay, Pending, Place};
#[cfg(feature = "sqlite")]
pub(crate) use batched_read::SPANS;
#[cfg(feature = "postgres")]
pub(crate) use batched_read::SpanOfGet;
pub(crate) use batched_read::{BatchedRead, ROWS};
pub(crate) use page::{Filling, Fit};
pub(crate) use page_query::{Keys, PageQuery, Place as PagePlace};
pub(crate) use writes::{Answers, Request, Write, Writes, subtractable_micros, unanswered, whole_micros};
