//! Raw calls below the methods of an abstraction, and the proofs with them that are the same for every abstraction: malformed
//! messages and requests, compression, health and reflection.

mod encoding;
mod health;
mod http;
mod malformed;
pub(crate) mod protobuf;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::StatusCode::DeadlineExceeded;
use super::{
    Abstraction, Action, Ctx, Failure, Outcome, Proof, Reply, StatusCode, Stop, bytes as shown, failure_text,
    span,
};

pub(crate) use encoding::{
    a_message_in_an_unknown_compression_is_not_done, an_unknown_compression_is_unimplemented,
};
pub(crate) use health::{
    health_and_reflection_answer, health_follows_the_database, reflection_goes_on_after_what_it_does_not_know,
};
pub(crate) use http::{HttpAnswer, framed, http_answer_text, request, send};
pub(crate) use malformed::{
    a_request_that_does_not_end_is_not_done, a_request_that_is_not_one_message_is_refused,
    an_unknown_method_is_unimplemented, bytes_that_are_no_message_are_refused, no_input_kills_the_server,
    what_is_no_post_of_grpc_is_refused,
};

/// An abstraction whose service is probed with raw calls.
pub(crate) trait Probed: Abstraction {
    /// The full name of the service.
    const SERVICE: &'static str;
    /// Its name without the package.
    const SERVICE_NAME: &'static str;
    /// The paths of all its methods.
    const METHODS: &'static [&'static str];
    /// The path of the method that writes.
    const WRITE: &'static str;
    /// The path of a method that answers with a stream.
    const STREAM: &'static str;
    /// Paths of methods and services that there are not.
    const UNKNOWN: [&'static str; 3];
    /// Messages that errors of this abstraction carry beside those of every error: what they are, and their full names.
    const DETAILS: &'static [(&'static str, &'static str)];

    /// Writes one thing, by a method of the store.
    fn write_one(c: &Ctx<Self>) -> BoxFuture<'_, Proof>;

    /// The same as the message of [`Probed::WRITE`].
    fn message(c: &Ctx<Self>) -> Vec<u8>;

    /// Whether exactly this thing was written, or nothing.
    fn is_written(c: &Ctx<Self>, written: bool) -> BoxFuture<'_, Proof>;
}

const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The two versions of reflection, with the same messages; a server has at least one of them.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Time limit of a response that a contract calls prompt. Much more than any server needs, so that a busy machine does not
/// fail.
pub(crate) const PROMPT: Duration = Duration::from_secs(10);

pub(crate) type Answer = Reply<Result<Vec<Bytes>, Failure>>;

/// Calls `path` with these bytes and reads the response to its end.
pub(crate) async fn call<A: Abstraction>(
    c: &Ctx<A>,
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

pub(crate) fn answer_text(answer: &Answer) -> String {
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
pub(crate) fn refused(answer: &Answer, code: StatusCode, reason: &str) -> Proof {
    let matches = answer.as_ref().is_err_and(|failure| {
        failure.code == code
            && failure.reason.as_deref() == Some(reason)
            && failure.domain.as_deref() == Some("prism")
    });
    answer.expect(matches, format!("{code} with reason {reason} of the domain prism"), answer_text(answer))
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Growth of the server's memory once it stops growing, or after 5 seconds.
pub(crate) async fn memory_growth<A: Abstraction>(c: &Ctx<A>, before: u64) -> u64 {
    const PAUSE: Duration = Duration::from_millis(50);
    let (deadline, mut highest, mut stable) = (Instant::now() + Duration::from_secs(5), before, 0);
    while stable < 6 && Instant::now() < deadline {
        sleep(PAUSE).await;
        let now = c.instance().resident_bytes().unwrap_or(highest);
        stable = if now > highest + (256 << 10) { 0 } else { stable + 1 };
        highest = highest.max(now);
    }
    highest - before
}
