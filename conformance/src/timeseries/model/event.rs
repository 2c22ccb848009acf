//! What happens in a run: the events that a property counts.

use std::fmt;

use prism_contract::timeseries::{Capabilities, Capability};

use crate::core::{Abilities, Ability};

/// Something that an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An event was written.
    Written,
    /// An event was written with a time before that of an earlier one of its series.
    Late,
    /// An event was there already.
    Duplicate,
    /// An Append was refused.
    Refused,
    /// A Query answered an event.
    Read,
    /// A Query was cut, or ended at its limit, with events left.
    Cut,
    /// A Query was resumed.
    Resumed,
    /// A Tail brought an event.
    Tailed,
    /// A Tail was resumed from a token, and brought an event.
    Continued,
    /// A token was expired.
    TokenExpired,
    /// A DeleteEvents removed an event.
    Deleted,
    /// An event expired.
    Expired,
    /// The store was swept.
    Swept,
    /// A ListSeries answered a name.
    Listed,
    /// A Histogram answered a bucket.
    Counted,
    /// The store was restarted.
    Restarted,
}

impl Event {
    /// Whether it can happen with these capabilities and abilities.
    pub fn can_happen(self, capabilities: Capabilities, abilities: Abilities) -> bool {
        let timed = || abilities.contains(Ability::ManualClock) && abilities.contains(Ability::Policies);
        match self {
            Self::Written
            | Self::Late
            | Self::Read
            | Self::Cut
            | Self::Resumed
            | Self::Tailed
            | Self::Continued => true,
            Self::Duplicate => capabilities.contains(Capability::DetectsDuplicates),
            Self::Refused | Self::TokenExpired | Self::Expired => timed(),
            Self::Deleted => capabilities.contains(Capability::Delete),
            Self::Swept => abilities.contains(Ability::Sweep),
            Self::Listed => capabilities.contains(Capability::ListSeries),
            Self::Counted => capabilities.contains(Capability::Histogram),
            Self::Restarted => abilities.contains(Ability::Restart) || abilities.contains(Ability::Crash),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => "written",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Read => "read",
            Self::Cut => "cut",
            Self::Resumed => "resumed",
            Self::Tailed => "tailed",
            Self::Continued => "continued",
            Self::TokenExpired => "token expired",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Swept => "swept",
            Self::Listed => "listed",
            Self::Counted => "counted",
            Self::Restarted => "restarted",
        })
    }
}
