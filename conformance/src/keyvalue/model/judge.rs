//! Holding an answer against what the contract allows, and naming the rules that a wrong one breaks.

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::keyvalue::request::{GetResponse, PutResponse, ScanResponse};
use prism_contract::keyvalue::{Item, PutResult};

use super::clock::Clock;
use super::expected::{Ending, Entry, ExclusionReason, Expected, Rest, Why, Written};
use crate::core::{Failure, StatusCode, bytes};
use crate::keyvalue::{Outcome, Response};

/// Where an answer parts from the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The rules it may break.
    pub rules: Vec<&'static str>,
    /// What the contract asks for.
    pub expected: String,
    /// What was answered.
    pub actual: String,
}

type Judged = Result<(), Mismatch>;

fn wrong(rules: &[&'static str], expected: impl Into<String>, actual: impl Into<String>) -> Judged {
    Err(Mismatch { rules: rules.to_vec(), expected: expected.into(), actual: actual.into() })
}

fn same<T: PartialEq>(
    rules: &[&'static str],
    expected: &T,
    actual: &T,
    say: impl Fn(&T) -> String,
) -> Judged {
    if expected == actual { Ok(()) } else { wrong(rules, say(expected), say(actual)) }
}

pub(super) fn judge(expected: &Expected, outcome: &Outcome, clock: &mut Clock) -> Judged {
    match (expected, outcome) {
        (Expected::Refused(code, why), outcome) => refused(*code, why, outcome),
        (Expected::PreconditionsFail(failing), outcome) => preconditions_fail(failing, outcome),
        (Expected::Results(results), Outcome::Answered(Response::Put(answer))) => put(results, answer),
        (Expected::Deleted(count), Outcome::Answered(Response::Delete(answer))) => {
            let rules = ["DEL-2", "DEL-3", "TTL-1", "TOK-1", "TOK-5"];
            same(&rules, count, &answer.deleted_count, |count| format!("deleted_count {count}"))
        }
        (Expected::Page(rest), Outcome::Answered(Response::Get(answer))) => page(rest, answer, clock),
        (Expected::Messages(rest, ending), Outcome::Answered(Response::Scan(messages))) => {
            scan(rest, *ending, messages, clock)
        }
        (Expected::Described(claims), Outcome::Answered(Response::Describe(answer))) => {
            same(&["CAP-1"], claims, &answer.capabilities, |claims| format!("claims {claims:?}"))
        }
        (Expected::Done, Outcome::Done) => Ok(()),
        (Expected::Results(_) | Expected::Deleted(_), Outcome::Failed(failure))
            if failure.code == StatusCode::FailedPrecondition =>
        {
            let named = failure.failed_preconditions.iter().map(|failed| bytes(&failed.key));
            let named: Vec<_> = named.collect();
            wrong(&["COND-1", "COND-2"], "OK: all preconditions hold", said(failure) + &named.join(", "))
        }
        (Expected::Page(_) | Expected::Messages(..), Outcome::Failed(failure))
            if failure.code == StatusCode::InvalidArgument =>
        {
            wrong(&["PAGE-4", "PAGE-6", "DEL-4"], "OK", said(failure))
        }
        (_, Outcome::Failed(failure)) => wrong(&["ERR-1"], "OK", said(failure)),
        (_, _) => wrong(&["ERR-1"], "an answer to this request", "an answer to another one"),
    }
}

fn said(failure: &Failure) -> String {
    format!("{} ({})", failure.code, failure.message)
}

fn what(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => said(failure),
        Outcome::Answered(_) | Outcome::Done => "OK".to_owned(),
    }
}

fn refused(code: StatusCode, why: &[Why], outcome: &Outcome) -> Judged {
    if matches!(outcome, Outcome::Failed(failure) if failure.code == code) {
        return Ok(());
    }
    let rules: Vec<_> = why.iter().map(|why| why.rule).collect();
    let says: Vec<_> = why.iter().map(|why| why.says.as_str()).collect();
    wrong(&rules, format!("{code} for {}", says.join(", ")), what(outcome))
}

fn preconditions_fail(failing: &[(Bytes, i64)], outcome: &Outcome) -> Judged {
    let say = |failing: &BTreeMap<Bytes, i64>| {
        let each = failing.iter().map(|(key, version)| match version {
            0 => format!("{} is absent", bytes(key)),
            version => format!("{} has version {version}", bytes(key)),
        });
        format!("{}: {}", StatusCode::FailedPrecondition, each.collect::<Vec<_>>().join(", "))
    };
    let expected: BTreeMap<_, _> = failing.iter().cloned().collect();
    let rules = ["COND-1", "COND-2", "COND-4", "COND-5"];
    match outcome {
        Outcome::Failed(failure) if failure.code == StatusCode::FailedPrecondition => {
            let answered = failure.failed_preconditions.iter();
            let answered = answered.map(|failed| (failed.key.clone(), failed.current_version));
            same(&rules, &expected, &answered.collect(), say)
        }
        Outcome::Failed(_) | Outcome::Answered(_) | Outcome::Done => {
            wrong(&rules, say(&expected), what(outcome))
        }
    }
}

fn put(expected: &[Written], answer: &PutResponse) -> Judged {
    let results = &answer.results;
    same(&["PUT-3"], &expected.len(), &results.len(), |count| format!("{count} results, one per item"))?;
    expected.iter().zip(results).try_for_each(|(expected, result)| put_one(expected, *result))
}

fn put_one(expected: &Written, PutResult { applied, version }: PutResult) -> Judged {
    let (key, least) = (bytes(&expected.key), expected.version);
    let say = |applied: &bool| format!("{key} {}", if *applied { "applied" } else { "superseded" });
    same(expected.rules, &expected.applied, &applied, say)?;
    if !applied {
        let say = |version: &i64| format!("{key} superseded, at version {version} (0: absent)");
        return same(&["TOK-1"], &least, &version, say);
    }
    if version > least {
        return Ok(());
    }
    wrong(&["VER-1", "VER-2"], format!("{key} at a version above {least}"), format!("version {version}"))
}

fn page(rest: &Rest, answer: &GetResponse, clock: &mut Clock) -> Judged {
    for (at, item) in answer.items.iter().enumerate() {
        entry(rest, at, None, item, clock)?;
    }
    let count = answer.items.len();
    fits(rest, 0, &answer.items.iter().collect::<Vec<_>>(), false)?;
    ends(rest, count, !answer.next_page_token.is_empty())
}

fn scan(rest: &Rest, ending: Ending, messages: &[ScanResponse], clock: &mut Clock) -> Judged {
    let limit = ending.limit.unwrap_or(usize::MAX);
    let mut count = 0;
    for message in messages {
        let start = count;
        for answered in &message.entries {
            entry(rest, count, Some(answered.id.as_str()), &answered.item, clock)?;
            count += 1;
        }
        let items: Vec<_> = message.entries.iter().map(|entry| &entry.item).collect();
        fits(rest, start, &items, true)?;
        ends(rest, count, !message.resume_token.is_empty())?;
    }
    if count > limit {
        return wrong(&["SCAN-2"], format!("at most {limit} entries"), format!("{count} entries"));
    }
    let cut = ending.cut.unwrap_or(usize::MAX);
    if messages.is_empty() || messages.len() > cut {
        let said = format!("1 to {cut} messages");
        return wrong(&["SCAN-1"], said, format!("{} messages", messages.len()));
    }
    let all = rest.entries.len().min(limit);
    if messages.len() < cut && count < all {
        return wrong(&["SCAN-1", "SCAN-2"], format!("{all} entries"), format!("an end after {count}"));
    }
    Ok(())
}

/// The answer holds a token exactly where more is left, and something where anything is left.
fn ends(rest: &Rest, answered: usize, token: bool) -> Judged {
    let left = rest.entries.get(answered);
    match (left, token) {
        (Some(next), false) => {
            let expected = format!("{}, or a token for it", shown(next));
            wrong(&["PAGE-1", "PAGE-2", "RT-6", "ORD-1"], expected, "nothing, and no token")
        }
        (Some(next), true) if answered == 0 => {
            wrong(&["PAGE-7"], format!("at least {}", shown(next)), "no item, and a token")
        }
        (None, true) => wrong(&["PAGE-5"], "no token, as nothing is left", "a token"),
        (Some(_), true) | (None, false) => Ok(()),
    }
}

/// PAGE-7: an item weighs its key, value and content type, 96 more, and in a Scan its id; one item always fits.
fn fits(rest: &Rest, start: usize, items: &[&Item], scan: bool) -> Judged {
    let weigh = |(at, item): (usize, &&Item)| {
        let id = rest.entries.get(start + at).map_or(0, |entry| entry.id.len());
        item.key.len() + item.value.len() + item.content_type.len() + 96 + if scan { id } else { 0 }
    };
    let weight: usize = items.iter().enumerate().map(weigh).sum();
    if items.len() > rest.most_items {
        let actual = format!("{} items", items.len());
        return wrong(&["PAGE-7"], format!("at most {} items on a page", rest.most_items), actual);
    }
    if weight > rest.most_bytes && items.len() > 1 {
        let expected = format!("at most {} bytes on a page", rest.most_bytes);
        return wrong(&["PAGE-7"], expected, format!("{} items of {weight} bytes", items.len()));
    }
    Ok(())
}

fn entry(rest: &Rest, at: usize, id: Option<&str>, item: &Item, clock: &mut Clock) -> Judged {
    let key = item.key.clone().into_bytes();
    let next = rest.entries.get(at);
    match next {
        Some(next) if next.key == key && id.is_none_or(|id| id == next.id) => {
            contents(next, item, rest.keys_only, clock)
        }
        Some(_) | None => {
            let expected = next.map_or("nothing more".to_owned(), shown);
            let place = id.map_or(String::new(), |id| format!("{} ", bytes(id.as_bytes())));
            let actual = format!("{place}{}={}", bytes(&key), bytes(&item.value));
            wrong(misplaced(rest, at, id, &key), expected, actual)
        }
    }
}

/// The rules that speak against answering this key at this place.
fn misplaced(rest: &Rest, at: usize, id: Option<&str>, key: &Bytes) -> &'static [&'static str] {
    let is = |of: &str, this: &Bytes| this == key && id.is_none_or(|id| id == of);
    let excluded = rest.excluded.iter().find(|(of, this, _)| is(of, this)).map(|(.., why)| *why);
    match (rest.entries.iter().position(|entry| is(&entry.id, &entry.key)), excluded) {
        (Some(later), _) if later > at => &["ORD-1", "ORD-2", "PAGE-1", "PAGE-2", "RT-6"],
        (Some(_), _) | (None, Some(ExclusionReason::Passed)) => &["PAGE-1", "PAGE-2", "ORD-1"],
        (None, Some(ExclusionReason::NotChosen)) => &["PRED-1", "PRED-3", "PRED-4"],
        (None, Some(ExclusionReason::Expired)) => &["TTL-1"],
        (None, Some(ExclusionReason::Gone)) => &["DEL-1", "TOK-5"],
        (None, None) => &["ISO-1", "RT-4", "RT-3"],
    }
}

