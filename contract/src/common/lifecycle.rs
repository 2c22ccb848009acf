//! The methods that the gateway needs of any store, whatever its abstraction.

use std::iter::Sum;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Error, Timestamp};

/// The result of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Expired items whose value was dropped.
    pub expired: u64,
    /// Tombstones past their retention that were removed.
    pub tombstones: u64,
    /// Whether the sweep stopped at its bound and more is left.
    pub more: bool,
}

/// The sweeps of several stores as one.
impl Sum for Swept {
    fn sum<I: Iterator<Item = Self>>(sweeps: I) -> Self {
        sweeps.fold(Self::default(), |all, swept| Self {
            expired: all.expired + swept.expired,
            tombstones: all.tombstones + swept.tombstones,
            more: all.more || swept.more,
        })
    }
}

/// An open store. No method has a default body: a wrapper that inherited one would bypass the store it wraps.
#[async_trait]
pub trait Lifecycle: Send + Sync + 'static {
    /// A cheap check that the store is available; health reports its result (HEALTH-1).
    async fn check(&self) -> Result<(), Error>;

    /// Removes a bounded number of expired items and of tombstones past their retention at `now`, and no live item (TTL-5).
    /// A backend that keeps neither returns `Ok(Swept::default())`.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error>;

    /// Closes the store; later requests may fail with [`Error::Unavailable`].
    async fn close(&self);
}

/// A shared store forwards to the store.
impl<S: Lifecycle + ?Sized> Lifecycle for Arc<S> {
    crate::forward!(Lifecycle: self => (**self), [check, sweep, close]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sweeps_have_more_to_do_if_one_has() {
        let swept = |expired, tombstones, more| Swept { expired, tombstones, more };
        assert_eq!(
            [swept(1, 20, false), swept(2, 30, false)].into_iter().sum::<Swept>(),
            swept(3, 50, false)
        );
        assert_eq!([swept(1, 0, true), swept(0, 1, false)].into_iter().sum::<Swept>(), swept(1, 1, true));
    }
}
