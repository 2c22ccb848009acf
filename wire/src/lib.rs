//! The contract over gRPC: what a server and a client of Prism share.
//!
//! Of every abstraction:
//! - [`message`]: requests and answers as protobuf messages, without copying a value.
//! - [`status`]: the contract's error to a gRPC status with its details, and a status back to what it says.
//! - [`call`]: who may make a call, whether it is let in, and what the log learns of it.
//! - [`slots`]: a bound on the calls in work, fair between namespaces and callers.
//! - [`body`]: a body that sees, changes or refuses what another body yields.
//! - [`http`]: lets nothing but gRPC requests through (ERR-3).
//! - [`layer`]: makes the framework's own failures follow the contract's table of statuses (ERR-1).
//! - [`one_message`]: lets a handler see only requests of one whole message (ERR-3).
//! - [`reflection`]: describes what a server serves (HEALTH-1).
//! - [`channel`]: a client's connection to a server.
//!
//! Of one abstraction: its conversions, its service and its client, in a module of its name: [`keyvalue`].

pub mod body;
pub mod call;
pub mod channel;
pub mod clock;
pub mod http;
pub mod keyvalue;
pub mod layer;
pub mod message;
pub mod one_message;
pub mod reflection;
pub mod slots;
pub mod status;

/// The largest request message that a server decodes, in bytes. It holds a Put of the largest size allowed with all its
/// framing, and leaves room for one that is too large to be refused field by field.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;
