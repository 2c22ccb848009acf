//! Calls that end early or go slowly: deadlines, cancels, and readers that do not read.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use prism_contract::keyvalue::request::{ScanRequest, SelectionInput};
use tokio::time::{Instant, sleep, timeout};

use super::{METHODS, PROMPT, PUT, call, said, text};
use crate::core::Need::{Alone, Wire};
use crate::core::StatusCode::DeadlineExceeded;
use crate::core::{Failure, Proof, Reply, StatusCode, Stop, case};
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
                let is_so = answer.as_ref().map_or_else(
                    |failure| {
                        failure.code == DeadlineExceeded && !failure.message.contains("the suite gave up")
                    },
                    |_| true,
                );
                answer.expect(is_so, "DEADLINE_EXCEEDED or OK, promptly", said(&answer))?;
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
                // What becomes of a call that was given up nobody is told, so there is nothing to judge.
                let given_up =
                    timeout(Duration::from_micros(micros), raw.call(PUT, pair(c, &id).into(), None)).await;
                drop(given_up);
                c.record(
                    Action::Raw(format!("call Put to \"{id}\" and give it up after {micros}us")),
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
                // A connection of its own, since unread messages hold up all that shares theirs.
                let store = c.instance().connect().await?;
                let mut messages =
                    store.scan_messages(request).await.map_err(|failure| unread(c, &failure))?;
                match messages.next().await {
                    Some(Ok(_)) => readers.push(messages),
                    Some(Err(failure)) => return Err(unread(c, &failure)),
                    None => return Err(unread(c, &Failure::new(StatusCode::Ok, "no message"))),
                }
            }
            let words = format!(
                "scan \"r\" from {READERS} readers, each of which reads one message of 1 MiB and then none"
            );
            let step = c.record(Action::Raw(words), Outcome::Done);
            if let Some(before) = before {
                let grown = settled(c, before).await;
                let all = (READERS * u64::from(UNREAD)) << 20;
                let (limit, said) = (all / 2, |bytes: u64| format!("{} MiB", bytes >> 20));
                return Reply::at(step, ()).expect(
                    grown < limit,
                    format!(
                        "the server's memory grows by less than {} while {} wait unread",
                        said(limit),
                        said(all)
                    ),
                    format!("it grew by {}", said(grown)),
                );
            }
            // The server's memory is out of sight. A server that reads a page when the reader asks for it has not read the last
            // one yet, and shows what is written there now.
            c.put_one([UNREAD], "late").ok().await?;
            let mut last = None;
            for messages in &mut readers {
                while let Some(message) = messages.next().await {
                    let message = message.map_err(|failure| unread(c, &failure))?;
                    last = message.entries.last().map(|entry| entry.item.value.clone()).or(last);
                }
            }
            if last.as_deref() == Some(b"late") {
                return Ok(());
            }
            c.inconclusive(
        "the stream did not show a late write: the server either reads one snapshot, which the contract allows, or all of \
         it ahead, which it does not; run with --spawn, which sees the server's memory",
    )
        }
    ),
    case!(
        "wire::answers_that_are_not_taken_bound_the_server",
        "Many calls on one connection whose answers are not taken do not fill the server's memory.",
        ["ERR-6"],
        [Wire, Alone],
        |c| {
            // With its key and what a page counts for the rest, an answer of two of them is just within the largest page.
            let value = vec![b'v'; ANSWER / 2 - 1_000];
            for key in ["a", "b"] {
                c.put_one(key, value.clone()).ok().await?;
            }
            let before = c.instance().resident_bytes();
            let raw =
                c.instance().raw().ok_or_else(|| Stop::Broken("this target has no raw calls".to_owned()))?;
            let request: Bytes = [text(1, c.namespace("")), text(2, "r")].concat().into();
            // A call is answered once its headers are there. Its message stays where it is, and so, once the connection's window is
            // full, do all that follow; a server may as well refuse some, or let them wait for their deadline.
            let deadline = Some(Duration::from_secs(4));
            let calls = (0..UNTAKEN).map(|_| raw.call(METHODS[1], request.clone(), deadline));
            let (calls, grown) = tokio::join!(timeout(PROMPT, join_all(calls)), async {
                match before {
                    Some(before) => Some(settled(c, before).await),
                    None => None,
                }
            });
            let words = format!(
                "call Get of {} MiB {UNTAKEN} times at once, and read none of the answers",
                ANSWER >> 20
            );
            let step = c.record(Action::Raw(words), Outcome::Done);
            let answered = calls.is_ok();
            Reply::at(step, ()).expect(
                answered,
                format!("each call is answered or ends within {PROMPT:?}"),
                "some hang",
            )?;
            if let Some(grown) = grown {
                let all = UNTAKEN * ANSWER as u64;
                let (limit, said) = (all / 2, |bytes: u64| format!("{} MiB", bytes >> 20));
                Reply::at(step, ()).expect(
                    grown < limit,
                    format!(
                        "the server's memory grows by less than {} while {} are not taken",
                        said(limit),
                        said(all)
                    ),
                    format!("it grew by {}", said(grown)),
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
    let item = |key| text(3, [text(1, key), text(2, &value)].concat());
    [text(1, c.namespace("")), text(2, id), item("a"), item("b")].concat()
}

/// Both items or none, and the record can be written at once.
async fn whole_or_absent(c: &Ctx, id: &str) -> Proof {
    let read = c.get().on(id).keys_only().ok().await?;
    let keys: Vec<_> = read.items.iter().map(|item| item.key.as_bytes()).collect();
    let whole = keys.is_empty() || keys == [b"a", b"b"];
    read.expect(whole, "both items or none", format!("{} item", keys.len()))?;
    let put = timeout(PROMPT, c.put_one("c", "v").on(id).ok()).await;
    put.unwrap_or_else(|_| c.inconclusive(format!("the record was not writable within {PROMPT:?}"))).map(drop)
}

/// How many items of 1 MiB a slow reader leaves unread, and how many readers there are. So many that what any server holds for
/// reading at all (the message on its way and its encoded copy, caches of the database that fill) is far below half of it.
const UNREAD: u8 = 24;
const READERS: u64 = 8;

/// How many Gets of how many bytes leave their answers where they are.
const UNTAKEN: u64 = 64;
const ANSWER: usize = 2 << 20;

fn unread(c: &Ctx, failure: &Failure) -> Stop {
    let step = c.record(Action::Raw("read a message of a Scan".to_owned()), Outcome::Failed(failure.clone()));
    let (expected, actual) = ("a message".to_owned(), format!("{} ({})", failure.code, failure.message));
    Stop::Diverged(crate::core::Divergence { step: Some(step), expected, actual })
}

/// By how much the server's memory has grown once it grows no more, or has for 5 seconds.
async fn settled(c: &Ctx, before: u64) -> u64 {
    const PAUSE: Duration = Duration::from_millis(50);
    let (until, mut highest, mut calm) = (Instant::now() + Duration::from_secs(5), before, 0);
    while calm < 6 && Instant::now() < until {
        sleep(PAUSE).await;
        let now = c.instance().resident_bytes().unwrap_or(highest);
        calm = if now > highest + (256 << 10) { 0 } else { calm + 1 };
        highest = highest.max(now);
    }
    highest - before
}
