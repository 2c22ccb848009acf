//! The gRPC layer: malformed messages and requests, unknown fields, deadlines, cancellation, slow readers, health and
//! reflection.

mod bytes;
mod calls;
mod details;
mod encoding;
mod health;
mod http;
mod protobuf;

use std::time::Duration;

use ::bytes::Bytes;
use futures::StreamExt;
use tokio::time::timeout;

use crate::core::StatusCode::DeadlineExceeded;
use crate::core::{Failure, Proof, Reply, StatusCode, Stop, bytes as shown, failure_text, span};
use crate::keyvalue::{Action, Case, Ctx, Outcome};
use protobuf::bytes_field;

/// The cases, grouped by what they send.
pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    [bytes::CASES, http::CASES, encoding::CASES, details::CASES, calls::CASES, health::CASES]
        .into_iter()
        .flatten()
}

const PUT: &str = "/prism.keyvalue.v1.KeyValueService/Put";
const METHODS: [&str; 5] = [
    PUT,
    "/prism.keyvalue.v1.KeyValueService/Get",
    "/prism.keyvalue.v1.KeyValueService/Delete",
    "/prism.keyvalue.v1.KeyValueService/Scan",
    "/prism.keyvalue.v1.KeyValueService/Describe",
];
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The two versions of reflection, with the same messages; a server has at least one of them.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
const SERVICE: &str = "prism.keyvalue.v1.KeyValueService";

/// Time limit of a response that the contract calls prompt. Much more than any server needs, so that a busy machine does
/// not fail.
const PROMPT: Duration = Duration::from_secs(10);

type Answer = Reply<Result<Vec<Bytes>, Failure>>;

/// Calls `path` with these bytes and reads the response to its end.
async fn call(
    c: &Ctx,
    path: &'static str,
    message: impl Into<Bytes>,
    deadline: Option<Duration>,
) -> Result<Answer, Stop> {
    let message = message.into();
    let within = deadline.map(|deadline| format!(" within {}", span(deadline))).unwrap_or_default();
    let description = format!("call {path} with {}{within}", shown(&message));
    let raw = c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
    let reading = async {
        let mut messages = raw.call(path, message, deadline).await?;
        let mut read = Vec::new();
        while let Some(message) = messages.next().await {
            read.push(message?);
        }
        Ok(read)
    };
    let (answer, mark) = c.marked(timeout(PROMPT, reading)).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Failure::new(DeadlineExceeded, format!("the suite gave up waiting after {}", span(PROMPT))))
    });
    let outcome = answer.as_ref().map_or_else(|failure| Outcome::Failed(failure.clone()), |_| Outcome::Done);
    Ok(Reply::at(c.record_marked(Action::Raw(description), outcome, mark), answer))
}

fn answer_text(answer: &Answer) -> String {
    match &**answer {
        Ok(messages) => format!("OK with {} messages", messages.len()),
        Err(failure) => {
            let text = failure_text(failure);
            match &failure.reason {
                Some(reason) => format!("{text} with reason {reason}"),
                None => format!("{text}, and grpc-status-details-bin lacks google.rpc.ErrorInfo"),
            }
        }
    }
}

/// The call must be refused with this status and this reason.
fn refused(answer: &Answer, code: StatusCode, reason: &str) -> Proof {
    let matches = answer.as_ref().is_err_and(|failure| {
        failure.code == code
            && failure.reason.as_deref() == Some(reason)
            && failure.domain.as_deref() == Some("prism")
    });
    answer.expect(matches, format!("{code} with reason {reason} of the domain prism"), answer_text(answer))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
