//! How often what happened, so that a run in which nothing did is not called a proof.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::Event;

/// Counts of what came to pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Event, u64>);

impl Tally {
    /// Adds these.
    pub fn add(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            *self.0.entry(event).or_default() += 1;
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (event, count) in &other.0 {
            *self.0.entry(*event).or_default() += count;
        }
    }

    /// How often it happened.
    pub fn count(&self, event: Event) -> u64 {
        self.0.get(&event).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(event, count)| format!("{event:?} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}
