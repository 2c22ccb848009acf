//! Symbolic operations: the elements of random sequences, regressions and scenario files.
//!
//! An [`Op`] names no version, page token or namespace of a particular run; [`Player`] turns it into a request from what
//! the run has seen so far. So a sequence can be replayed elsewhere, and any operation of it can be left out.

mod parse;
mod player;
mod text;

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, SelectionInput};
use serde::{Deserialize, Serialize};

pub use player::Player;

use crate::core::Restart;
pub use crate::core::line::ParseError;

/// One operation. Its text form (`Display`, `FromStr`) is one line; serde writes the same line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Op {
    /// Write items: `put $ns "r" "a"="1" token 3 ttl 2 if "a" current`.
    Put(Put),
    /// Read a page of a record: `get $ns "r" prefix "a" page of 2 reverse next`.
    Get(Get),
    /// Remove items: `delete $ns "r" keys "a","b" token 4`.
    Delete(Delete),
    /// Stream a namespace or a record: `scan $ns all page of 2 cut 1`.
    Scan(Scan),
    /// Query the store's capabilities: `describe $ns`.
    Describe(Space),
    /// Advance the clock: `advance 3`.
    Advance(Span),
    /// Remove dead items: `sweep`.
    Sweep,
    /// Stop and start the store: `restart clean`, `restart crash`.
    Restart(Restart),
}

/// A namespace of the run: the run's name followed by this suffix; written as `$ns` and the suffix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Space(pub String);

/// A Put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Namespace.
    pub space: Space,
    /// Id of the record.
    pub id: String,
    /// Items to write.
    pub items: Vec<ItemInput>,
    /// The priority token; 0: none.
    pub token: i64,
    /// Time to live of the items, in ticks.
    pub ttl: Option<i64>,
    /// Preconditions.
    pub when: Vec<(Bytes, At)>,
}

/// A Get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Namespace.
    pub space: Space,
    /// Id of the record.
    pub id: String,
    /// Key predicate.
    pub predicate: Option<KeyPredicate>,
    /// Page size, `keys_only` and direction.
    pub selection: SelectionInput,
    /// Start of the page.
    pub page: Page,
}

/// A Delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Namespace.
    pub space: Space,
    /// Id of the record.
    pub id: String,
    /// Key predicate.
    pub predicate: Option<KeyPredicate>,
    /// The priority token; 0: none.
    pub token: i64,
    /// Preconditions.
    pub when: Vec<(Bytes, At)>,
}

/// A Scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Namespace.
    pub space: Space,
    /// Id of the record; `None`: every record.
    pub id: Option<String>,
    /// Key predicate.
    pub predicate: Option<KeyPredicate>,
    /// Message size, `keys_only` and direction.
    pub selection: SelectionInput,
    /// Maximum number of entries in all messages; 0: no limit.
    pub limit: u64,
    /// Number of messages after which the stream is dropped.
    pub cut: Option<usize>,
    /// Start of the page.
    pub page: Page,
}

/// The version that a precondition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest version that the run has seen for the key; 0 if none.
    Current,
    /// The version before it; if there is none, a version that no store assigns.
    Stale,
    /// 0.
    Absent,
    /// This number.
    Number(i64),
}

/// Start of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// The beginning.
    #[default]
    First,
    /// The end of the last page of the same request, of any size; the beginning if that page was the final one.
    Next,
    /// The token of another request, which is refused.
    Foreign,
    /// Bytes that no store has issued.
    Broken,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// This number of ticks.
    Ticks(u32),
    /// One microsecond less than this number of ticks.
    Almost(u32),
    /// One microsecond.
    Microsecond,
    /// 24 hours: the tombstone retention (TOK-4).
    Retention,
    /// One microsecond less than 24 hours.
    AlmostRetention,
}

/// Parses one operation per line; empty lines and lines that begin with `#` are skipped.
pub fn parse_all(text: &str) -> Result<Vec<Op>, ParseError> {
    crate::core::line::parse_all(text)
}
