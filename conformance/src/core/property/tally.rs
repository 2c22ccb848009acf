//! How often what happened, so that a run in which nothing did is not called a proof.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

/// Counts of what came to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<E>(BTreeMap<E, u64>);

impl<E> Default for Tally<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E: Copy + Ord> Tally<E> {
    /// Adds these.
    pub fn add(&mut self, events: impl IntoIterator<Item = E>) {
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
    pub fn count(&self, event: E) -> u64 {
        self.0.get(&event).copied().unwrap_or(0)
    }
}

impl<E: Debug> fmt::Display for Tally<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(event, count)| format!("{event:?} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}
