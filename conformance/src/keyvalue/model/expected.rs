//! What the contract allows for an answer.

use bytes::Bytes;
use prism_contract::keyvalue::{Capabilities, Capability};

use super::{Known, Life, Place};
use crate::core::{Abilities, Ability, StatusCode};

/// Something that came to pass in a run; random cases count these, so that a run in which nothing happened proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// An item was written.
    Applied,
    /// An item was written over a live one.
    Overwritten,
    /// An item was left as it is by its token.
    Superseded,
    /// A token met a higher or equal one of an item that is no more.
    Tombstone,
    /// A write met a token that its retention has made forgotten.
    Forgotten,
    /// Preconditions held.
    Held,
    /// Preconditions failed.
    Failed,
    /// An item was deleted.
    Deleted,
    /// A request met an item that had expired.
    Expired,
    /// Items were read.
    Read,
    /// A page or a stream went on from a token.
    Continued,
    /// A page or a stream ended before the answer did.
    Cut,
    /// A request was refused.
    Refused,
    /// The store was swept.
    Swept,
    /// The store was restarted.
    Restarted,
}

impl Event {
    /// Whether it can come to pass where the store claims and the harness can do no more than this.
    pub(crate) fn can_happen(self, claims: Capabilities, abilities: Abilities) -> bool {
        let claimed = |capability| claims.contains(capability);
        let time_passes = abilities.contains(Ability::ManualClock);
        match self {
            Self::Superseded | Self::Tombstone => claimed(Capability::PriorityTokens),
            Self::Forgotten => claimed(Capability::PriorityTokens) && time_passes,
            Self::Held | Self::Failed => claimed(Capability::ConditionalWrites),
            Self::Expired => claimed(Capability::Expiry) && time_passes,
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

/// What must be answered, and what follows.
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

    pub(super) fn refused(code: StatusCode, why: Vec<Why>) -> Self {
        Self::of(Expected::Refused(code, why)).with(Event::Refused)
    }
}

/// What is known of a key from now on.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) key: Bytes,
    pub(super) known: Known,
    /// The result of a Put that tells the item's new version.
    pub(super) result: Option<usize>,
}

/// A rule of the contract, and what it says here.
#[derive(Debug, Clone)]
pub(super) struct Why {
    pub(super) rule: &'static str,
    pub(super) says: String,
}

/// The only answers that the contract allows.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// This status.
    Refused(StatusCode, Vec<Why>),
    /// FAILED_PRECONDITION with these keys and their current versions (COND-1).
    PreconditionsFail(Vec<(Bytes, i64)>),
    /// One result per item, in request order.
    Results(Vec<Written>),
    /// So many live items removed (DEL-2).
    Deleted(u64),
    /// A page of this.
    Page(Rest),
    /// Messages of this.
    Messages(Rest, Ending),
    /// These claims.
    Described(Capabilities),
    /// It is done.
    Done,
}

/// What became of one item of a Put.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) key: Bytes,
    pub(super) applied: bool,
    /// Applied: the version must be above this. Otherwise: it must be this.
    pub(super) version: i64,
    /// The rules that decide.
    pub(super) rules: &'static [&'static str],
}

/// All that is left to answer, in order, and how much of it fits.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) entries: Vec<Entry>,
    pub(super) keys_only: bool,
    pub(super) most_items: usize,
    pub(super) most_bytes: usize,
    /// What is known of all keys of the places that are read, to name the rule that a wrong answer breaks.
    pub(super) excluded: Vec<(String, Bytes, ExclusionReason)>,
}

/// How a Scan ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Most entries in all messages.
    pub(super) limit: Option<usize>,
    /// Most messages.
    pub(super) cut: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) key: Bytes,
    pub(super) item: Life,
    pub(super) highest: i64,
}

/// Why a key that the store may know must not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExclusionReason {
    /// The predicate does not choose it.
    NotChosen,
    /// It was answered on an earlier page.
    Passed,
    /// It has expired.
    Expired,
    /// It was deleted, or only its token is remembered.
    Gone,
}
