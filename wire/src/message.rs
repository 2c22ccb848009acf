//! Requests and responses of the contract as protobuf messages. Byte strings are moved, never copied.
//!
//! Any request converts: validation is the edge's task. A response comes from a server that may be faulty, so its
//! conversion can fail.

use std::time::Duration;

use prism_contract::{DurationInput, TimeInput, Timestamp};

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

const MICROS: i64 = 1_000_000;

/// A time of a response, which must be a whole microsecond (PUT-5).
pub(crate) fn timestamp_from(
    field: &'static str,
    message: prost_types::Timestamp,
) -> Result<Timestamp, Unreadable> {
    let prost_types::Timestamp { seconds, nanos } = message;
    if !(0..1_000_000_000).contains(&nanos) || nanos % 1_000 != 0 {
        return Err(Unreadable::new(field, "is not a whole microsecond"));
    }
    let micros = seconds.checked_mul(MICROS).and_then(|micros| micros.checked_add(i64::from(nanos / 1_000)));
    let micros = micros.ok_or_else(|| Unreadable::new(field, "is a time outside the years 1 to 9999"))?;
    Timestamp::from_micros(micros).map_err(|why| Unreadable::new(field, why))
}

/// A time as a message. Nanos count forwards, even before 1970.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(MICROS) * 1_000).expect("less than a second of nanoseconds");
    prost_types::Timestamp { seconds: micros.div_euclid(MICROS), nanos }
}

/// A duration of a request, not validated.
pub(crate) fn duration_input(message: prost_types::Duration) -> DurationInput {
    DurationInput { seconds: message.seconds, nanos: message.nanos }
}

/// A duration of a request as a message.
pub(crate) fn input_duration(input: DurationInput) -> prost_types::Duration {
    prost_types::Duration { seconds: input.seconds, nanos: input.nanos }
}

/// A time of a request, not validated.
pub(crate) fn time_input(message: prost_types::Timestamp) -> TimeInput {
    TimeInput { seconds: message.seconds, nanos: message.nanos }
}

/// A time of a request as a message.
pub(crate) fn input_time(input: TimeInput) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: input.seconds, nanos: input.nanos }
}

/// A duration of a response, which must not be negative.
pub(crate) fn duration_from(
    field: &'static str,
    message: prost_types::Duration,
) -> Result<Duration, Unreadable> {
    Duration::try_from(message).map_err(|_| Unreadable::new(field, "is negative or no valid duration"))
}
