//! Answers that the contract allows.

use std::fmt;

use bytes::Bytes;
use prism_contract::keyvalue::{Capabilities, Capability};

use super::{KeyState, RecordPath, StoredItem};
use crate::core::{Abilities, Ability, StatusCode};

/// An event of a run. Random cases count events, so that a run in which too little happens is inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// An item was written.
    Applied,
    /// An item was written over a live one.
    Overwritten,
    /// An item was left unchanged because of its token.
    Superseded,
    /// A token met a higher or equal token of a dead item.
    Tombstone,
    /// A write met a token whose retention has ended.
    Forgotten,
    /// Preconditions held.
    Held,
    /// Preconditions failed.
    Failed,
    /// An item was deleted.
    Deleted,
    /// A request met an expired item.
    Expired,
    /// Items were read.
    Read,
    /// A page or a stream continued from a token.
    Continued,
    /// A page or a stream ended before the last entry.
    Cut,
    /// A request was refused.
    Refused,
    /// The store was swept.
    Swept,
    /// The store was restarted.
    Restarted,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::Overwritten => "overwritten",
            Self::Superseded => "superseded",
            Self::Tombstone => "tombstone",
            Self::Forgotten => "forgotten",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Read => "read",
            Self::Continued => "continued",
            Self::Cut => "cut",
            Self::Refused => "refused",
            Self::Swept => "swept",
            Self::Restarted => "restarted",
        })
    }
}

impl Event {
    /// Whether it can occur with these capabilities of the store and abilities of the harness.
    pub(crate) fn can_happen(self, capabilities: Capabilities, abilities: Abilities) -> bool {
        let declared = |capability| capabilities.contains(capability);
        let time_passes = abilities.contains(Ability::ManualClock);
        match self {
            Self::Superseded | Self::Tombstone => declared(Capability::PriorityTokens),
            Self::Forgotten => declared(Capability::PriorityTokens) && time_passes,
            Self::Held | Self::Failed => declared(Capability::ConditionalWrites),
            Self::Expired => declared(Capability::Expiry) && time_passes,
            Self::Swept => abilities.contains(Ability::Sweep),
            Self::Restarted => abilities.contains(Ability::Restart),
            Self::Applied
            | Self::Overwritten
            | Self::Deleted
            | Self::Read
            | Self::Continued
            | Self::Cut
            | Self::Refused => true,
        }
    }
}

/// The allowed answer, the state changes and the events.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    pub(super) answer: Expected,
    pub(super) changes: Vec<Change>,
    pub(super) events: Vec<Event>,
}

impl Expectation {
    pub(super) fn of(answer: Expected) -> Self {
        Self { answer, changes: Vec::new(), events: Vec::new() }
    }

    pub(super) fn with(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    pub(super) fn refused(code: StatusCode, reasons: Vec<Reason>) -> Self {
        Self::of(Expected::Refused(code, reasons)).with(Event::Refused)
    }
}

/// New state of a key.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) path: RecordPath,
    pub(super) key: Bytes,
    pub(super) known: KeyState,
    /// Index of the Put result with the item's new version.
    pub(super) result: Option<usize>,
}

/// A rule of the contract, and its text for this request.
#[derive(Debug, Clone)]
pub(super) struct Reason {
    pub(super) rule: &'static str,
    pub(super) text: String,
}

/// The only answers that the contract allows.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// A failure with this status.
    Refused(StatusCode, Vec<Reason>),
    /// FAILED_PRECONDITION with these keys and their current versions (COND-1).
    PreconditionsFail(Vec<(Bytes, i64)>),
    /// One result per item, in request order.
    Results(Vec<ExpectedResult>),
    /// Number of live items removed (DEL-2).
    Deleted(u64),
    /// A page of these entries.
    Page(Remaining),
    /// Stream messages of these entries.
    Messages(Remaining, ScanLimits),
    /// These capabilities.
    Described(Capabilities),
    /// Success without an answer.
    Done,
}

/// Expected result of one item of a Put.
#[derive(Debug, Clone)]
pub(super) struct ExpectedResult {
    pub(super) key: Bytes,
    pub(super) applied: bool,
    /// Applied: the version must be above this. Otherwise: it must be equal.
    pub(super) version: i64,
    /// The rules that determine the result.
    pub(super) rules: &'static [&'static str],
}

/// Remaining entries in order, and the page limits.
#[derive(Debug, Clone)]
pub(super) struct Remaining {
    pub(super) entries: Vec<Entry>,
    pub(super) keys_only: bool,
    pub(super) max_items: usize,
    pub(super) max_bytes: usize,
    /// Keys of the records read that must not be answered, to name the rule that a wrong answer breaks.
    pub(super) excluded: Vec<(String, Bytes, ExclusionReason)>,
}

/// Limits on the length of a Scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanLimits {
    /// Maximum number of entries in all messages.
    pub(super) limit: Option<usize>,
    /// Maximum number of messages.
    pub(super) cut: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) key: Bytes,
    pub(super) item: StoredItem,
    pub(super) highest: i64,
}

/// Why a key must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExclusionReason {
    /// The predicate does not select it.
    NotSelected,
    /// It was answered on an earlier page.
    Passed,
    /// It has expired.
    Expired,
    /// It was deleted, or only its token is remembered.
    Gone,
}
