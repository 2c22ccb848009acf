//! What the gateway needs of any store, whatever its abstraction.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Error, Timestamp};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Expired items whose value was dropped.
    pub expired: u64,
    /// Tombstones past their retention that were forgotten.
    pub tombstones: u64,
    /// Whether the sweep stopped at its bound and there is more to do.
    pub more: bool,
}

/// A store between its opening and its closing. Every method has to be written: a wrapper that inherited one would lose that of
/// the store it wraps.
#[async_trait]
pub trait Lifecycle: Send + Sync + 'static {
    /// Whether the store answers, asked cheaply; health follows it (HEALTH-1).
    async fn check(&self) -> Result<(), Error>;

    /// Drops a bounded amount of what is expired or forgotten at `now`, and nothing that is live (TTL-5). A backend that
    /// keeps nothing dead has nothing to do: `Ok(Swept::default())`.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error>;

    /// Lets go of the store; requests after this may fail with [`Error::Unavailable`].
    async fn close(&self);
}

/// A shared store is the same store.
impl<S: Lifecycle + ?Sized> Lifecycle for Arc<S> {
    crate::forward!(Lifecycle: self => (**self), [check, sweep, close]);
}
