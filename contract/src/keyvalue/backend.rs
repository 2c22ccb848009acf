//! The trait a storage backend implements.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Capabilities, Delete, EntryPage, Get, ItemPage, Put, PutResult, Scan};
use crate::{Error, Lifecycle, Namespace};

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
pub trait KeyValueBackend: Lifecycle {
    /// The capabilities beyond the core in a namespace (CAP-1). Fixed for as long as the namespace is served by this backend.
    fn capabilities(&self, namespace: &Namespace) -> Capabilities;

    /// Writes items; one result per item, in request order (PUT, VER, TOK, TTL and COND rules).
    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error>;

    /// Reads one page of a record (ORD, PRED and PAGE rules).
    async fn get(&self, get: &Get) -> Result<ItemPage, Error>;

    /// Removes items; answers how many live ones it removed (DEL, TOK and COND rules).
    async fn delete(&self, delete: Delete) -> Result<u64, Error>;

    /// Reads one page of a namespace or a record (ORD, PRED and PAGE rules).
    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error>;
}

/// A shared backend is the same backend.
impl<B: KeyValueBackend + ?Sized> KeyValueBackend for Arc<B> {
    crate::forward!(KeyValueBackend: self => (**self), [capabilities, put, get, delete, scan]);
}
