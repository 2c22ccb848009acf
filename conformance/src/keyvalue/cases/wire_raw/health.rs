//! Health and reflection, the services beside the service.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::http::reflect;
use super::{HEALTH, PROMPT, REFLECTION, SERVICE, call, contains, said, text};
use crate::core::Need::{Ability, Alone, Wire};
use crate::core::case;
use crate::keyvalue::Case;

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::health_and_reflection_answer",
        "Health says SERVING of the server and of its service, and reflection lists every service.",
        ["HEALTH-1"],
        [Wire],
        |c| {
            for service in ["", SERVICE] {
                let ask = if service.is_empty() { Vec::new() } else { text(1, service) };
                let answer = call(c, HEALTH, ask, None).await?;
                let is_so = answer.as_ref().is_ok_and(|messages| *messages == [serving(true)]);
                answer.expect(is_so, "SERVING", said(&answer))?;
            }
            let answer = call(c, REFLECTION, text(7, ""), None).await?;
            for service in [SERVICE, "grpc.health.v1.Health"] {
                let lists = answer.as_ref().is_ok_and(|messages| {
                    messages.iter().any(|message| contains(message, service.as_bytes()))
                });
                answer.expect(lists, format!("a list with {service}"), said(&answer))?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::reflection_goes_on_after_what_it_does_not_know",
        "Reflection describes what errors carry, answers what is missing in words, and goes on with its stream.",
        ["HEALTH-1"],
        [Wire],
        |c| {
            // What is asked in which field of a request, and the field and a part of its answer. In an error, field 1 is the code:
            // NOT_FOUND is 5.
            let extension = [text(1, "google.protobuf.MethodOptions"), vec![2 << 3, 0xff, 0x8a, 3]].concat();
            let asked: [(&str, Vec<u8>, u8, &[u8]); 8] = [
                ("a symbol that there is not", text(4, "prism.keyvalue.v1.Nothing"), 7, b"\x08\x05"),
                ("a file that there is not", text(3, "nothing.proto"), 7, b"\x08\x05"),
                ("an extension that there is not", text(5, extension), 7, b"\x08\x05"),
                ("the service", text(4, SERVICE), 4, b"KeyValueService"),
                ("what a refusal carries", text(4, "google.rpc.BadRequest"), 4, b"BadRequest"),
                ("what every error carries", text(4, "google.rpc.ErrorInfo"), 4, b"ErrorInfo"),
                ("how details travel", text(4, "google.rpc.Status"), 4, b"Status"),
                (
                    "a failed precondition",
                    text(4, "prism.common.FailedPreconditions"),
                    4,
                    b"FailedPreconditions",
                ),
            ];
            let requests: Vec<_> = asked.iter().map(|(_, request, ..)| request.clone()).collect();
            let answer = reflect(c, &requests).await?;
            let (expected, actual) = (format!("{} answers in one stream", asked.len()), said(&answer));
            answer.expect(
                answer.as_ref().is_ok_and(|answers| answers.len() == asked.len()),
                expected,
                actual,
            )?;
            for ((what, _, field, part), message) in asked.iter().zip(answer.as_ref().into_iter().flatten()) {
                let found =
                    fields(message).into_iter().find(|(found, _)| ANSWERS.iter().any(|(of, _)| of == found));
                let is_so = found.is_some_and(|(found, bytes)| found == *field && contains(bytes, part));
                let named =
                    |field| ANSWERS.iter().find(|(of, _)| *of == field).map_or("nothing", |(_, name)| name);
                let actual = format!("{} for {what}", named(found.map_or(0, |(found, _)| found)));
                answer.expect(is_so, format!("{} for {what}", named(*field)), actual)?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::health_follows_the_database",
        "Health says NOT_SERVING while the database is away, and SERVING once it is back.",
        ["HEALTH-1"],
        [Wire, Alone, Ability(crate::core::Ability::Outage)],
        |c| {
            for away in [true, false] {
                c.outage(away).await?;
                let until = Instant::now() + PROMPT;
                loop {
                    let answer = call(c, HEALTH, Vec::new(), None).await?;
                    let is_so = answer.as_ref().is_ok_and(|messages| *messages == [serving(!away)]);
                    if is_so {
                        break;
                    }
                    let expected =
                        format!("{} within {PROMPT:?}", if away { "NOT_SERVING" } else { "SERVING" });
                    answer.expect(Instant::now() < until, expected, said(&answer))?;
                    sleep(Duration::from_millis(20)).await;
                }
            }
            Ok(())
        }
    ),
];

/// `status: SERVING` or `status: NOT_SERVING`, as bytes.
fn serving(is: bool) -> Vec<u8> {
    vec![1 << 3, if is { 1 } else { 2 }]
}

/// A response of reflection has its answer in field 4 (files), 5 (numbers of extensions) or 7 (an error).
const ANSWERS: [(u8, &str); 3] = [(4, "files"), (5, "numbers of extensions"), (7, "an error")];

/// The fields of variable length of a message, in order; other fields end the search.
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
