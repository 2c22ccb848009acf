//! Event counts of a run: too few events make it inconclusive.

use std::collections::BTreeMap;
use std::fmt;

/// Event counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<E>(BTreeMap<E, u64>);

impl<E> Default for Tally<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E: Copy + Ord> Tally<E> {
    /// Counts these events.
    pub fn add(&mut self, events: impl IntoIterator<Item = E>) {
        for event in events {
            *self.0.entry(event).or_default() += 1;
        }
    }

    /// Adds the counts of another tally.
    pub fn merge(&mut self, other: &Self) {
        for (event, count) in &other.0 {
            *self.0.entry(*event).or_default() += count;
        }
    }

    /// The count of an event.
    pub fn count(&self, event: E) -> u64 {
        self.0.get(&event).copied().unwrap_or(0)
    }
}

impl<E: fmt::Display> fmt::Display for Tally<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(event, count)| format!("{event} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}
