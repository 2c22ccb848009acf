//! The trait a storage backend implements.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Capabilities, Delete, EntryPage, Get, ItemPage, Put, PutResult, Scan};
use crate::{Error, Lifecycle, Namespace};

/// A store of `namespace → id → sorted items`.
///
/// Requests are valid once built: no backend checks a length, a duplicate or a negative number again. A backend never
/// reads a clock: `now` is in every request. The clocks of two gateways may differ, so a later request may have an
/// earlier `now`.
///
/// # Guarantees
/// - Each write is atomic, and takes effect only if all its preconditions hold at that moment (PUT-3, DEL-5, COND-1).
/// - Operations on one record are linearizable, however many processes share the store (LIN-1).
/// - An acknowledged write is durable (DUR-1).
/// - Dropping a future cancels the request: its write is then whole or absent (ERR-4).
///
/// # Errors
/// [`Error::PreconditionFailed`], [`Error::Unavailable`], [`Error::ResourceExhausted`], [`Error::DeadlineExceeded`],
/// [`Error::DeleteTooLarge`], [`Error::DataLoss`] and [`Error::Internal`]. A backend need not return [`Error::Unimplemented`]: a request for a
/// capability that it does not declare never reaches it.
#[async_trait]
pub trait KeyValueBackend: Lifecycle {
    /// A namespace's capabilities beyond the core (CAP-1). Fixed for as long as this backend serves the namespace.
    fn capabilities(&self, namespace: &Namespace) -> Capabilities;

    /// Writes items; one result per item, in request order (PUT, VER, TOK, TTL and COND rules).
    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error>;

    /// Reads one page of a record (ORD, PRED and PAGE rules).
    async fn get(&self, get: &Get) -> Result<ItemPage, Error>;

    /// Removes items; returns the number of live items removed (DEL, TOK and COND rules).
    async fn delete(&self, delete: Delete) -> Result<u64, Error>;

    /// Reads one page of a namespace or a record (ORD, PRED and PAGE rules).
    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error>;
}

/// A shared backend forwards to the backend.
impl<B: KeyValueBackend + ?Sized> KeyValueBackend for Arc<B> {
    crate::forward!(KeyValueBackend: self => (**self), [capabilities, put, get, delete, scan]);
}
