//! Operations said symbolically: what random sequences, regressions and scenario files are made of.
//!
//! An [`Op`] names no version, page token or namespace of a particular run; [`Player`] turns it into a request from what
//! the run has seen so far. So the same operations can be run again elsewhere, and any of them can be left out.

mod parse;
mod player;
mod text;

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, SelectionInput};
use serde::{Deserialize, Serialize};

pub use parse::ParseError;
pub use player::Player;

use crate::core::Restart;

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
    /// Read a namespace, or a record, as a stream: `scan $ns all page of 2 cut 1`.
    Scan(Scan),
    /// Ask what the store offers: `describe $ns`.
    Describe(Space),
    /// Let time pass: `advance 3`.
    Advance(Span),
    /// Drop what is dead: `sweep`.
    Sweep,
    /// Stop and start: `restart clean`, `restart crash`.
    Restart(Restart),
}

/// A namespace of the run: its own name followed by this suffix; written `$ns` and the suffix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Space(pub String);

/// A Put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub space: Space,
    /// The record.
    pub id: String,
    /// What.
    pub items: Vec<ItemInput>,
    /// The priority token; 0: none.
    pub token: i64,
    /// How long the items live, in ticks.
    pub ttl: Option<i64>,
    /// What must hold.
    pub when: Vec<(Bytes, At)>,
}

/// A Get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Where.
    pub space: Space,
    /// The record.
    pub id: String,
    /// Which keys.
    pub predicate: Option<KeyPredicate>,
    /// How much.
    pub selection: SelectionInput,
    /// From where.
    pub page: Page,
}

/// A Delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Where.
    pub space: Space,
    /// The record.
    pub id: String,
    /// Which keys.
    pub predicate: Option<KeyPredicate>,
    /// The priority token; 0: none.
    pub token: i64,
    /// What must hold.
    pub when: Vec<(Bytes, At)>,
}

/// A Scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Where.
    pub space: Space,
    /// The record; `None`: every record.
    pub id: Option<String>,
    /// Which keys.
    pub predicate: Option<KeyPredicate>,
    /// How much per message.
    pub selection: SelectionInput,
    /// Most entries in all messages; 0: all.
    pub limit: u64,
    /// Let go of the stream after so many messages.
    pub cut: Option<usize>,
    /// From where.
    pub page: Page,
}

/// The version that a precondition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest that the run has seen for the key; 0 where it saw none.
    Current,
    /// The one before it; where there is none, a version that no store gives.
    Stale,
    /// 0.
    Absent,
    /// This number.
    Number(i64),
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// At the beginning.
    #[default]
    First,
    /// Where the last page of the same request ended, whatever its size; at the beginning where it was the last.
    Next,
    /// At the token of another request, which is refused.
    Foreign,
    /// At bytes that no store gave.
    Broken,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So many ticks.
    Ticks(u32),
    /// A microsecond less than so many ticks.
    Almost(u32),
    /// One microsecond.
    Microsecond,
    /// 24 hours: how long a tombstone is kept (TOK-4).
    Retention,
    /// A microsecond less than 24 hours.
    AlmostRetention,
}

/// Operations, one a line; empty lines and lines that begin with `#` are left out.
pub fn parse_all(text: &str) -> Result<Vec<Op>, ParseError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}
