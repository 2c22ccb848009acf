//! Types shared by all abstractions, public at the root of the crate.

mod code;
mod error;
mod lifecycle;
mod namespace;
mod page_size;
mod page_token;
mod rules;
mod time;
mod violations;

pub use self::code::Code;
pub use self::error::{Cause, Error, FieldViolation, PreconditionFailure};
pub use self::lifecycle::{Lifecycle, Swept};
pub use self::namespace::Namespace;
pub use self::page_size::PageSize;
pub(crate) use self::page_token::Seal;
pub(crate) use self::rules::parse as parse_requirements;
pub use self::rules::{Level, Requirement, Scope};
pub use self::time::Timestamp;
pub use self::violations::{Checks, Invalid};
