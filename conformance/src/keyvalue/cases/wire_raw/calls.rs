//! Calls that end early or progress slowly: deadlines, cancellation, and stalled readers.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use prism_contract::keyvalue::request::{ScanRequest, SelectionInput};
use tokio::time::timeout;

use super::{GET, PUT};
use crate::core::Need::{Alone, Wire};
use crate::core::StatusCode::DeadlineExceeded;
use crate::core::raw_calls::protobuf::bytes_field;
use crate::core::raw_calls::{PROMPT, answer_text, call, memory_growth};
use crate::core::{Failure, Proof, Reply, StatusCode, Stop, case, failure_text, span};
use crate::keyvalue::{Action, Case, Ctx, Outcome};

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::a_passed_deadline_leaves_a_write_whole_or_absent",
        "A call whose deadline passes is answered promptly, its write is whole or absent, and nothing stays held.",
        ["ERR-4"],
        [Wire],
        |c| {
            for (n, micros) in [1, 100, 300, 1_000, 2_000, 4_000, 8_000, 20_000].into_iter().enumerate() {
                let id = format!("r{n}");
                let answer = call(c, PUT, pair(c, &id), Some(Duration::from_micros(micros))).await?;
                let in_time = answer.as_ref().map_or_else(
                    |failure| {
                        failure.code == DeadlineExceeded && !failure.message.contains("the suite gave up")
                    },
                    |_| true,
                );
                answer.expect(in_time, "DEADLINE_EXCEEDED or OK, promptly", answer_text(&answer))?;
                whole_or_absent(c, &id).await?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::a_cancel_leaves_a_write_whole_or_absent",
        "A call that is given up leaves its write whole or absent, and nothing held.",
        ["ERR-4"],
        [Wire],
        |c| {
            for (n, micros) in [0, 100, 300, 1_000, 2_000, 4_000, 8_000, 20_000].into_iter().enumerate() {
                let id = format!("r{n}");
                let raw = c
                    .instance()
                    .raw()
                    .ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
                // The outcome of a cancelled call is unknown to the client, so there is nothing to check.
                let cancelled =
                    timeout(Duration::from_micros(micros), raw.call(PUT, pair(c, &id).into(), None)).await;
                drop(cancelled);
                c.record(
                    Action::Raw(format!(
                        "call {PUT} on \"{id}\" and cancel after {}",
                        span(Duration::from_micros(micros))
                    )),
                    Outcome::Done,
                );
                whole_or_absent(c, &id).await?;
            }
            Ok(())
        }
    ),
    case!(
        "wire::a_slow_reader_bounds_the_server",
        "The server does not read ahead of a slow reader of a Scan without limit.",
        ["SCAN-3"],
        [Wire, Alone],
        |c| {
            for n in 0..UNREAD {
                c.put_one([n], vec![n; 1 << 20]).ok().await?;
            }
            let before = c.instance().resident_bytes();
            let mut readers = Vec::new();
            for _ in 0..READERS {
                let selection = SelectionInput { item_limit: 1, ..SelectionInput::default() };
                let (namespace, id) = (c.namespace(""), "r".to_owned());
                let request = ScanRequest { namespace, id, selection, ..ScanRequest::default() };
                // A dedicated connection: unread messages block all calls that share theirs.
                let store = c.instance().connect().await?;
                let mut messages =
                    store.scan_messages(request).await.map_err(|failure| scan_failure(c, &failure))?;
                match messages.next().await {
                    Some(Ok(_)) => readers.push(messages),
                    Some(Err(failure)) => return Err(scan_failure(c, &failure)),
                    None => return Err(scan_failure(c, &Failure::new(StatusCode::Ok, "no message"))),
                }
            }
            let description =
                format!("scan \"r\" with {READERS} readers; each reads one message of 1 MiB and then stalls");
            let step = c.record(Action::Raw(description), Outcome::Done);
            if let Some(before) = before {
                let grown = memory_growth(c, before).await;
                let all = (READERS * u64::from(UNREAD)) << 20;
                let (limit, mib) = (all / 2, |bytes: u64| format!("{} MiB", bytes >> 20));
                return Reply::at(step, ()).expect(
                    grown < limit,
                    format!(
                        "the server's memory grows by less than {} while {} are unread",
                        mib(limit),
                        mib(all)
                    ),
                    format!("it grew by {}", mib(grown)),
                );
            }
            // The server's memory is not observable. A server that reads pages on demand has not read the last one yet, and
            // returns what is written there now.
            c.put_one([UNREAD], "late").ok().await?;
            let mut last = None;
            for messages in &mut readers {
                while let Some(message) = messages.next().await {
                    let message = message.map_err(|failure| scan_failure(c, &failure))?;
                    last = message.entries.last().map(|entry| entry.item.value.clone()).or(last);
                }
            }
            if last.as_deref() == Some(b"late") {
                return Ok(());
            }
            c.inconclusive(
        "a late write is missing from the stream: the server reads either one snapshot, which the contract allows, or \
         ahead without limit, which it forbids; run with --spawn, which measures the server's memory",
    )
        }
    ),
    case!(
        "wire::answers_that_are_not_taken_bound_the_server",
        "Many calls on one connection whose answers are not taken do not fill the server's memory.",
        ["ERR-6"],
        [Wire, Alone],
        |c| {
            // With keys and fixed weights, two of these values just fit the largest page.
            let value = vec![b'v'; RESPONSE_BYTES / 2 - 1_000];
            for key in ["a", "b"] {
                c.put_one(key, value.clone()).ok().await?;
            }
            let before = c.instance().resident_bytes();
            let raw =
                c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
            let request: Bytes = [bytes_field(1, c.namespace("")), bytes_field(2, "r")].concat().into();
            // A call counts as answered once its headers arrive. Its message stays unread, and so do all that follow once the
            // connection's window is full; the server may instead refuse some, or let them run into their deadline.
            let deadline = Some(Duration::from_secs(4));
            let calls = (0..UNREAD_CALLS).map(|_| raw.call(GET, request.clone(), deadline));
            let (calls, grown) = tokio::join!(timeout(PROMPT, join_all(calls)), async {
                match before {
                    Some(before) => Some(memory_growth(c, before).await),
                    None => None,
                }
            });
            let description = format!(
                "call {} of {} MiB {UNREAD_CALLS} times concurrently, and read none of the responses",
                GET,
                RESPONSE_BYTES >> 20
            );
            let step = c.record(Action::Raw(description), Outcome::Done);
            let answered = calls.is_ok();
            Reply::at(step, ()).expect(
                answered,
                format!("each call is answered or ends within {}", span(PROMPT)),
                "some calls hang",
            )?;
            if let Some(grown) = grown {
                let all = UNREAD_CALLS * RESPONSE_BYTES as u64;
                let (limit, mib) = (all / 2, |bytes: u64| format!("{} MiB", bytes >> 20));
                Reply::at(step, ()).expect(
                    grown < limit,
                    format!(
                        "the server's memory grows by less than {} while {} are unread",
                        mib(limit),
                        mib(all)
                    ),
                    format!("it grew by {}", mib(grown)),
                )?;
            }
            drop(calls);
            c.put_one("c", "v").on("other").ok().await?;
            c.get().on("other").ok().await?.holds(&[("c", "v")])
        }
    ),
];

