//! HTTP requests: one that is not a gRPC call, or not exactly one whole message, has no effect.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{METHODS, PROMPT, PUT, bytes_field};
use crate::core::Need::Wire;
use crate::core::StatusCode::{DeadlineExceeded, Internal, InvalidArgument, Unavailable, Unimplemented};
use crate::core::{
    Failure, RawRequest, RawResponse, Reply, Stop, bytes as shown, case, diverged, failure_text, span,
};
use crate::keyvalue::{Action, Case, Ctx, Outcome};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_request_that_is_not_one_message_is_refused",
        "A request of no message, of two, or of one that is cut short is refused, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| {
            let whole = framed(&put(c));
            let again = whole.clone();
            let cut = |at: usize| Bytes::copy_from_slice(&whole[..at]);
            let bodies: [(&str, Vec<Bytes>); 6] = [
                ("no message", vec![]),
                ("half a message prefix", vec![cut(3)]),
                ("half a message", vec![cut(whole.len() - 1)]),
                ("two messages in one chunk", vec![[whole.as_slice(), &again].concat().into()]),
                ("two messages in two chunks", vec![cut(whole.len()), again.into()]),
                ("a message and the start of another", vec![[whole.as_slice(), &[0, 0]].concat().into()]),
            ];
            // Scan takes one message too, and answers with many. A Put's message is not a valid Scan request, but framing is
            // checked before the message is parsed.
            for path in [PUT, METHODS[3]] {
                for (what, body) in &bodies {
                    let answer = send(c, call(path, body.clone())).await?;
                    let refused = match answer.as_ref().map(|answer| &answer.outcome) {
                        Ok(Some(Err(failure))) => match failure.code {
                            InvalidArgument => failure.reason.as_deref() == Some("MALFORMED_MESSAGE"),
                            code => [Internal, Unimplemented].contains(&code),
                        },
                        _ => false,
                    };
                    let expected =
                        "INVALID_ARGUMENT with reason MALFORMED_MESSAGE, INTERNAL or UNIMPLEMENTED";
                    answer.expect(refused, expected, format!("{} for {what}", answer_text(&answer)))?;
                }
            }
            c.get().ok().await?.is_empty()?;
            let answer = send(c, call(PUT, vec![cut(2), cut(whole.len()).slice(2..)])).await?;
            let done = answer.as_ref().is_ok_and(|answer| matches!(answer.outcome, Some(Ok(()))));
            answer.expect(done, "OK for one message in two chunks", answer_text(&answer))?;
            c.get().ok().await?.holds(&[("k", "v")])
        }
    ),
    case!(
        "wire::a_request_that_does_not_end_is_not_done",
        "A write whose request does not end, or breaks off, is not done, however much of it came.",
        ["ERR-3", "ERR-4"],
        [Wire],
        |c| {
            let whole = Bytes::from(framed(&put(c)));
            let open = |body| RawRequest {
                deadline: Some(Duration::from_millis(500)),
                ends: false,
                ..call(PUT, body)
            };
            for body in [vec![], vec![whole.slice(..7)], vec![whole.clone()]] {
                let answer = send(c, open(body)).await?;
                let failure = match &*answer {
                    Ok(RawResponse { outcome: Some(Err(failure)), .. }) | Err(failure) => Some(failure),
                    Ok(_) => None,
                };
                let passed = failure.is_some_and(|failure| {
                    failure.code == DeadlineExceeded && !failure.message.contains("the suite gave up")
                });
                answer.expect(passed, "DEADLINE_EXCEEDED, promptly", answer_text(&answer))?;
                c.get().ok().await?.is_empty()?;
            }
            // The same, cancelled by the client: the connection is ordered, so the server sees the request break off before
            // it answers the next one.
            let raw =
                c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
            for wait in [0, 1, 10, 50] {
                let request = RawRequest { deadline: None, ..open(vec![whole.clone()]) };
                let description =
                    format!("{}, and cancel after {}", describe(&request), span(Duration::from_millis(wait)));
                let cancelled = timeout(Duration::from_millis(wait), raw.send(request)).await;
                let step = c.record(Action::Raw(description), Outcome::Done);
                let unanswered = cancelled.is_err();
                Reply::at(step, ()).expect(unanswered, "no answer before the request ends", "an answer")?;
                c.get().ok().await?.is_empty()?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::what_is_no_post_of_grpc_is_refused",
        "Another HTTP method than POST is 405, another content type than gRPC's is 415, and nothing is done.",
        ["ERR-3"],
        [Wire],
        |c| {
            let whole = Bytes::from(framed(&put(c)));
            let grpc = Some("application/grpc");
            for (method, content_type, status) in [
                ("GET", grpc, 405),
                ("PUT", grpc, 405),
                ("DELETE", grpc, 405),
                ("OPTIONS", None, 405),
                ("POST", None, 415),
                ("POST", Some("text/plain"), 415),
                ("POST", Some("application/x-www-form-urlencoded"), 415),
                ("POST", Some("application/json"), 415),
                ("POST", Some("application/grpc-web+proto"), 415),
                ("POST", Some("application/grpc-web"), 415),
            ] {
                let request = RawRequest { method, content_type, ..call(PUT, vec![whole.clone()]) };
                let answer = send(c, request).await?;
                // Some frameworks reset the stream of a request that is no call, before any code of the server runs.
                let refused = match &*answer {
                    Ok(answer) => answer.http_status == status,
                    Err(failure) => ![DeadlineExceeded, Unavailable].contains(&failure.code),
                };
                let expected = format!("HTTP status {status}, or a stream that is reset (ERR-3)");
                answer.expect(refused, expected, answer_text(&answer))?;
                c.get().ok().await?.is_empty()?;
            }
            for content_type in ["application/grpc", "application/grpc+proto"] {
                let request =
                    RawRequest { content_type: Some(content_type), ..call(PUT, vec![whole.clone()]) };
                let answer = send(c, request).await?;
                let done = answer.as_ref().is_ok_and(|answer| matches!(answer.outcome, Some(Ok(()))));
                answer.expect(done, format!("OK for {content_type}"), answer_text(&answer))?;
            }
            c.get().ok().await?.holds(&[("k", "v")])
        }
    ),
];

/// A Put of one item to record `r`, as bytes.
pub(super) fn put(c: &Ctx) -> Vec<u8> {
    [
        bytes_field(1, c.namespace("")),
        bytes_field(2, "r"),
        bytes_field(3, [bytes_field(1, "k"), bytes_field(2, "v")].concat()),
    ]
    .concat()
}

/// A message with its gRPC prefix.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A gRPC call with this body.
pub(super) fn call(path: &'static str, body: Vec<Bytes>) -> RawRequest {
    let content_type = Some("application/grpc");
    RawRequest { method: "POST", path, content_type, encoding: None, deadline: None, body, ends: true }
}

pub(super) type Answer = Reply<Result<RawResponse, Failure>>;

/// Sends a request and waits for the response.
pub(super) async fn send(c: &Ctx, request: RawRequest) -> Result<Answer, Stop> {
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

fn describe(request: &RawRequest) -> String {
    let RawRequest { method, path, content_type, encoding, deadline, body, ends } = request;
    let content_type = content_type.unwrap_or("no content type");
    let encoding = encoding.map(|encoding| format!(" in {encoding}")).unwrap_or_default();
    let body: Vec<_> = body.iter().map(|chunk| shown(chunk)).collect();
    let within = deadline.map(|deadline| format!(" within {}", span(deadline))).unwrap_or_default();
    let body = if body.is_empty() { "no bytes".to_owned() } else { body.join(" then ") };
    let end = if *ends { "" } else { " and no end" };
    format!("send {method} {path} of {content_type}{encoding} with {body}{end}{within}")
}

pub(super) fn answer_text(answer: &Answer) -> String {
    match &**answer {
        Ok(RawResponse { http_status, outcome: None, .. }) => format!("HTTP status {http_status}"),
        Ok(RawResponse { outcome: Some(Ok(())), .. }) => "OK".to_owned(),
        Ok(RawResponse { outcome: Some(Err(failure)), .. }) | Err(failure) => failure_text(failure),
    }
}

/// Sends several reflection requests in one stream, to the newest version that the server has; returns the responses in
/// order.
pub(super) async fn reflect(
    c: &Ctx,
    requests: &[Vec<u8>],
) -> Result<Reply<Result<Vec<Bytes>, Failure>>, Stop> {
    let body: Vec<Bytes> = requests.iter().map(|message| framed(message).into()).collect();
    let mut missing = 0;
    for path in super::REFLECTION {
        let answer = send(c, call(path, body.clone())).await?;
        let answer = answer.map(|answer| match answer {
            Ok(RawResponse { outcome: Some(Err(failure)), .. }) | Err(failure) => Err(failure),
            Ok(response) => Ok(unframed(&response.body)),
        });
        if !answer.as_ref().is_err_and(|failure| failure.code == Unimplemented) {
            return Ok(answer);
        }
        missing = answer.step;
    }
    let [stable, alpha] = super::REFLECTION;
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
