//! Compressed messages: one that the server cannot read has no effect, and should be refused in a way that tells what it reads.

use bytes::Bytes;

use super::PUT;
use super::http::{Answer, answer_text, call, framed, put, send};
use crate::core::Need::Wire;
use crate::core::StatusCode::{DeadlineExceeded, Unimplemented};
use crate::core::{RawRequest, Stop, case};
use crate::keyvalue::{Case, Ctx};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_message_in_an_unknown_compression_is_not_done",
        "A message in a compression that the server does not read is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| {
            let answer = compressed(c).await?;
            let refused = match answer.as_ref().map(|answer| &answer.outcome) {
                Ok(Some(Err(_))) => true,
                // The stream was reset.
                Err(failure) => failure.code != DeadlineExceeded,
                Ok(None | Some(Ok(()))) => false,
            };
            answer.expect(refused, "a refusal, such as UNIMPLEMENTED (ERR-3)", answer_text(&answer))?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "wire::an_unknown_compression_is_unimplemented",
        "A compression that the server does not read is UNIMPLEMENTED, and the answer lists those it reads.",
        ["ERR-7"],
        [Wire],
        |c| {
            let answer = compressed(c).await?;
            let failure = answer.as_ref().map_or_else(Some, |answer| match &answer.outcome {
                Some(Err(failure)) => Some(failure),
                None | Some(Ok(())) => None,
            });
            let refused = failure.is_some_and(|failure| {
                failure.code == Unimplemented && failure.reason.as_deref() == Some("UNSUPPORTED_ENCODING")
            });
            let reason = failure.and_then(|failure| failure.reason.as_deref()).unwrap_or("no reason");
            let actual = format!("{}, {reason}", answer_text(&answer));
            answer.expect(refused, "UNIMPLEMENTED with reason UNSUPPORTED_ENCODING (ERR-7)", actual)?;
            let accepted = answer.as_ref().ok().and_then(|answer| answer.accept_encoding.as_deref());
            let actual = accepted.map_or("no such header".to_owned(), |accepted| format!("'{accepted}'"));
            let lists = accepted
                .is_some_and(|accepted| accepted.split(',').any(|encoding| encoding.trim() == "identity"));
            answer.expect(lists, "grpc-accept-encoding with identity among others (ERR-7)", actual)
        }
    )
    .should(),
];

/// Sends a Put that is marked as compressed in a way that no server knows. The bytes are those of the plain message: a server
/// that ignores the mark would do it.
async fn compressed(c: &Ctx) -> Result<Answer, Stop> {
    let mut body = framed(&put(c));
    body[0] = 1;
    send(c, RawRequest { encoding: Some("prism-none"), ..call(PUT, vec![Bytes::from(body)]) }).await
}
