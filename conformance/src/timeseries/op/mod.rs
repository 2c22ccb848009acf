//! Symbolic operations: the elements of random sequences, regressions and scenario files.
//!
//! An [`Op`] names no token, time or namespace of a particular run; [`Player`] turns it into a request from what the run has
//! seen so far. So a sequence can be replayed elsewhere, and any operation of it can be left out.

mod parse;
mod player;
mod text;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use player::Player;

use super::policies::SuitePolicy;
use crate::core::Restart;
pub use crate::core::line::ParseError;

/// One operation. Its text form (`Display`, `FromStr`) is one line; serde writes the same line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Op {
    /// Write events: `append $free-ns "s" +1h "a"="1" type "text" #k="v", "t" now "b"="2"`.
    Append(Append),
    /// Read a series: `query $free-ns "s" from +0s to +1h #k="v" reverse page of 1 bytes limit 2 cut 1 next`.
    Query(Query),
    /// Tail a series or a namespace until it has caught up: `tail $free-ns "s" from beginning`.
    Tail(Tail),
    /// List series: `list $free-ns prefix "s" limit 2 next`.
    List(List),
    /// Count events: `histogram $free-ns "s" from +0s to +1h bucket 5m #k="v"`.
    Histogram(Histogram),
    /// Remove events: `delete $free-ns "s" from +0s`, `delete $free-ns "s" all`.
    Delete(Delete),
    /// Advance the clock by this many microseconds: `advance 5m`.
    Advance(u64),
    /// Remove expired events: `sweep`.
    Sweep,
    /// Stop and start the store: `restart clean`, `restart crash`.
    Restart(Restart),
}

/// A namespace of the run with this policy, and a suffix: `$kept-ns`, `$free-nsb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its policy, one of the suite's.
    pub policy: SuitePolicy,
    /// The suffix of its name.
    pub suffix: String,
}

/// The origin of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The server's time when the run began: `+1h`.
    Start,
    /// The server's time: `now`, `now-5m`.
    Now,
}

/// A time: this many microseconds from its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The origin.
    pub origin: Origin,
    /// Microseconds after it, or before it.
    pub micros: i64,
}

/// An event of an Append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its series.
    pub series: String,
    /// Its time.
    pub at: At,
    /// Its id.
    pub id: Bytes,
    /// Its payload.
    pub payload: Bytes,
    /// Its content type.
    pub content_type: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// An Append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Namespace.
    pub space: Space,
    /// Events to write.
    pub events: Vec<Input>,
}

/// A Query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Namespace.
    pub space: Space,
    /// Series.
    pub series: String,
    /// Inclusive.
    pub start: Option<At>,
    /// Exclusive.
    pub end: Option<At>,
    /// The filter.
    pub tags: Vec<(String, String)>,
    /// The mirror.
    pub reverse: bool,
    /// Without payloads.
    pub without_payload: bool,
    /// Maximum bytes of a message; 0: the default.
    pub page_bytes: u32,
    /// Maximum number of events in all messages; 0: no limit.
    pub limit: u64,
    /// Number of messages after which the stream is dropped.
    pub cut: Option<usize>,
    /// Goes on after the last answer to the same Query, of any limit and page size, if something was left.
    pub next: bool,
}

/// A Tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Namespace.
    pub space: Space,
    /// Series; `None`: the whole namespace.
    pub series: Option<String>,
    /// The filter.
    pub tags: Vec<(String, String)>,
    /// Without payloads.
    pub without_payload: bool,
    /// Where it begins.
    pub from: From,
}

/// Where a Tail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Before the first event.
    Beginning,
    /// After the last event.
    Now,
    /// After a token of the same series, of a Query or of a Tail: 0 is the newest one, 1 the one before it. The beginning, if
    /// there is none: `after 0`.
    Token(usize),
}

/// A ListSeries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Namespace.
    pub space: Space,
    /// The beginning of the names.
    pub prefix: String,
    /// Maximum number of names; 0: no limit.
    pub limit: u64,
    /// Goes on after the last answer for the same prefix, if something was left.
    pub next: bool,
}

/// A Histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Namespace.
    pub space: Space,
    /// Series.
    pub series: String,
    /// Inclusive.
    pub start: At,
    /// Exclusive.
    pub end: At,
    /// Width of a bucket, in microseconds.
    pub bucket: u64,
    /// The filter.
    pub tags: Vec<(String, String)>,
}

/// A DeleteEvents; without a bound, of all events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Namespace.
    pub space: Space,
    /// Series.
    pub series: String,
    /// Inclusive.
    pub start: Option<At>,
    /// Exclusive.
    pub end: Option<At>,
}

impl Op {
    /// The namespace; `None`: the operation is about the whole store.
    pub fn space(&self) -> Option<&Space> {
        match self {
            Self::Append(of) => Some(&of.space),
            Self::Query(of) => Some(&of.space),
            Self::Tail(of) => Some(&of.space),
            Self::List(of) => Some(&of.space),
            Self::Histogram(of) => Some(&of.space),
            Self::Delete(of) => Some(&of.space),
            Self::Advance(_) | Self::Sweep | Self::Restart(_) => None,
        }
    }
}

/// Parses one operation per line; empty lines and lines that begin with `#` are skipped.
pub fn parse_all(text: &str) -> Result<Vec<Op>, ParseError> {
    crate::core::line::parse_all(text)
}
