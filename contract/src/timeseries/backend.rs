//! The trait a TimeSeries backend implements.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Append, Bucket, Capabilities, DeleteEvents, EventPage, Histogram, ListSeries, Position, Query, Series,
    SeriesPage, Start, Tail, TailPage,
};
use crate::{Error, Lifecycle, Namespace, Swept, Timestamp};

/// The time up to which events of a namespace have expired; `None`: none has.
pub type Expired<'a> = &'a (dyn Fn(&Namespace) -> Option<Timestamp> + Send + Sync);

/// The number of partitions that a namespace is configured with; `None`: this backend does not serve it.
pub type Partitions<'a> = &'a (dyn Fn(&Namespace) -> Option<u32> + Send + Sync);

/// A store of `namespace → series → events`, which never change once they are written.
///
/// Requests are valid once built: no backend checks a length or a range again. A backend never reads a clock: what depends
/// on time is in every request.
///
/// # Guarantees
/// - An acknowledged Append is in every later Query, and reaches every Tail (APP-2); it is durable (DUR-1).
/// - An event that is appended again keeps the content that was written first (APP-3).
/// - Each event has a position in the log of its series. Positions grow in the order in which Appends are acknowledged
///   (TAIL-2), and a reader that has seen a position sees no new event at or before it.
/// - Dropping a future cancels the request: each event of an Append is then there whole or not at all (DUR-2).
///
/// # Errors
/// [`Error::TokenExpired`] from `query` and `tail`, [`Error::InvalidArgument`] from `append` for events outside the window
/// ([`Append::refuse`]), [`Error::Unavailable`], [`Error::ResourceExhausted`], [`Error::DeadlineExceeded`],
/// [`Error::DataLoss`] and [`Error::Internal`]. A request for a capability that the backend does not declare never reaches it.
#[async_trait]
pub trait TimeSeriesBackend: Lifecycle {
    /// A namespace's capabilities beyond the core (CAP-1). Fixed for as long as this backend serves the namespace.
    fn capabilities(&self, namespace: &Namespace) -> Capabilities;

    /// Writes events; says of each, in request order, whether it was there already (APP and ACC rules). Without
    /// DETECTS_DUPLICATES every answer is `false`, and no event is outside the window.
    async fn append(&self, append: Append) -> Result<Vec<bool>, Error>;

    /// Reads a page of a series in the order of time and id (QRY rules).
    async fn query(&self, query: &Query) -> Result<EventPage, Error>;

    /// The position at which a Tail of a series or of a namespace begins.
    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error>;

    /// Reads a page in append order, without waiting for events (TAIL rules).
    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error>;

    /// Waits until the log may have grown beyond the position of `tail`. It may return early, and never late: within a second
    /// of an Append at another process (TAIL-8).
    async fn appended(&self, tail: &Tail);

    /// Lists the series that have a live event (SER-1).
    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error>;

    /// Counts the live events of a series by time; empty buckets are left out (HIS rules).
    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error>;

    /// Removes live events; returns their number (DEL rules).
    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error>;

    /// Removes a bounded number of expired events, and nothing live (RET-2). Tokens before a removed event expire (TAIL-6).
    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error>;

    /// A namespace whose number of partitions, fixed by its first Append, is not the configured one, and the fixed number;
    /// `None`: there is none. A gateway refuses such a configuration when it starts.
    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error>;
}

/// A shared backend forwards to the backend.
impl<B: TimeSeriesBackend + ?Sized> TimeSeriesBackend for Arc<B> {
    crate::forward!(
        TimeSeriesBackend: self => (**self),
        [capabilities, append, query, position, tail, appended, list_series, histogram, delete_events, expire, repartitioned]
    );
}