fn shown(entry: &Entry) -> String {
    format!("{} {}={}", bytes(entry.id.as_bytes()), bytes(&entry.key), bytes(&entry.item.value))
}

fn contents(expected: &Entry, item: &Item, keys_only: bool, clock: &mut Clock) -> Judged {
    let (life, key) = (&expected.item, bytes(&expected.key));
    let value = if keys_only { Bytes::new() } else { life.value.clone() };
    let rules: &[_] = if keys_only { &["PAGE-8"] } else { &["PUT-1", "RT-1", "RT-2"] };
    same(rules, &value, &item.value, |value| format!("{key}={}", bytes(value)))?;
    let say = |text: &String| format!("{key} with content_type {}", bytes(text.as_bytes()));
    same(&["RT-5", "PUT-1"], &life.content_type, &item.content_type, say)?;
    let say = |number: &i32| format!("{key} with compression {number}");
    same(&["RT-5", "PUT-1"], &life.compression, &item.compression, say)?;
    let say = |version: &i64| format!("{key} at version {version}");
    same(&["VER-1"], &life.version, &item.version, say)?;
    let say = |token: &i64| format!("{key} with priority_token {token}");
    same(&["TOK-1", "TOK-2", "TOK-4"], &expected.highest, &item.priority_token, say)?;
    times(expected, item, clock)
}

fn times(expected: &Entry, item: &Item, clock: &mut Clock) -> Judged {
    let (life, key) = (&expected.item, bytes(&expected.key));
    for (name, moment, answered) in
        [("updated_at", life.updated, item.updated_at), ("created_at", life.created, item.created_at)]
    {
        if !clock.agrees(moment, answered) {
            let expected = format!("{key} with the {name} of the Put that set it");
            return wrong(&["PUT-5"], expected, format!("{name} {answered:?}"));
        }
    }
    let ends = item.expires_at.map(|end| end.as_micros() - item.updated_at.as_micros());
    let say = |ttl: &Option<i64>| match ttl {
        None => format!("{key} without expires_at"),
        Some(ttl) => format!("{key} with expires_at {ttl} µs after updated_at"),
    };
    same(&["TTL-2", "TTL-3", "TTL-1"], &life.ttl, &ends, say)
}
