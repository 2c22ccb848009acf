//! Requests of HTTP/2 as bytes, and their responses.

use bytes::Bytes;
use tokio::time::timeout;

use super::{PROMPT, REFLECTION};
use crate::core::StatusCode::{DeadlineExceeded, Unimplemented};
use crate::core::{
    Abstraction, Action, Ctx, Failure, Outcome, RawRequest, RawResponse, Reply, Stop, bytes as shown,
    diverged, failure_text, span,
};

/// A message with its gRPC prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A gRPC call with this body.
pub(crate) fn request(path: &'static str, body: Vec<Bytes>) -> RawRequest {
    let content_type = Some("application/grpc");
    RawRequest { method: "POST", path, content_type, encoding: None, deadline: None, body, ends: true }
}

pub(crate) type HttpAnswer = Reply<Result<RawResponse, Failure>>;

/// Sends a request and waits for the response.
pub(crate) async fn send<A: Abstraction>(c: &Ctx<A>, request: RawRequest) -> Result<HttpAnswer, Stop> {
    let raw = c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
    let description = describe(&request);
    let (answer, mark) = c.marked(timeout(PROMPT, raw.send(request))).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Failure::new(DeadlineExceeded, format!("the suite gave up waiting after {}", span(PROMPT))))
    });
    let failed = match &answer {
        Ok(answer) => answer.outcome.clone().and_then(Result::err),
        Err(failure) => Some(failure.clone()),
    };
    let outcome = failed.map_or(Outcome::Done, Outcome::Failed);
    Ok(Reply::at(c.record_marked(Action::Raw(description), outcome, mark), answer))
}

pub(crate) fn describe(request: &RawRequest) -> String {
    let RawRequest { method, path, content_type, encoding, deadline, body, ends } = request;
    let content_type = content_type.unwrap_or("no content type");
    let encoding = encoding.map(|encoding| format!(" in {encoding}")).unwrap_or_default();
    let body: Vec<_> = body.iter().map(|chunk| shown(chunk)).collect();
    let within = deadline.map(|deadline| format!(" within {}", span(deadline))).unwrap_or_default();
    let body = if body.is_empty() { "no bytes".to_owned() } else { body.join(" then ") };
    let end = if *ends { "" } else { " and no end" };
    format!("send {method} {path} of {content_type}{encoding} with {body}{end}{within}")
}

pub(crate) fn http_answer_text(answer: &HttpAnswer) -> String {
    match &**answer {
        Ok(RawResponse { http_status, outcome: None, .. }) => format!("HTTP status {http_status}"),
        Ok(RawResponse { outcome: Some(Ok(())), .. }) => "OK".to_owned(),
        Ok(RawResponse { outcome: Some(Err(failure)), .. }) | Err(failure) => failure_text(failure),
    }
}

/// Sends several reflection requests in one stream, to the newest version that the server has; returns the responses in
/// order.
pub(crate) async fn reflect<A: Abstraction>(
    c: &Ctx<A>,
    requests: &[Vec<u8>],
) -> Result<Reply<Result<Vec<Bytes>, Failure>>, Stop> {
    let body: Vec<Bytes> = requests.iter().map(|message| framed(message).into()).collect();
    let mut missing = 0;
    for path in REFLECTION {
        let answer = send(c, request(path, body.clone())).await?;
        let answer = answer.map(|answer| match answer {
            Ok(RawResponse { outcome: Some(Err(failure)), .. }) | Err(failure) => Err(failure),
            Ok(response) => Ok(unframed(&response.body)),
        });
        if !answer.as_ref().is_err_and(|failure| failure.code == Unimplemented) {
            return Ok(answer);
        }
        missing = answer.step;
    }
    let [stable, alpha] = REFLECTION;
    diverged(missing, format!("a list of services from {stable} or {alpha}"), "UNIMPLEMENTED by both")
}

/// The messages of a body.
fn unframed(mut body: &[u8]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some(([_, length @ ..], rest)) = body.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        messages.push(Bytes::copy_from_slice(message));
        body = rest;
    }
    messages
}
