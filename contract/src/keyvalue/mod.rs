//! The KeyValue abstraction: `namespace → id → sorted items`.
//!
//! Reading order: [`Edge`] takes a [`request`] as a client said it, refuses what the contract refuses, and hands a
//! valid [`Put`], [`Get`], [`Delete`] or [`Scan`] to a [`KeyValueBackend`]. [`row`] holds the rules about a single key
//! that every backend shares, and [`Memory`] is the backend to compare others with.

mod backend;
mod capability;
mod edge;
mod error;
mod item;
mod limits;
mod memory;
mod names;
mod operation;
mod page_token;
mod precondition;
mod predicate;
pub mod request;
pub mod row;
mod selection;
mod time;
mod validate;

pub use backend::{KeyValueBackend, Swept};
pub use capability::{Capabilities, Capability};
pub use edge::{Edge, ScanCursor};
pub use error::{Cause, Code, Error, FieldViolation, PreconditionFailure};
pub use item::{Item, Key, NewItem};
pub use limits::Limits;
pub use memory::Memory;
pub use names::{Namespace, RecordId};
pub use operation::{Delete, Entry, EntryPage, Get, ItemPage, Position, Put, PutResult, Scan};
pub use page_token::TokenScope;
pub use precondition::{Expected, Precondition};
pub use predicate::{Bounds, Predicate};
pub use selection::{Direction, PageSize, Selection};
pub use time::Timestamp;
pub use validate::Invalid;
