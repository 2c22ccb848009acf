//! Proofs with malformed messages and requests, for every abstraction.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::http::{describe, framed, http_answer_text, request, send};
use super::{Probed, answer_text, call, refused};
use crate::core::StatusCode::{DeadlineExceeded, Internal, InvalidArgument, Unavailable, Unimplemented};
use crate::core::{Action, Ctx, Outcome, Proof, RawRequest, RawResponse, Reply, Stop, span};

/// Bytes that are not the method's message are refused, and harm nothing (ERR-3).
pub(crate) async fn bytes_that_are_no_message_are_refused<A: Probed>(c: &Ctx<A>) -> Proof {
    A::write_one(c).await?;
    for method in A::METHODS {
        for (what, bytes) in [
            ("a length past the end", &b"\x0a\x05a"[..]),
            ("an unterminated length", b"\x0a\xff"),
            ("an unknown wire type", b"\x0f\x00"),
            ("field number 0", b"\x02\x00"),
            ("text that is not UTF-8", b"\x0a\x02\xff\xfe"),
        ] {
            let answer = call(c, method, bytes, None).await?;
            let refused = answer.as_ref().is_err_and(|failure| {
                failure.code == InvalidArgument && failure.reason.as_deref() == Some("MALFORMED_MESSAGE")
            });
            let actual = format!("{} for {what}", answer_text(&answer));
            answer.expect(refused, "INVALID_ARGUMENT with reason MALFORMED_MESSAGE", actual)?;
        }
    }
    A::is_written(c, true).await
}

/// Whatever bytes are sent, the server goes on answering (ERR-3).
pub(crate) async fn no_input_kills_the_server<A: Probed>(c: &Ctx<A>) -> Proof {
    A::write_one(c).await?;
    let mut state = c.seed() | 1;
    let mut next = move || {
        // Xorshift: a seed must reproduce the bytes.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..c.budget().pick(8, 40, 2_000) {
        for method in A::METHODS {
            let length = usize::try_from(next() % 48).unwrap_or_default() + 1;
            let bytes: Vec<u8> = (0..length).map(|_| next().to_le_bytes()[3]).collect();
            let answer = call(c, method, bytes, None).await?;
            let refused = answer.as_ref().is_err_and(|failure| failure.code == InvalidArgument);
            answer.expect(refused, "INVALID_ARGUMENT", answer_text(&answer))?;
        }
    }
    A::is_written(c, true).await
}

/// A method or service that there is not is UNIMPLEMENTED (ERR-3).
pub(crate) async fn an_unknown_method_is_unimplemented<A: Probed>(c: &Ctx<A>) -> Proof {
    for path in A::UNKNOWN {
        refused(&call(c, path, Bytes::new(), None).await?, Unimplemented, "METHOD_NOT_FOUND")?;
    }
    Ok(())
}

/// A request of no message, of two, or of one that is cut short is refused (ERR-3).
pub(crate) async fn a_request_that_is_not_one_message_is_refused<A: Probed>(c: &Ctx<A>) -> Proof {
    let whole = framed(&A::message(c));
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
    // The second method takes one message too, and answers with many. The message of the write is not a valid request of it,
    // but framing is checked before the message is parsed.
    for path in [A::WRITE, A::STREAM] {
        for (what, body) in &bodies {
            let answer = send(c, request(path, body.clone())).await?;
            let refused = match answer.as_ref().map(|answer| &answer.outcome) {
                Ok(Some(Err(failure))) => match failure.code {
                    InvalidArgument => failure.reason.as_deref() == Some("MALFORMED_MESSAGE"),
                    code => [Internal, Unimplemented].contains(&code),
                },
                _ => false,
            };
            let expected = "INVALID_ARGUMENT with reason MALFORMED_MESSAGE, INTERNAL or UNIMPLEMENTED";
            answer.expect(refused, expected, format!("{} for {what}", http_answer_text(&answer)))?;
        }
    }
    A::is_written(c, false).await?;
    let answer = send(c, request(A::WRITE, vec![cut(2), cut(whole.len()).slice(2..)])).await?;
    let done = answer.as_ref().is_ok_and(|answer| matches!(answer.outcome, Some(Ok(()))));
    answer.expect(done, "OK for one message in two chunks", http_answer_text(&answer))?;
    A::is_written(c, true).await
}

/// A write whose request does not end, or breaks off, is not done (ERR-3, ERR-4).
pub(crate) async fn a_request_that_does_not_end_is_not_done<A: Probed>(c: &Ctx<A>) -> Proof {
    let whole = Bytes::from(framed(&A::message(c)));
    let open = |body| RawRequest {
        deadline: Some(Duration::from_millis(500)),
        ends: false,
        ..request(A::WRITE, body)
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
        answer.expect(passed, "DEADLINE_EXCEEDED, promptly", http_answer_text(&answer))?;
        A::is_written(c, false).await?;
    }
    // The same, cancelled by the client: the connection is ordered, so the server sees the request break off before
    // it answers the next one.
    let raw = c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
    for wait in [0, 1, 10, 50] {
        let sent = RawRequest { deadline: None, ..open(vec![whole.clone()]) };
        let description =
            format!("{}, and cancel after {}", describe(&sent), span(Duration::from_millis(wait)));
        let cancelled = timeout(Duration::from_millis(wait), raw.send(sent)).await;
        let step = c.record(Action::Raw(description), Outcome::Done);
        let unanswered = cancelled.is_err();
        Reply::at(step, ()).expect(unanswered, "no answer before the request ends", "an answer")?;
        A::is_written(c, false).await?;
    }
    Ok(())
}

/// Another HTTP method or content type than gRPC's is refused (ERR-3).
pub(crate) async fn what_is_no_post_of_grpc_is_refused<A: Probed>(c: &Ctx<A>) -> Proof {
    let whole = Bytes::from(framed(&A::message(c)));
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
        let sent = RawRequest { method, content_type, ..request(A::WRITE, vec![whole.clone()]) };
        let answer = send(c, sent).await?;
        // Some frameworks reset the stream of a request that is no call, before any code of the server runs.
        let refused = match &*answer {
            Ok(answer) => answer.http_status == status,
            Err(failure) => ![DeadlineExceeded, Unavailable].contains(&failure.code),
        };
        let expected = format!("HTTP status {status}, or a stream that is reset (ERR-3)");
        answer.expect(refused, expected, http_answer_text(&answer))?;
        A::is_written(c, false).await?;
    }
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let sent = RawRequest { content_type: Some(content_type), ..request(A::WRITE, vec![whole.clone()]) };
        let answer = send(c, sent).await?;
        let done = answer.as_ref().is_ok_and(|answer| matches!(answer.outcome, Some(Ok(()))));
        answer.expect(done, format!("OK for {content_type}"), http_answer_text(&answer))?;
    }
    A::is_written(c, true).await
}
