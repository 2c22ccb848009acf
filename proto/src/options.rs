//! Prism's custom options, read back from the descriptor set: what the schema says beside the shape of its messages.
//!
//! ```
//! use prism_proto::options;
//!
//! let put = options::method_options("prism.keyvalue.v1.KeyValueService/Put").unwrap();
//! assert_eq!(put.require_auth, Some(true));
//! assert_eq!(put.required_permissions, ["write"]);
//!
//! let key = options::field_options("prism.keyvalue.v1.Item", "key").unwrap();
//! assert_eq!(key.max_length, Some(1024));
//! ```

mod descriptor;
mod schema;

use std::time::Duration;

pub use self::schema::{Schema, SchemaError};
pub use crate::generated::{AccessPattern, Consistency, IndexKind, PiiKind};

/// What the schema says about one method, with the defaults of its service merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodOptions {
    /// Whether callers must say who they are; otherwise the call is UNAUTHENTICATED. `None`: the schema does not say.
    pub require_auth: Option<bool>,
    /// Permissions the caller must hold, all of them; otherwise the call is `PERMISSION_DENIED`.
    pub required_permissions: Vec<String>,
    /// The longest a call may take; a shorter deadline of the client wins. `None`: no limit of the method's own.
    pub timeout: Option<Duration>,
    /// Calling twice does what calling once does, so a client may retry or hedge without a priority token.
    pub idempotent: bool,
}

/// What the schema says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is an option of its own in the schema")]
pub struct FieldOptions {
    /// The part the field plays in finding an item.
    pub index: IndexKind,
    /// The kind of personal data the field holds.
    pub pii: PiiKind,
    /// The field's value must be stored encrypted.
    pub encrypt_at_rest: bool,
    /// The field's value never appears in a log line, a trace or an error message (ERR-2).
    pub mask_in_logs: bool,
    /// Each access to the field is to leave an audit record: methods whose messages hold it are audited.
    pub access_audit: bool,
    /// The field must be set, and must not be empty.
    pub required: bool,
    /// The longest value allowed, in bytes, of each element if the field is repeated. `None`: no limit of its own.
    pub max_length: Option<u32>,
    /// Further rules for the value, in the order they are written.
    pub validation: Vec<Rule>,
}

/// A rule for a field's value; one that breaks it is `INVALID_ARGUMENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The whole string matches this expression, in RE2 syntax.
    Regex(String),
    /// A repeated field or a map has at least this many elements.
    MinItems(u64),
    /// A repeated field or a map has at most this many elements.
    MaxItems(u64),
    /// A number is at least this; a `Duration` is at least this many microseconds.
    Min(i64),
    /// A string holds no NUL character.
    NoNul,
}

/// What the schema says about one message: the data set it describes. Nothing in the gateway acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOptions {
    /// The namespace that holds the data set; empty if the schema does not say.
    pub namespace: String,
    /// The backend that should hold the data set; empty if the schema does not say.
    pub backend: String,
    /// What the data set is mostly used for.
    pub access_pattern: AccessPattern,
    /// The consistency that readers of the data set need.
    pub consistency: Consistency,
    /// Days that an item is kept after its last write. 0: for ever.
    pub retention_days: u32,
    /// Reads expected at the busiest time, in requests per second.
    pub estimated_read_rps: u64,
    /// Writes expected at the busiest time, in requests per second.
    pub estimated_write_rps: u64,
    /// Size expected of the whole data set, in gigabytes of 10^9 bytes.
    pub estimated_data_size_gb: u64,
}

/// The options of a Prism method, named as in a gRPC path with or without the leading slash:
/// `prism.keyvalue.v1.KeyValueService/Put`. `None` if Prism has no such method.
pub fn method_options(method: &str) -> Option<&'static MethodOptions> {
    Schema::prism().method(method)
}

/// The options of a field of a Prism message, such as `prism.keyvalue.v1.Item` and `key`. `None` if there is no such
/// field.
pub fn field_options(message: &str, field: &str) -> Option<&'static FieldOptions> {
    Schema::prism().field(message, field)
}

/// The options of a Prism message, such as `prism.keyvalue.v1.Item`. `None` if there is no such message.
pub fn message_options(message: &str) -> Option<&'static MessageOptions> {
    Schema::prism().message(message)
}

/// Every Prism method with its options, ordered by name: `prism.keyvalue.v1.KeyValueService/Delete` and so on.
pub fn all_methods() -> impl Iterator<Item = (&'static str, &'static MethodOptions)> {
    Schema::prism().methods()
}
