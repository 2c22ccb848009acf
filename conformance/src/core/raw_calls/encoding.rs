//! Proofs with compressed messages, for every abstraction.

use bytes::Bytes;

use super::Probed;
use super::http::{HttpAnswer, framed, http_answer_text, request, send};
use crate::core::StatusCode::{DeadlineExceeded, Unimplemented};
use crate::core::{Ctx, Proof, RawRequest, Stop};

/// A message in a compression that the server does not read is not done (ERR-3).
pub(crate) async fn a_message_in_an_unknown_compression_is_not_done<A: Probed>(c: &Ctx<A>) -> Proof {
    let answer = compressed(c).await?;
    let refused = match answer.as_ref().map(|answer| &answer.outcome) {
        Ok(Some(Err(_))) => true,
        // The stream was reset.
        Err(failure) => failure.code != DeadlineExceeded,
        Ok(None | Some(Ok(()))) => false,
    };
    answer.expect(refused, "a refusal, such as UNIMPLEMENTED (ERR-3)", http_answer_text(&answer))?;
    A::is_written(c, false).await
}

/// A compression that the server does not read is UNIMPLEMENTED, and the answer lists those it reads (ERR-7).
pub(crate) async fn an_unknown_compression_is_unimplemented<A: Probed>(c: &Ctx<A>) -> Proof {
    let answer = compressed(c).await?;
    let failure = answer.as_ref().map_or_else(Some, |answer| match &answer.outcome {
        Some(Err(failure)) => Some(failure),
        None | Some(Ok(())) => None,
    });
    let refused = failure.is_some_and(|failure| {
        failure.code == Unimplemented && failure.reason.as_deref() == Some("UNSUPPORTED_ENCODING")
    });
    let reason = failure.and_then(|failure| failure.reason.as_deref()).unwrap_or("no reason");
    let actual = format!("{}, {reason}", http_answer_text(&answer));
    answer.expect(refused, "UNIMPLEMENTED with reason UNSUPPORTED_ENCODING (ERR-7)", actual)?;
    let accepted = answer.as_ref().ok().and_then(|answer| answer.accept_encoding.as_deref());
    let actual = accepted.map_or("no such header".to_owned(), |accepted| format!("'{accepted}'"));
    let lists =
        accepted.is_some_and(|accepted| accepted.split(',').any(|encoding| encoding.trim() == "identity"));
    answer.expect(lists, "grpc-accept-encoding with identity among others (ERR-7)", actual)
}

/// Sends a write that is marked as compressed in a way that no server knows. The bytes are those of the plain message: a server
/// that ignores the mark would do it.
async fn compressed<A: Probed>(c: &Ctx<A>) -> Result<HttpAnswer, Stop> {
    let mut body = framed(&A::message(c));
    body[0] = 1;
    send(c, RawRequest { encoding: Some("prism-none"), ..request(A::WRITE, vec![Bytes::from(body)]) }).await
}