/// A Put of two items with large values to record `id`, as bytes.
fn pair(c: &Ctx, id: &str) -> Vec<u8> {
    let value = vec![b'v'; 200_000];
    let item = |key| bytes_field(3, [bytes_field(1, key), bytes_field(2, &value)].concat());
    [bytes_field(1, c.namespace("")), bytes_field(2, id), item("a"), item("b")].concat()
}

/// The record must hold both items or none, and be writable promptly.
async fn whole_or_absent(c: &Ctx, id: &str) -> Proof {
    let read = c.get().on(id).keys_only().ok().await?;
    let keys: Vec<_> = read.items.iter().map(|item| item.key.as_bytes()).collect();
    let whole = keys.is_empty() || keys == [b"a", b"b"];
    read.expect(whole, "both items or none", format!("{} item", keys.len()))?;
    let put = timeout(PROMPT, c.put_one("c", "v").on(id).ok()).await;
    put.unwrap_or_else(|_| c.inconclusive(format!("the record was not writable within {}", span(PROMPT))))
        .map(drop)
}

/// Items of 1 MiB that a slow reader leaves unread, and number of readers. Enough that the memory any server needs to read
/// at all (the message in flight and its encoded copy, filling database caches) is far below half of the total.
const UNREAD: u8 = 24;
const READERS: u64 = 8;

/// Number of Gets whose responses stay unread, and bytes of each.
const UNREAD_CALLS: u64 = 64;
const RESPONSE_BYTES: usize = 2 << 20;

fn scan_failure(c: &Ctx, failure: &Failure) -> Stop {
    let step = c.record(Action::Raw("read a message of a Scan".to_owned()), Outcome::Failed(failure.clone()));
    let (expected, actual) = ("a message".to_owned(), failure_text(failure));
    Stop::Diverged(crate::core::Divergence { step: Some(step), expected, actual })
}
