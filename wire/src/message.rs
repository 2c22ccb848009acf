//! Requests and answers of the contract as protobuf messages. Byte strings move; none is copied.
//!
//! A request converts whatever it says: the edge is what refuses. An answer comes from a server that may be wrong, so reading one
//! can fail.

/// A request of the contract, as the message that carries it.
pub trait WireRequest: Sized {
    /// The protobuf message.
    type Message;

    /// The request that a message says. Fields that only a server sets are ignored.
    fn from_message(message: Self::Message) -> Self;

    /// The message that says this request.
    fn into_message(self) -> Self::Message;
}

/// An answer of the contract, as the message that carries it.
pub trait WireResponse: Sized {
    /// The protobuf message.
    type Message;

    /// The answer that a message says.
    ///
    /// # Errors
    /// [`Unreadable`] if the message breaks a promise of the contract: a key of no length, metadata left out.
    fn from_message(message: Self::Message) -> Result<Self, Unreadable>;

    /// The message that says this answer.
    fn into_message(self) -> Self::Message;
}

/// An answer that breaks a promise of the contract. It names the field and what is wrong, and repeats no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer cannot be read: {field} {why}")]
pub struct Unreadable {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it.
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
