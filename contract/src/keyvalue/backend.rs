//! The trait a storage backend implements.

use async_trait::async_trait;

use super::{Capabilities, Delete, EntryPage, Error, Get, ItemPage, Put, PutResult, Scan, Timestamp};

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

/// A store of `namespace → id → sorted items`.
///
/// Requests are valid once built: no backend checks a length, a duplicate or a negative number again. A backend never
/// reads a clock: `now` is in every request, and two gateways may bring clocks that differ, so a later request may bring
/// an earlier `now`.
///
/// # The promise
/// - Each write takes effect in one moment or not at all, and only if all its preconditions hold at that moment
///   (PUT-3, DEL-5, COND-1).
/// - Operations on one record are linearizable, however many processes share the store (LIN-1).
/// - A write that was answered is durable (DUR-1).
/// - Dropping a future abandons the request: its write is then whole or absent (ERR-4).
///
/// # Errors
/// [`Error::PreconditionFailed`], [`Error::Unavailable`], [`Error::ResourceExhausted`], [`Error::DeadlineExceeded`],
/// [`Error::DeleteTooLarge`] and [`Error::Internal`]. A backend need not answer [`Error::Unimplemented`]: what it does not claim never reaches it.
#[async_trait]
pub trait KeyValueBackend: Send + Sync + 'static {
    /// What this backend claims beyond the core. Fixed for its lifetime.
    fn capabilities(&self) -> Capabilities;

    /// Writes items; one result per item, in request order (PUT, VER, TOK, TTL and COND rules).
    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error>;

    /// Reads one page of a record (ORD, PRED and PAGE rules).
    async fn get(&self, get: Get) -> Result<ItemPage, Error>;

    /// Removes items; answers how many live ones it removed (DEL, TOK and COND rules).
    async fn delete(&self, delete: Delete) -> Result<u64, Error>;

    /// Reads one page of a namespace or a record (ORD, PRED and PAGE rules).
    async fn scan(&self, scan: Scan) -> Result<EntryPage, Error>;

    /// Whether the store answers, asked cheaply; health follows it (HEALTH-1).
    async fn check(&self) -> Result<(), Error>;

    /// Drops a bounded amount of what is expired or forgotten at `now`, and nothing that is live (TTL-5). A backend that
    /// keeps nothing dead has nothing to do.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let _ = now;
        Ok(Swept::default())
    }

    /// Lets go of the store; requests after this may fail with [`Error::Unavailable`].
    async fn close(&self) {}
}
