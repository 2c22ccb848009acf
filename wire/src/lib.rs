//! The contract over gRPC: the code shared by servers and clients of Prism.
//!
//! For all abstractions:
//! - [`message`]: conversion of requests and responses to and from protobuf messages, without copying values.
//! - [`status`]: conversion of the contract's errors to gRPC statuses with details, and back.
//! - [`call`]: authorization and admission of a call, and its notes for the log and for an audit.
//! - [`subject`]: the data that an audited call names.
//! - [`slots`]: admission control, fair between namespaces and callers.
//! - [`body`]: a filter on the frames of a body.
//! - [`http`]: rejects everything but gRPC requests (ERR-3).
//! - [`layer`]: maps the framework's own failures to the contract's table of statuses (ERR-1).
//! - [`one_message`]: rejects requests that are not exactly one complete message (ERR-3).
//! - [`reflection`]: server reflection (HEALTH-1).
//! - [`channel`]: a client's connection to a server.
//! - [`resume`]: response streams that a client resumes after an interruption.
//!
//! For one abstraction: conversions, service and client, in a module of its name: [`keyvalue`] and
//! [`timeseries`].

pub mod body;
pub mod call;
pub mod channel;
pub mod clock;
pub mod http;
pub mod keyvalue;
pub mod layer;
pub mod message;
pub mod one_message;
mod pages;
pub mod reflection;
pub mod resume;
pub mod slots;
pub mod status;
pub mod subject;
pub mod timeseries;

/// Maximum request message that a server decodes, in bytes. It fits the largest allowed Put with its framing, and leaves
/// room for oversized requests to be refused with the offending field.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;
