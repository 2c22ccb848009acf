//! Comparison of an answer with the allowed one, and the rules that a wrong answer breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::PreconditionFailure;
use prism_contract::keyvalue::request::{GetResponse, PutResponse, ScanResponse};
use prism_contract::keyvalue::{Capabilities, Item, PutResult};

use super::clock::Clock;
use super::expected::{Entry, ExclusionReason, Expected, ExpectedResult, Reason, Remaining, ScanLimits};
use crate::core::{Show, StatusCode, Version, both_bytes, bytes, failure_text};
use crate::keyvalue::{Outcome, Response};

/// Deviation of an answer from the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The rules it may break.
    pub rules: Vec<&'static str>,
    /// The answer that the contract requires.
    pub expected: String,
    /// The actual answer.
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
    show: impl Fn(&T) -> String,
) -> Judged {
    if expected == actual { Ok(()) } else { wrong(rules, show(expected), show(actual)) }
}

pub(super) fn judge(expected: &Expected, outcome: &Outcome, clock: &mut Clock) -> Judged {
    match (expected, outcome) {
        (Expected::Refused(code, reasons), outcome) => refused(*code, reasons, outcome),
        (Expected::PreconditionsFail(failing), outcome) => preconditions_fail(failing, outcome),
        (Expected::Results(results), Outcome::Answered(Response::Put(answer))) => put(results, answer),
        (Expected::Deleted(count), Outcome::Answered(Response::Delete(answer))) => {
            let rules = ["DEL-2", "DEL-3", "TTL-1", "TOK-1", "TOK-5"];
            same(&rules, count, &answer.deleted_count, |count| format!("deleted_count {count}"))
        }
        (Expected::Page(remaining), Outcome::Answered(Response::Get(answer))) => {
            page(remaining, answer, clock)
        }
        (Expected::Messages(remaining, limits), Outcome::Answered(Response::Scan(messages))) => {
            scan(remaining, *limits, messages, clock)
        }
        (Expected::Described(capabilities), Outcome::Answered(Response::Describe(answer))) => {
            let show = |capabilities: &Capabilities| format!("capabilities {}", capabilities.show());
            same(&["CAP-1"], capabilities, &answer.capabilities, show)
        }
        (Expected::Done, Outcome::Done) => Ok(()),
        (Expected::Results(_) | Expected::Deleted(_), Outcome::Failed(failure))
            if failure.code == StatusCode::FailedPrecondition =>
        {
            let failed = failure.failed_preconditions.show();
            wrong(
                &["COND-1", "COND-2"],
                "OK: all preconditions hold",
                format!("{}: {failed}", failure_text(failure)),
            )
        }
        (Expected::Page(_) | Expected::Messages(..), Outcome::Failed(failure))
            if failure.code == StatusCode::InvalidArgument =>
        {
            wrong(&["PAGE-4", "PAGE-6", "DEL-4"], "OK", failure_text(failure))
        }
        (_, Outcome::Failed(failure)) => wrong(&["ERR-1"], "OK", failure_text(failure)),
        (_, _) => wrong(&["ERR-1"], "a response to this request", "a response to another request"),
    }
}

fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => failure_text(failure),
        Outcome::Answered(_) | Outcome::Done => "OK".to_owned(),
    }
}

fn refused(code: StatusCode, reasons: &[Reason], outcome: &Outcome) -> Judged {
    if matches!(outcome, Outcome::Failed(failure) if failure.code == code) {
        return Ok(());
    }
    let rules: Vec<_> = reasons.iter().map(|reason| reason.rule).collect();
    let texts: Vec<_> = reasons.iter().map(|reason| reason.text.as_str()).collect();
    wrong(&rules, format!("{code} for {}", texts.join(", ")), describe_outcome(outcome))
}

fn preconditions_fail(failing: &[(Bytes, i64)], outcome: &Outcome) -> Judged {
    let show = |failing: &BTreeMap<Bytes, i64>| {
        let each = failing
            .iter()
            .map(|(key, &current_version)| PreconditionFailure { key: key.clone(), current_version }.show());
        let each: Vec<_> = each.collect();
        let each = if each.is_empty() {
            "grpc-status-details-bin lacks google.rpc.PreconditionFailure".to_owned()
        } else {
            each.join(", ")
        };
        format!("{}: {each}", StatusCode::FailedPrecondition)
    };
    let expected: BTreeMap<_, _> = failing.iter().cloned().collect();
    let rules = ["COND-1", "COND-2", "COND-4", "COND-5"];
    match outcome {
        Outcome::Failed(failure) if failure.code == StatusCode::FailedPrecondition => {
            let answered = failure.failed_preconditions.iter();
            let answered = answered.map(|failed| (failed.key.clone(), failed.current_version));
            same(&rules, &expected, &answered.collect(), show)
        }
        Outcome::Failed(_) | Outcome::Answered(_) | Outcome::Done => {
            wrong(&rules, show(&expected), describe_outcome(outcome))
        }
    }
}

