//! Pages read during writes by other clients: an untouched item is returned exactly once (PAGE-2).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::Capability;
use prism_contract::keyvalue::request::{KeyPredicate, ScanRequest};

use crate::core::linearizability::{Rounds, answers, diverged, race};
use crate::core::{Kind, Proof, case};
use crate::keyvalue::history::{Client, History, Record, Recorder, keys};
use crate::keyvalue::{Case, Ctx, Need, Outcome, Request, Response, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "moving_pages::get_neither_misses_nor_repeats",
        "Pages of a Get, read under writes, hold every untouched item exactly once.",
        ["PAGE-2"],
        |c| { walks(c, Walk::Get).await }
    )
    .kind(Kind::History),
    case!(
        "moving_pages::scan_neither_misses_nor_repeats",
        "Messages of a record's Scan, read under writes, hold every untouched item exactly once.",
        ["PAGE-2"],
        |c| { walks(c, Walk::Scan).await }
    )
    .kind(Kind::History),
    case!(
        "moving_pages::namespace_scan_neither_misses_nor_repeats",
        "Messages of a namespace's Scan, read under writes, hold every untouched item exactly once.",
        ["PAGE-2"],
        [Need::Declares(Capability::NamespaceScan)],
        |c| { walks(c, Walk::Namespace).await }
    )
    .kind(Kind::History),
];

const CLIENTS: usize = 3;

/// The client that reads; the others write.
const READER: usize = 0;

/// Minimum writes answered between the first page of a walk and its last.
const FLOOR: usize = 8;

/// Maximum wait of the reader between two pages for a write to be answered: long enough for a busy disk.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// Keys that are written once and then left alone.
const UNTOUCHED: [&str; 8] = ["b", "d", "f", "h", "j", "l", "n", "p"];

/// Keys between them that are written and deleted during the walk.
const CHANGING: [&str; 9] = ["a", "c", "e", "g", "i", "k", "m", "o", "q"];

/// The request that the reader walks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Get,
    Scan,
    Namespace,
}

async fn walks(c: &Ctx, walk: Walk) -> Proof {
    let can_reverse = c.describe().await?.capabilities.contains(Capability::Reverse);
    let mut rounds = Rounds::new(c, FLOOR);
    while let Some(round) = rounds.next() {
        let suffix = format!("walk{round}");
        let record = |id: &str| Record { namespace: c.namespace(&suffix), id: id.to_owned() };
        // In a namespace walk, r2, which is written and deleted, lies between the untouched r1 and r3.
        let ids = if walk == Walk::Namespace { &["r1", "r3"][..] } else { &["r1"] };
        for id in ids {
            c.put(items(UNTOUCHED.map(|key| (key, "untouched")))).on(*id).within(&suffix).ok().await?;
        }
        let reverse = can_reverse && round % 2 == 1;
        let recorder = Arc::new(Recorder::default());
        let (read, changed) = (record("r1"), [record("r1"), record("r2")]);
        race(&recorder, &c.instance().gateways(), CLIENTS, move |client| {
            let (read, changed) = (read.clone(), changed.clone());
            async move {
                if client.number() == READER {
                    follow(client, &read, walk, reverse).await;
                } else {
                    churn(client, &changed).await;
                }
            }
        })
        .await;
        let history = recorder.history();
        answers(c, &history)?;
        rounds.met(each_untouched_once(c, &history, ids, reverse)?);
    }
    rounds.conclude("writes completed between the pages of a walk")
}

/// Walks from the first page to the last: once cut after each message and resumed, once in one stream.
async fn follow(mut client: Client, record: &Record, walk: Walk, reverse: bool) {
    for messages in [Some(1), None] {
        let mut token = Bytes::new();
        loop {
            let request = page(record, walk, reverse, messages, &token);
            let Some(outcome) = client.send(request).await else { return };
            token = next(&outcome);
            if token.is_empty() {
                break;
            }
            client.wait_for_another(WRITE_TIMEOUT);
        }
    }
    client.end_race();
}

