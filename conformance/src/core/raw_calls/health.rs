//! Proofs about health and reflection, for every abstraction.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::http::reflect;
use super::protobuf::bytes_field;
use super::{HEALTH, PROMPT, Probed, answer_text, call, contains};
use crate::core::{Ctx, Proof, span};

/// Health says SERVING, and reflection lists every service (HEALTH-1).
pub(crate) async fn health_and_reflection_answer<A: Probed>(c: &Ctx<A>) -> Proof {
    for service in ["", A::SERVICE] {
        let request = if service.is_empty() { Vec::new() } else { bytes_field(1, service) };
        let answer = call(c, HEALTH, request, None).await?;
        let matches = answer.as_ref().is_ok_and(|messages| *messages == [serving(true)]);
        answer.expect(matches, format!("SERVING from {HEALTH}"), answer_text(&answer))?;
    }
    let answer = reflect(c, &[bytes_field(7, "")]).await?;
    for service in [A::SERVICE, "grpc.health.v1.Health"] {
        let lists = answer
            .as_ref()
            .is_ok_and(|messages| messages.iter().any(|message| contains(message, service.as_bytes())));
        answer.expect(lists, format!("a list with {service} from reflection"), answer_text(&answer))?;
    }
    Ok(())
}

/// Reflection describes what errors carry, and goes on after what it does not know (HEALTH-1).
pub(crate) async fn reflection_goes_on_after_what_it_does_not_know<A: Probed>(c: &Ctx<A>) -> Proof {
    // Subject, request, and the expected response: its field number and a part of it. Field 1 of an error is the
    // code: NOT_FOUND is 5.
    let extension = [bytes_field(1, "google.protobuf.MethodOptions"), vec![2 << 3, 0xff, 0x8a, 3]].concat();
    let package = A::SERVICE.rsplit_once('.').map_or("", |(package, _)| package);
    let of_all: [(&str, Vec<u8>, u8, &[u8]); 7] = [
        ("an unknown symbol", bytes_field(4, format!("{package}.Nothing")), 7, b"\x08\x05"),
        ("an unknown file", bytes_field(3, "nothing.proto"), 7, b"\x08\x05"),
        ("an unknown extension", bytes_field(5, extension), 7, b"\x08\x05"),
        ("the service", bytes_field(4, A::SERVICE), 4, A::SERVICE_NAME.as_bytes()),
        ("the details of a refusal", bytes_field(4, "google.rpc.BadRequest"), 4, b"BadRequest"),
        ("the details of every error", bytes_field(4, "google.rpc.ErrorInfo"), 4, b"ErrorInfo"),
        ("the carrier of details", bytes_field(4, "google.rpc.Status"), 4, b"Status"),
    ];
    let details = A::DETAILS.iter().map(|(what, of)| (*what, bytes_field(4, of), 4, name_of(of)));
    let mut queries = Vec::from(of_all);
    queries.extend(details);
    let requests: Vec<_> = queries.iter().map(|(_, request, ..)| request.clone()).collect();
    let answer = reflect(c, &requests).await?;
    let (expected, actual) =
        (format!("{} responses in one stream of reflection", queries.len()), answer_text(&answer));
    answer.expect(answer.as_ref().is_ok_and(|answers| answers.len() == queries.len()), expected, actual)?;
    for ((what, _, field, part), message) in queries.iter().zip(answer.as_ref().into_iter().flatten()) {
        let found =
            fields(message).into_iter().find(|(found, _)| RESULT_FIELDS.iter().any(|(of, _)| of == found));
        let matches = found.is_some_and(|(found, bytes)| found == *field && contains(bytes, part));
        let named =
            |field| RESULT_FIELDS.iter().find(|(of, _)| *of == field).map_or("nothing", |(_, name)| name);
        let actual = format!("{} for {what}", named(found.map_or(0, |(found, _)| found)));
        answer.expect(matches, format!("{} for {what}", named(*field)), actual)?;
    }
    Ok(())
}

/// Health says NOT_SERVING while the database is away (HEALTH-1).
pub(crate) async fn health_follows_the_database<A: Probed>(c: &Ctx<A>) -> Proof {
    for unreachable in [true, false] {
        c.outage(unreachable).await?;
        let deadline = Instant::now() + PROMPT;
        loop {
            let answer = call(c, HEALTH, Vec::new(), None).await?;
            let matches = answer.as_ref().is_ok_and(|messages| *messages == [serving(!unreachable)]);
            if matches {
                break;
            }
            let expected =
                format!("{} within {}", if unreachable { "NOT_SERVING" } else { "SERVING" }, span(PROMPT));
            answer.expect(Instant::now() < deadline, expected, answer_text(&answer))?;
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// `status: SERVING` or `status: NOT_SERVING`, as bytes.
fn serving(is: bool) -> Vec<u8> {
    vec![1 << 3, if is { 1 } else { 2 }]
}

/// Fields of a reflection response that hold its result: 4 (files), 5 (extension numbers) or 7 (an error).
const RESULT_FIELDS: [(u8, &str); 3] = [(4, "files"), (5, "extension numbers"), (7, "an error")];

/// The leading length-delimited fields of a message, in order, up to the first field of another type.
fn fields(mut message: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((&tag, rest)) = message.split_first() {
        let Some((length, rest)) = unvarint(rest).filter(|_| tag & 7 == 2) else { break };
        let Some((bytes, rest)) = rest.split_at_checked(length) else { break };
        found.push((tag >> 3, bytes));
        message = rest;
    }
    found
}

fn unvarint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    Some((number, &bytes[end + 1..]))
}

/// The last part of the full name of a message.
fn name_of(full: &str) -> &[u8] {
    full.rsplit('.').next().unwrap_or(full).as_bytes()
}