fn put(expected: &[ExpectedResult], answer: &PutResponse) -> Judged {
    let results = &answer.results;
    same(&["PUT-3"], &expected.len(), &results.len(), |count| format!("{count} results, one per item"))?;
    expected.iter().zip(results).try_for_each(|(expected, result)| put_one(expected, *result))
}

fn put_one(expected: &ExpectedResult, PutResult { applied, version }: PutResult) -> Judged {
    let (key, bound) = (bytes(&expected.key), Version(expected.version));
    let show = |applied: &bool| format!("{key} {}", if *applied { "applied" } else { "superseded" });
    same(expected.rules, &expected.applied, &applied, show)?;
    if !applied {
        let show = |version: &Version| format!("{key} superseded, {}", version.show());
        return same(&["TOK-1"], &bound, &Version(version), show);
    }
    if version > bound.0 {
        return Ok(());
    }
    wrong(
        &["VER-1", "VER-2"],
        format!("{key} {}", bound.above()),
        format!("{key} at {}", Version(version).show()),
    )
}

fn page(remaining: &Remaining, answer: &GetResponse, clock: &mut Clock) -> Judged {
    for (at, item) in answer.items.iter().enumerate() {
        entry(remaining, at, None, item, clock)?;
    }
    let count = answer.items.len();
    fits(remaining, 0, &answer.items.iter().collect::<Vec<_>>(), false)?;
    ends(remaining, count, !answer.next_page_token.is_empty(), false)
}

fn scan(remaining: &Remaining, limits: ScanLimits, messages: &[ScanResponse], clock: &mut Clock) -> Judged {
    let limit = limits.limit.unwrap_or(usize::MAX);
    let mut count = 0;
    for message in messages {
        let start = count;
        for answered in &message.entries {
            entry(remaining, count, Some(answered.id.as_str()), &answered.item, clock)?;
            count += 1;
        }
        let items: Vec<_> = message.entries.iter().map(|entry| &entry.item).collect();
        fits(remaining, start, &items, true)?;
        ends(remaining, count, !message.resume_token.is_empty(), true)?;
    }
    if count > limit {
        return wrong(&["SCAN-2"], format!("at most {limit} entries"), format!("{count} entries"));
    }
    let cut = limits.cut.unwrap_or(usize::MAX);
    if messages.is_empty() || messages.len() > cut {
        let allowed = format!("1 to {cut} messages");
        return wrong(&["SCAN-1"], allowed, format!("{} messages", messages.len()));
    }
    let all = remaining.entries.len().min(limit);
    if messages.len() < cut && count < all {
        return wrong(&["SCAN-1", "SCAN-2"], format!("{all} entries"), format!("an end after {count}"));
    }
    Ok(())
}

/// A token exactly if entries remain, and at least one entry if any remain.
fn ends(remaining: &Remaining, answered: usize, token: bool, scan: bool) -> Judged {
    let left = remaining.entries.get(answered);
    match (left, token) {
        (Some(next), false) => {
            let expected = format!("{}, or a token for it", show_entry(next));
            let rules: &[_] = if scan { &["SCAN-1"] } else { &["PAGE-1", "PAGE-2", "RT-6", "ORD-1"] };
            wrong(rules, expected, "nothing, and no token")
        }
        (Some(next), true) if answered == 0 => {
            wrong(&["PAGE-7"], format!("at least {}", show_entry(next)), "no item, and a token")
        }
        (None, true) => {
            wrong(if scan { &["SCAN-1"] } else { &["PAGE-5"] }, "no token, as nothing is left", "a token")
        }
        (Some(_), true) | (None, false) => Ok(()),
    }
}

/// PAGE-7: an item's weight is key + value + content type + 96 bytes, plus the id in a Scan; one item always fits.
fn fits(remaining: &Remaining, start: usize, items: &[&Item], scan: bool) -> Judged {
    let weigh = |(at, item): (usize, &&Item)| {
        let id = remaining.entries.get(start + at).map_or(0, |entry| entry.id.len());
        item.key.len() + item.value.len() + item.content_type.len() + 96 + if scan { id } else { 0 }
    };
    let weight: usize = items.iter().enumerate().map(weigh).sum();
    if items.len() > remaining.max_items {
        let actual = format!("{} items", items.len());
        return wrong(&["PAGE-7"], format!("at most {} items on a page", remaining.max_items), actual);
    }
    if weight > remaining.max_bytes && items.len() > 1 {
        let expected = format!("at most {} bytes on a page", remaining.max_bytes);
        return wrong(&["PAGE-7"], expected, format!("{} items of {weight} bytes", items.len()));
    }
    Ok(())
}

