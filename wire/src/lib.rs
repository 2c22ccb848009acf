//! The KeyValue contract over gRPC: what a server and a client of Prism share.
//!
//! - [`convert`]: protobuf messages to the contract's requests and answers, and back, without copying a value.
//! - [`status`]: the contract's error to a gRPC status with its details, and a status back to what it says.
//! - [`server`]: the gRPC service over an [`Edge`](prism_contract::keyvalue::Edge).
//! - [`slots`]: a bound on the calls in work, fair between namespaces and callers.
//! - [`http`]: lets nothing but gRPC requests through (ERR-3).
//! - [`layer`]: makes the framework's own failures follow the contract's table of statuses (ERR-1).
//! - [`one_message`]: lets a handler see only requests of one whole message (ERR-3).
//! - [`reflection`]: describes what a server serves (HEALTH-1).
//! - [`client`]: a client that speaks the contract's types.

pub mod client;
pub mod clock;
pub mod convert;
pub mod http;
pub mod layer;
pub mod one_message;
pub mod reflection;
pub mod server;
pub mod slots;
pub mod status;

/// The largest request message that a server decodes, in bytes. It holds a Put of the largest size allowed with all its
/// framing, and leaves room for one that is too large to be refused field by field.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;