fn page(record: &Record, walk: Walk, reverse: bool, messages: Option<usize>, token: &Bytes) -> Request {
    let scan = |mut scan: ScanRequest| {
        (scan.selection.item_limit, scan.selection.reverse) = (2, reverse);
        scan.resume_token = token.clone();
        Request::Scan(scan, messages)
    };
    match walk {
        Walk::Get => {
            let mut get = record.get(KeyPredicate::MatchAll);
            (get.selection.item_limit, get.selection.reverse) = (2, reverse);
            get.page_token = token.clone();
            Request::Get(get)
        }
        Walk::Scan => scan(record.scan(KeyPredicate::MatchAll)),
        Walk::Namespace => scan(ScanRequest { id: String::new(), ..record.scan(KeyPredicate::MatchAll) }),
    }
}

/// The token of the next page; empty after the last page and after a failure.
fn next(outcome: &Outcome) -> Bytes {
    match outcome {
        Outcome::Answered(Response::Get(answer)) => answer.next_page_token.clone(),
        Outcome::Answered(Response::Scan(messages)) => {
            messages.last().map(|message| message.resume_token.clone()).unwrap_or_default()
        }
        Outcome::Answered(Response::Put(_) | Response::Delete(_) | Response::Describe(_))
        | Outcome::Failed(_)
        | Outcome::Done => Bytes::new(),
    }
}

/// Writes and deletes items ahead of and behind the reader until it is done.
async fn churn(mut client: Client, records: &[Record]) {
    for number in 0..1_000 {
        let record = &records[number % records.len()];
        let at = (number * 7 + client.number() * 4) % CHANGING.len();
        let request = if number / 2 % 2 == 0 {
            Request::Put(record.put(&[CHANGING[at]], &format!("{}.{number}", client.number())))
        } else {
            Request::Delete(record.delete(keys(&[CHANGING[at], CHANGING[(at + 1) % CHANGING.len()]])))
        };
        if client.send(request).await.is_none() {
            return;
        }
    }
}

/// Checks every completed walk, and counts the writes answered during them.
fn each_untouched_once(
    c: &Ctx,
    history: &History,
    ids: &[&str],
    reverse: bool,
) -> Result<usize, crate::core::Stop> {
    let mut expected: Vec<(&str, &str)> =
        ids.iter().flat_map(|id| UNTOUCHED.iter().map(move |key| (*id, *key))).collect();
    if reverse {
        expected.reverse();
    }
    let (mut found, mut began, mut between) = (Vec::new(), None, 0);
    for (at, operation) in history.operations.iter().enumerate() {
        let Some(outcome) = operation.outcome.as_ref().filter(|_| operation.client == READER) else {
            continue;
        };
        let began_at = *began.get_or_insert(operation.called);
        let Some(entries) = entries(&operation.request, outcome) else {
            (found, began) = (Vec::new(), None);
            continue;
        };
        found.extend(entries.into_iter().filter(|(_, key)| UNTOUCHED.contains(&key.as_str())));
        if next(outcome).is_empty() {
            let same = found.iter().map(|(id, key)| (id.as_str(), key.as_str())).eq(expected.iter().copied());
            if !same {
                let expected = expected.iter().map(|(id, key)| format!("{id} {key}")).collect::<Vec<_>>();
                let actual = found.iter().map(|(id, key)| format!("{id} {key}")).collect::<Vec<_>>();
                let expected = format!("untouched items in all pages: {}", expected.join(", "));
                return Err(diverged(c, history, at, expected, actual.join(", ")));
            }
            let during = |other: &&crate::keyvalue::history::Operation| {
                other.is_write() && other.returned.is_some_and(|end| end > began_at && end < operation.called)
            };
            between += history.operations.iter().filter(during).count();
            (found, began) = (Vec::new(), None);
        }
    }
    Ok(between)
}

/// The record and key of each item on a page.
fn entries(request: &Request, outcome: &Outcome) -> Option<Vec<(String, String)>> {
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    match (request, outcome) {
        (Request::Get(get), Outcome::Answered(Response::Get(answer))) => {
            Some(answer.items.iter().map(|item| (get.id.clone(), text(&item.key))).collect())
        }
        (Request::Scan(..), Outcome::Answered(Response::Scan(messages))) => {
            let entries = messages.iter().flat_map(|message| &message.entries);
            Some(entries.map(|entry| (entry.id.as_str().to_owned(), text(&entry.item.key))).collect())
        }
        _ => None,
    }
}
