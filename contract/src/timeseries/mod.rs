//! The TimeSeries abstraction: `namespace → series → immutable events`, ordered by time and id.
//!
//! Reading order: [`Edge`] validates a client's [`request`], finds the namespace's backend and [`Policy`] in a [`Directory`],
//! and passes a valid [`Append`], [`Query`], [`Tail`], [`ListSeries`], [`Histogram`] or [`DeleteEvents`] to a
//! [`TimeSeriesBackend`]. [`log`] has what backends share about positions in append order, and [`Memory`] is the backend to
//! compare others with.

mod backend;
mod capability;
mod cursor;
mod directory;
mod edge;
mod event;
mod limits;
pub mod log;
mod memory;
mod operation;
mod policy;
pub mod request;
mod requirements;
mod tail;
mod token;
mod validate;

pub use backend::{Expired, Partitions, TimeSeriesBackend};
pub use capability::{Capabilities, Capability};
pub use cursor::{QueryCursor, SeriesCursor};
pub use directory::{Directory, Served};
pub use edge::Edge;
pub use event::{Event, EventId, Series, SeriesEvent, Tags};
pub use limits::Limits;
pub use memory::Memory;
pub use operation::{
    Append, Bucket, DeleteEvents, EventKey, EventPage, Histogram, ListSeries, Query, SeriesPage, Start, Tail,
    TailPage, TimeRange,
};
pub use policy::{Policy, Window};
pub use requirements::requirements;
pub use tail::TailCursor;
pub use token::Position;

/// The version of the written contract that this module implements, as `Describe` publishes it.
pub const CONTRACT_VERSION: &str = "1.0";
