//! The KeyValue abstraction: `namespace → id → sorted items`.
//!
//! Reading order: [`Edge`] validates a client's [`request`], finds the namespace's backend in a [`Directory`], and passes a valid [`Put`], [`Get`], [`Delete`] or [`Scan`]
//! to a [`KeyValueBackend`]. [`row`] has the rules about a single key that every backend shares, and [`Memory`] is the
//! backend to compare others with.

mod backend;
mod capability;
mod directory;
mod edge;
mod item;
mod limits;
mod memory;
mod operation;
mod page_token;
mod precondition;
mod predicate;
mod record_id;
pub mod request;
mod requirements;
pub mod row;
mod selection;
mod validate;

pub use backend::KeyValueBackend;
pub use capability::{Capabilities, Capability};
pub use directory::{Directory, Policy, Served};
pub use edge::{Edge, ScanCursor};
pub use item::{Item, Key, NewItem};
pub use limits::Limits;
pub use memory::Memory;
pub use operation::{Delete, Entry, EntryPage, Get, ItemPage, Position, Put, PutResult, Scan};
pub use page_token::TokenScope;
pub use precondition::{Expected, Precondition};
pub use predicate::{Bounds, Predicate};
pub use record_id::RecordId;
pub use requirements::requirements;
pub use selection::{Direction, Selection};

/// The version of the written contract that this module implements, as `Describe` publishes it.
pub const CONTRACT_VERSION: &str = "1.0";
