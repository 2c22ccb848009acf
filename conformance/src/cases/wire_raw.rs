//! gRPC itself: bytes that are no message, requests that are no call, fields nobody knows, deadlines, cancels, slow readers,
//! health and reflection.

mod bytes;
mod calls;
mod health;
mod http;

use std::time::Duration;

use ::bytes::Bytes;
use futures::StreamExt;
use tokio::time::timeout;

use self::bytes::{
    a_message_of_over_8_mib_is_refused, an_unknown_method_is_unimplemented,
    bytes_that_are_no_message_are_refused, no_input_kills_the_server, the_largest_put_passes,
    unknown_fields_are_ignored,
};
use self::calls::{
    a_cancel_leaves_a_write_whole_or_absent, a_passed_deadline_leaves_a_write_whole_or_absent,
    a_slow_reader_bounds_the_server, answers_that_are_not_taken_bound_the_server,
};
use self::health::{
    health_and_reflection_answer, health_follows_the_database, reflection_goes_on_after_what_it_does_not_know,
};
use self::http::{
    a_request_that_does_not_end_is_not_done, a_request_that_is_not_one_message_is_refused,
    what_is_no_post_of_grpc_is_refused,
};
use crate::Need::{Ability, Alone, Wire};
use crate::StatusCode::DeadlineExceeded;
use crate::case::{Case, Proof, case};
use crate::{Ctx, Failure, Outcome, Reply, Request, StatusCode, Stop, render};

/// A case in the table.
macro_rules! wire {
    ($name:ident, $title:literal, $proves:expr) => {
        case!("wire", $name, $title, $proves).needs(&[Wire])
    };
}

pub(super) const CASES: &[Case] = &[
    wire!(
        bytes_that_are_no_message_are_refused,
        "Bytes that are not the method's message are INVALID_ARGUMENT with reason MALFORMED_MESSAGE, and harm nothing.",
        ["ERR-3", "ERR-1"]
    ),
    wire!(
        no_input_kills_the_server,
        "Whatever bytes are sent, the server answers INVALID_ARGUMENT, and goes on answering.",
        ["ERR-3"]
    ),
    wire!(
        a_message_of_over_8_mib_is_refused,
        "A message of over 8 MiB is INVALID_ARGUMENT with reason MESSAGE_TOO_LARGE.",
        ["ERR-3", "ERR-1"]
    ),
    wire!(
        the_largest_put_passes,
        "A Put of 4 MiB of keys and values is taken, whatever its message weighs besides.",
        ["ERR-1", "RT-1"]
    ),
    wire!(
        an_unknown_method_is_unimplemented,
        "A method or service that there is not is UNIMPLEMENTED with reason METHOD_NOT_FOUND.",
        ["ERR-3", "ERR-1"]
    ),
    wire!(
        a_request_that_is_not_one_message_is_refused,
        "A request of no message, of two, or of one that is cut short is refused, and nothing is done.",
        ["ERR-3"]
    ),
    wire!(
        a_request_that_does_not_end_is_not_done,
        "A write whose request does not end, or breaks off, is not done, however much of it came.",
        ["ERR-3", "ERR-4"]
    ),
    wire!(
        what_is_no_post_of_grpc_is_refused,
        "A method of HTTP other than POST is 405, a content type other than gRPC's is 415, and nothing is done.",
        ["ERR-3"]
    ),
    wire!(unknown_fields_are_ignored, "Fields that the server does not know change nothing.", ["ERR-5"]),
    wire!(
        a_passed_deadline_leaves_a_write_whole_or_absent,
        "A call whose deadline passes is answered promptly, its write is whole or absent, and nothing stays held.",
        ["ERR-4"]
    ),
    wire!(
        a_cancel_leaves_a_write_whole_or_absent,
        "A call that is given up leaves its write whole or absent, and nothing held.",
        ["ERR-4"]
    ),
    case!(
        "wire",
        a_slow_reader_bounds_the_server,
        "The server does not read ahead of a slow reader of a Scan without limit.",
        ["SCAN-3"]
    )
    .needs(&[Wire, Alone]),
    case!(
        "wire",
        answers_that_are_not_taken_bound_the_server,
        "Many calls on one connection whose answers are not taken do not fill the server's memory.",
        ["ERR-6"]
    )
    .needs(&[Wire, Alone]),
    wire!(
        health_and_reflection_answer,
        "Health says SERVING of the server and of its service, and reflection lists every service.",
        ["HEALTH-1"]
    ),
    wire!(
        reflection_goes_on_after_what_it_does_not_know,
        "Reflection describes what errors carry, answers what is missing in words, and goes on with its stream.",
        ["HEALTH-1"]
    ),
    case!(
        "wire",
        health_follows_the_database,
        "Health says NOT_SERVING while the database is away, and SERVING once it is back.",
        ["HEALTH-1"]
    )
    .needs(&[Wire, Alone, Ability(crate::Ability::Outage)]),
];

const PUT: &str = "/prism.keyvalue.v1.KeyValueService/Put";
const METHODS: [&str; 5] = [
    PUT,
    "/prism.keyvalue.v1.KeyValueService/Get",
    "/prism.keyvalue.v1.KeyValueService/Delete",
    "/prism.keyvalue.v1.KeyValueService/Scan",
    "/prism.keyvalue.v1.KeyValueService/Describe",
];
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const SERVICE: &str = "prism.keyvalue.v1.KeyValueService";

/// How long an answer may take that the contract calls prompt. Much more than any server needs, so that a busy machine is
/// not taken for a broken one.
const PROMPT: Duration = Duration::from_secs(10);

type Answer = Reply<Result<Vec<Bytes>, Failure>>;

/// Calls `path` with these bytes and reads the answer to its end.
async fn call(
    c: &Ctx,
    path: &'static str,
    message: impl Into<Bytes>,
    deadline: Option<Duration>,
) -> Result<Answer, Stop> {
    let message = message.into();
    let method = path.rsplit_once('.').map_or(path, |(_, method)| method);
    let within = deadline.map(|deadline| format!(" within {deadline:?}")).unwrap_or_default();
    let words = format!("call {method} with {}{within}", render::bytes(&message));
    let raw = c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
    let reading = async {
        let mut messages = raw.call(path, message, deadline).await?;
        let mut read = Vec::new();
        while let Some(message) = messages.next().await {
            read.push(message?);
        }
        Ok(read)
    };
    let answer = timeout(PROMPT, reading).await.unwrap_or_else(|_| {
        Err(Failure::new(DeadlineExceeded, format!("the suite gave up waiting after {PROMPT:?}")))
    });
    let outcome = answer.as_ref().map_or_else(|failure| Outcome::Failed(failure.clone()), |_| Outcome::Done);
    Ok(Reply::at(c.record(Request::Raw(words), outcome), answer))
}

fn said(answer: &Answer) -> String {
    match &**answer {
        Ok(messages) => format!("OK with {} messages", messages.len()),
        Err(failure) => {
            let reason = failure.reason.as_deref().unwrap_or("no reason");
            format!("{} {reason} ({})", failure.code, failure.message)
        }
    }
}

/// It must be refused with this status and this reason.
fn refused(answer: &Answer, code: StatusCode, reason: &str) -> Proof {
    let is_so = answer.as_ref().is_err_and(|failure| {
        failure.code == code
            && failure.reason.as_deref() == Some(reason)
            && failure.domain.as_deref() == Some("prism")
    });
    answer.expect(is_so, format!("{code} {reason}"), said(answer))
}

/// A protobuf field of variable length.
fn text(field: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [vec![field << 3 | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
