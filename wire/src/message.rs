//! Requests and responses of the contract as protobuf messages. Byte strings are moved, never copied.
//!
//! Any request converts: validation is the edge's task. A response comes from a server that may be faulty, so its
//! conversion can fail.

/// A request of the contract with its protobuf message.
pub trait WireRequest: Sized {
    /// The protobuf message.
    type Message;

    /// Converts a message to a request. Fields that only a server sets are ignored.
    fn from_message(message: Self::Message) -> Self;

    /// Converts the request to a message.
    fn into_message(self) -> Self::Message;
}

/// A response of the contract with its protobuf message.
pub trait WireResponse: Sized {
    /// The protobuf message.
    type Message;

    /// Converts a message to a response.
    ///
    /// # Errors
    /// [`Unreadable`] if the message violates the contract: an empty key, missing metadata.
    fn from_message(message: Self::Message) -> Result<Self, Unreadable>;

    /// Converts the response to a message.
    fn into_message(self) -> Self::Message;
}

/// A response that violates the contract. The error names the field and the fault, and repeats no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer cannot be read: {field} {why}")]
pub struct Unreadable {
    /// The faulty field.
    pub field: &'static str,
    /// The fault.
    pub why: String,
}

impl Unreadable {
    pub(crate) fn new(field: &'static str, why: impl std::fmt::Display) -> Self {
        Self { field, why: why.to_string() }
    }

    pub(crate) fn missing(field: &'static str) -> Self {
        Self::new(field, "is missing")
    }
}
