//! Types shared by all abstractions, public at the root of the crate.

mod capability;
mod code;
mod directory;
mod error;
mod input;
mod lifecycle;
mod namespace;
mod page_size;
mod page_token;
mod rules;
mod time;
mod violations;

pub(crate) use self::capability::capabilities;
pub use self::code::Code;
pub use self::directory::{Access, Directory, Served};
pub use self::error::{Cause, Error, FieldViolation, PreconditionFailure};
pub use self::input::{DurationInput, TimeInput};
pub use self::lifecycle::{Lifecycle, Swept};
pub use self::namespace::Namespace;
pub use self::page_size::PageSize;
pub(crate) use self::page_token::Seal;
pub(crate) use self::rules::parse as parse_requirements;
pub use self::rules::{Level, Requirement, Scope};
pub use self::time::Timestamp;
pub(crate) use self::violations::checked_text;
pub use self::violations::{Checks, Invalid};