fn entry(remaining: &Remaining, at: usize, id: Option<&str>, item: &Item, clock: &mut Clock) -> Judged {
    let key = item.key.clone().into_bytes();
    let next = remaining.entries.get(at);
    match next {
        Some(next) if next.key == key && id.is_none_or(|id| id == next.id) => {
            contents(next, item, remaining.keys_only, clock)
        }
        Some(_) | None => {
            let expected = next.map_or("nothing more".to_owned(), show_entry);
            let prefix = id.map_or(String::new(), |id| format!("{} ", bytes(id.as_bytes())));
            let actual = format!("{prefix}{}={}", bytes(&key), bytes(&item.value));
            wrong(misplaced(remaining, at, id, &key), expected, actual)
        }
    }
}

/// The rules that this key breaks at this position.
fn misplaced(remaining: &Remaining, at: usize, id: Option<&str>, key: &Bytes) -> &'static [&'static str] {
    let is = |of: &str, this: &Bytes| this == key && id.is_none_or(|id| id == of);
    let excluded = remaining.excluded.iter().find(|(of, this, _)| is(of, this)).map(|(.., why)| *why);
    match (remaining.entries.iter().position(|entry| is(&entry.id, &entry.key)), excluded) {
        (Some(later), _) if later > at => &["ORD-1", "ORD-2", "PAGE-1", "PAGE-2", "RT-6"],
        (Some(_), _) | (None, Some(ExclusionReason::Passed)) => &["PAGE-1", "PAGE-2", "ORD-1"],
        (None, Some(ExclusionReason::NotSelected)) => &["PRED-1", "PRED-3", "PRED-4"],
        (None, Some(ExclusionReason::Expired)) => &["TTL-1"],
        (None, Some(ExclusionReason::Gone)) => &["DEL-1", "TOK-5"],
        (None, None) => &["ISO-1", "RT-4", "RT-3"],
    }
}

fn show_entry(entry: &Entry) -> String {
    format!("{} {}={}", bytes(entry.id.as_bytes()), bytes(&entry.key), bytes(&entry.item.value))
}

fn contents(expected: &Entry, item: &Item, keys_only: bool, clock: &mut Clock) -> Judged {
    let (stored, key) = (&expected.item, bytes(&expected.key));
    let value = if keys_only { Bytes::new() } else { stored.value.clone() };
    let rules: &[_] = if keys_only { &["PAGE-8"] } else { &["PUT-1", "RT-1", "RT-2"] };
    if value != item.value {
        let (expected, actual) = both_bytes(&value, &item.value);
        return wrong(rules, format!("{key}={expected}"), format!("{key}={actual}"));
    }
    let show = |text: &String| format!("{key} with content_type {}", bytes(text.as_bytes()));
    same(&["RT-5", "PUT-1"], &stored.content_type, &item.content_type, show)?;
    let show = |number: &i32| format!("{key} with compression {number}");
    same(&["RT-5", "PUT-1"], &stored.compression, &item.compression, show)?;
    let show = |version: &i64| format!("{key} at version {version}");
    same(&["VER-1"], &stored.version, &item.version, show)?;
    let show = |token: &i64| format!("{key} with priority_token {token}");
    same(&["TOK-1", "TOK-2", "TOK-4"], &expected.highest, &item.priority_token, show)?;
    times(expected, item, clock)
}

fn times(expected: &Entry, item: &Item, clock: &mut Clock) -> Judged {
    let (stored, key) = (&expected.item, bytes(&expected.key));
    for (name, moment, answered) in
        [("updated_at", stored.updated, item.updated_at), ("created_at", stored.created, item.created_at)]
    {
        if !clock.agrees(moment, answered) {
            let expected = format!("{key} with the {name} of the Put that set it");
            return wrong(&["PUT-5"], expected, format!("{name} {}", answered.show()));
        }
    }
    let ends = item.expires_at.map(|end| end.as_micros() - item.updated_at.as_micros());
    let show = |ttl: &Option<i64>| match ttl {
        None => format!("{key} without expires_at"),
        Some(ttl) => format!("{key} with expires_at {} after updated_at", micros(*ttl)),
    };
    same(&["TTL-2", "TTL-3", "TTL-1"], &stored.ttl, &ends, show)
}

/// A span of microseconds, which may be negative.
fn micros(span: i64) -> String {
    let sign = if span < 0 { "-" } else { "" };
    format!("{sign}{}", crate::core::span(Duration::from_micros(span.unsigned_abs())))
}
