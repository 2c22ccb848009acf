//! Builds the `google.rpc.Status` of an error, within the size limits of trailers.

use std::time::Duration;

use prism_proto::common::FailedPreconditions;
use prost::Message;
use prost_types::Any;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::pb;

use super::DOMAIN;

/// Maximum bytes of the encoded details: 6 KiB in base64, of the 8 KiB that common clients allow for all trailers together.
const BUDGET: usize = 6 * 1024 / 4 * 3;

/// Maximum bytes of the message. It is sent twice: in the details, and percent-encoded in a trailer.
const MESSAGE: usize = 512;

/// Maximum bytes of the last violation of a truncated list.
const MORE: usize = 96;

const PREFIX: &str = "type.googleapis.com/";

/// The full name of [`FailedPreconditions`].
pub(super) const TYPED: &str = "prism.common.FailedPreconditions";

/// The header with the retry delay in milliseconds, for a client's own retry policy (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// An element of a list that may be truncated.
pub(super) enum Item<'a, T> {
    /// An element.
    Listed(&'a T),
    /// A placeholder for this many elements that are not listed.
    More(usize),
}

/// A status under construction.
pub(super) struct Details {
    code: Code,
    status: pb::Status,
    metadata: MetadataMap,
}

impl Details {
    /// A status with its ErrorInfo, which every error carries.
    pub(super) fn new(code: Code, mut message: String, reason: &str) -> Self {
        message.truncate(message.floor_char_boundary(MESSAGE));
        let status = pb::Status { code: i32::from(code), message, details: Vec::new() };
        let mut details = Self { code, status, metadata: MetadataMap::new() };
        let info =
            pb::ErrorInfo { reason: reason.to_owned(), domain: DOMAIN.to_owned(), ..Default::default() };
        details.push("google.rpc.ErrorInfo", &info);
        details
    }

    fn push(&mut self, name: &str, message: &impl Message) {
        let value = message.encode_to_vec();
        self.status.details.push(Any { type_url: format!("{PREFIX}{name}"), value });
    }

    /// Adds the retry delay, in the details and in the metadata: a client's retry policy from a service config only uses the
    /// latter.
    pub(super) fn push_retry(&mut self, after: Duration) {
        // Rounded up, so that no client retries too early.
        let millis = after.as_nanos().div_ceil(1_000_000);
        let millis = MetadataValue::from(i32::try_from(millis).unwrap_or(i32::MAX));
        self.metadata.insert(PUSHBACK, millis);
        let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(after.subsec_nanos()).expect("less than a second of nanoseconds");
        let retry_delay = Some(prost_types::Duration { seconds, nanos });
        self.push("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay });
    }

    /// Adds as much of a list as fits, and returns whether that was all. `message` makes a message with the list as its
    /// first and only field.
    pub(super) fn push_list<T, V: Message, M: Message + Named>(
        &mut self,
        all: &[T],
        element: impl Fn(&Item<'_, T>) -> V,
        message: impl FnOnce(Vec<V>) -> M,
    ) -> bool {
        let room = self.room().saturating_sub(MORE);
        let (mut listed, mut used) = (Vec::with_capacity(all.len()), 0);
        for item in all {
            let item = element(&Item::Listed(item));
            used += size_in_list(&item);
            if used > room {
                break;
            }
            listed.push(item);
        }
        let left = all.len() - listed.len();
        if left > 0 {
            listed.push(element(&Item::More(left)));
        }
        self.push(M::NAME, &message(listed));
        left == 0
    }

    /// Adds the typed form of a list, if it fits.
    pub(super) fn push_if_it_fits(&mut self, typed: &FailedPreconditions) {
        if typed.encoded_len() <= self.room() {
            self.push(TYPED, typed);
        }
    }

    /// The bytes left for the value of one more detail, after its type and framing.
    fn room(&self) -> usize {
        const FRAMING: usize = 80;
        BUDGET.saturating_sub(self.status.encoded_len() + FRAMING)
    }

    pub(super) fn into_status(self) -> Status {
        let details = self.status.encode_to_vec().into();
        Status::with_details_and_metadata(self.code, self.status.message, details, self.metadata)
    }
}

/// The encoded size of a message as a list element, for field numbers below 16.
fn size_in_list(message: &impl Message) -> usize {
    let len = message.encoded_len();
    1 + prost::length_delimiter_len(len) + len
}

/// A list message with its full name.
pub(super) trait Named {
    /// The full name.
    const NAME: &'static str;
}

impl Named for pb::BadRequest {
    const NAME: &'static str = "google.rpc.BadRequest";
}

impl Named for pb::PreconditionFailure {
    const NAME: &'static str = "google.rpc.PreconditionFailure";
}
