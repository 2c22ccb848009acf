//! What a batch of writes makes of the rows it touches, decided in memory before anything is written.
//!
//! A backend loads the rows of an [`Overlay`] under whatever lock keeps others from changing them, asks it to decide each
//! write in order, writes the changes, and commits. The rules about a single key are the contract's own
//! ([`prism_contract::keyvalue::row`]).

mod decide;
mod overlay;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prism_contract::Namespace;
use prism_contract::keyvalue::{Delete, Precondition, Predicate, Put, PutResult};

pub(crate) use decide::Decision;
pub(crate) use overlay::{Change, Overlay, Pending, Place};

/// A write that waits to be done.
#[derive(Debug)]
pub(crate) enum Write {
    Put(Put),
    Delete(Delete),
}

/// What a write answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Put(Vec<PutResult>),
    Deleted(u64),
}

impl Write {
    /// The namespace and id of the record it writes.
    pub(crate) fn record(&self) -> (&str, &str) {
        match self {
            Self::Put(put) => (put.namespace.as_str(), put.id.as_str()),
            Self::Delete(delete) => (delete.namespace.as_str(), delete.id.as_str()),
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Put(put) => &put.namespace,
            Self::Delete(delete) => &delete.namespace,
        }
    }

    /// How many keys it looks at.
    pub(crate) fn keys(&self) -> usize {
        let keys = match self {
            Self::Put(put) => put.items.len(),
            Self::Delete(delete) => match &delete.predicate {
                Predicate::Keys(keys) => keys.len(),
                Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => 1,
            },
        };
        keys + self.preconditions().len()
    }

    /// Whether it is a Delete by a predicate other than keys: how many there are is known only when they are deleted.
    #[cfg(feature = "sqlite")]
    pub(crate) fn has_no_bound(&self) -> bool {
        match self {
            Self::Put(_) => false,
            Self::Delete(delete) => !matches!(delete.predicate, Predicate::Keys(_)),
        }
    }

    pub(crate) fn preconditions(&self) -> &[Precondition] {
        match self {
            Self::Put(put) => &put.preconditions,
            Self::Delete(delete) => &delete.preconditions,
        }
    }
}

/// A retention rounded up to whole microseconds as the contract rounds spans, so that SQL that subtracts it agrees with
/// rules that add it.
pub(crate) fn whole_micros(retention: Duration) -> Duration {
    let micros = retention.as_nanos().div_ceil(1_000);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// A retention as SQL takes it from a time: at most half the range, which is more than any span between two times, and cannot
/// overflow.
pub(crate) fn subtractable_micros(retention: Duration) -> i64 {
    i64::try_from(retention.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}
