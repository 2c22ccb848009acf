//! The check of histories on hand-made ones: each violation is found, by its rule, and nothing else is.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, EventInput, QueryRequest, QueryResponse, TailFrom, TailRequest,
    TailResponse,
};

use super::{Guarantees, History, Operation, check, overlap};
use crate::core::{Failure, StatusCode};
use crate::timeseries::replies::stored;
use crate::timeseries::{Events, Outcome, Request, Response, TailUntil, event};

const BOTH: Guarantees = Guarantees { is_atomic: true, is_exact: true };
const NEITHER: Guarantees = Guarantees { is_atomic: false, is_exact: false };

/// An event of series `s` whose time is that of its number.
fn e(number: i64) -> EventInput {
    let time = Timestamp::from_micros(1_000 + number).unwrap_or(Timestamp::MAX);
    event(time, format!("{number}"))
}

fn operation(client: usize, at: (u64, u64), request: Request, response: Response) -> Operation {
    let outcome = Some(Outcome::Answered(response));
    Operation { client, request, called: at.0, returned: Some(at.1), outcome }
}

fn append(client: usize, at: (u64, u64), events: &[EventInput]) -> Operation {
    let request = AppendRequest { namespace: "n".to_owned(), events: events.to_vec() };
    operation(client, at, Request::Append(request), Response::Append(AppendResponse::default()))
}

fn query(client: usize, at: (u64, u64), series: &str, events: &[EventInput]) -> Operation {
    let series = series.to_owned();
    let request = QueryRequest { namespace: "n".to_owned(), series, ..QueryRequest::default() };
    let events = events.iter().filter_map(stored).map(|stored| stored.event).collect();
    let tail_token = Bytes::from(format!("after {}", at.1));
    let message = QueryResponse { events, resume_token: Bytes::new(), tail_token };
    operation(client, at, Request::Query(request, None), Response::Query(vec![message]))
}

/// A Tail from the beginning, or after the read that returned at this moment.
fn tail(client: usize, at: (u64, u64), after: Option<u64>, events: &[EventInput]) -> Operation {
    let from =
        after.map_or(TailFrom::Beginning, |after| TailFrom::Token(Bytes::from(format!("after {after}"))));
    let (namespace, series) = ("n".to_owned(), "s".to_owned());
    let request = TailRequest { namespace, series, from, ..TailRequest::default() };
    let events = events.iter().filter_map(stored).collect();
    let message = TailResponse { events, token: Bytes::from(format!("after {}", at.1)) };
    let request = Request::Tail(request, TailUntil::CaughtUp);
    operation(client, at, request, Response::Tail(vec![message]))
}

/// The rules and operations of the violation; none: the history is allowed.
fn found(guarantees: Guarantees, operations: &[Operation]) -> Option<(Vec<&'static str>, Vec<usize>)> {
    let history = History { operations: operations.to_vec() };
    check(&history, guarantees).err().map(|violation| (violation.rules, violation.operations))
}

#[test]
fn an_event_may_be_seen_while_it_is_appended_and_must_be_afterwards() {
    for seen in [&[][..], &[e(1)]] {
        assert_eq!(found(BOTH, &[append(0, (1, 5), &[e(1)]), query(1, (2, 4), "s", seen)]), None);
    }
    assert_eq!(found(BOTH, &[append(0, (1, 5), &[e(1)]), query(1, (6, 7), "s", &[e(1)])]), None);
    let missing = [append(0, (1, 5), &[e(1)]), query(1, (6, 7), "s", &[])];
    assert_eq!(found(BOTH, &missing), Some((vec!["APP-2", "QRY-1"], vec![0, 1])));
    let missing = [append(0, (1, 5), &[e(1)]), tail(1, (6, 7), None, &[])];
    assert_eq!(found(NEITHER, &missing), Some((vec!["TAIL-1", "APP-2"], vec![0, 1])));
}

#[test]
fn what_was_not_appended_or_refused_or_changed_is_not_read() {
    let rules = vec!["QRY-1", "TAIL-1", "APP-4"];
    assert_eq!(found(BOTH, &[query(1, (6, 7), "s", &[e(1)])]), Some((rules.clone(), vec![0])));
    let early = [query(1, (1, 2), "s", &[e(1)]), append(0, (3, 5), &[e(1)])];
    assert_eq!(found(BOTH, &early), Some((rules.clone(), vec![0])));
    let mut refused = append(0, (1, 2), &[e(1)]);
    refused.outcome = Some(Outcome::Failed(Failure::new(StatusCode::InvalidArgument, "")));
    assert_eq!(found(BOTH, &[refused, query(1, (3, 4), "s", &[e(1)])]), Some((rules, vec![1])));
    let changed = [append(0, (1, 2), &[e(1)]), query(1, (3, 4), "s", &[e(1).payload("other")])];
    assert_eq!(found(BOTH, &changed), Some((vec!["APP-1", "APP-3"], vec![0, 1])));
}

#[test]
fn an_append_without_an_answer_may_be_there_or_not() {
    let mut unanswered = append(0, (1, 2), &[e(1)]);
    (unanswered.returned, unanswered.outcome) = (None, None);
    for seen in [&[][..], &[e(1)]] {
        assert_eq!(found(BOTH, &[unanswered.clone(), query(1, (3, 4), "s", seen)]), None);
    }
}

#[test]
fn an_atomic_append_is_seen_whole_by_this_reader_and_by_later_ones() {
    let append = append(0, (1, 9), &[e(1), e(2), e(3).of("t")]);
    let torn = [append.clone(), query(1, (2, 3), "s", &[e(1)])];
    assert_eq!(found(BOTH, &torn), Some((vec!["APP-7"], vec![0, 1])));
    assert_eq!(found(NEITHER, &torn), None);
    let across = [append.clone(), query(1, (2, 3), "s", &[e(1), e(2)]), query(2, (4, 5), "t", &[])];
    assert_eq!(found(BOTH, &across), Some((vec!["APP-7"], vec![0, 1, 2])));
    let beside = [append.clone(), query(1, (2, 4), "s", &[e(1), e(2)]), query(2, (3, 5), "t", &[])];
    assert_eq!(found(BOTH, &beside), None);
    // Messages of a Tail may split an Append, but what a Tail has brought is there.
    let split = [append.clone(), tail(1, (2, 3), None, &[e(1)])];
    assert_eq!(found(BOTH, &split), None);
    let after = [append, tail(1, (2, 3), None, &[e(1)]), query(2, (4, 5), "s", &[])];
    assert_eq!(found(BOTH, &after), Some((vec!["APP-7"], vec![0, 1, 2])));
}

#[test]
fn a_query_is_ordered_by_time_and_has_each_event_once() {
    let appended = append(0, (1, 2), &[e(1), e(2)]);
    let turned = [appended.clone(), query(1, (3, 4), "s", &[e(2), e(1)])];
    assert_eq!(found(NEITHER, &turned), Some((vec!["QRY-1", "QRY-5"], vec![1])));
    let twice = [appended, query(1, (3, 4), "s", &[e(1), e(1), e(2)])];
    assert_eq!(found(NEITHER, &twice), Some((vec!["QRY-1", "QRY-5"], vec![1])));
}

#[test]
fn a_tail_has_the_order_of_appends_and_of_their_events() {
    let (one, two) = (append(0, (1, 2), &[e(9)]), append(1, (3, 4), &[e(1)]));
    let turned = [one.clone(), two.clone(), tail(2, (5, 6), None, &[e(1), e(9)])];
    assert_eq!(found(NEITHER, &turned), Some((vec!["TAIL-2"], vec![0, 1, 2])));
    assert_eq!(found(BOTH, &[one, two, tail(2, (5, 6), None, &[e(9), e(1)])]), None);
    let pair = append(0, (1, 2), &[e(1), e(2)]);
    assert_eq!(
        found(NEITHER, &[pair, tail(2, (5, 6), None, &[e(2), e(1)])]),
        Some((vec!["APP-11"], vec![0, 1]))
    );
}

#[test]
fn appends_at_once_have_any_order_but_one_for_all_tails() {
    let (one, two) = (append(0, (1, 4), &[e(1)]), append(1, (2, 3), &[e(2)]));
    let (first, second) = (tail(2, (5, 6), None, &[e(1), e(2)]), tail(2, (7, 8), None, &[e(2), e(1)]));
    assert_eq!(found(BOTH, &[one.clone(), two.clone(), first.clone()]), None);
    assert_eq!(found(BOTH, &[one.clone(), two.clone(), second.clone()]), None);
    let both = [one, two, first, second];
    assert_eq!(found(BOTH, &both), Some((vec!["TAIL-2", "TAIL-3"], vec![2, 3])));
}

#[test]
fn a_tail_continues_a_read_without_a_gap_and_without_a_repetition() {
    let start = [append(0, (1, 2), &[e(1)]), append(0, (3, 6), &[e(2)]), query(1, (4, 5), "s", &[e(1)])];
    let with = |last: Operation| [&start[..], &[last]].concat();
    assert_eq!(found(BOTH, &with(tail(1, (7, 8), Some(5), &[e(2)]))), None);
    let gap = with(tail(1, (7, 8), Some(5), &[]));
    assert_eq!(found(NEITHER, &gap), Some((vec!["QRY-11", "TAIL-3", "APP-2"], vec![1, 2, 3])));
    let again = with(tail(1, (7, 8), Some(5), &[e(1), e(2)]));
    assert_eq!(found(BOTH, &again), Some((vec!["TAIL-3", "QRY-11"], vec![2, 3])));
    assert_eq!(found(NEITHER, &again), None);
    // A second Tail goes on after the first.
    let on = [&start[..], &[tail(1, (7, 8), Some(5), &[e(2)]), tail(1, (9, 10), Some(8), &[])]].concat();
    assert_eq!(found(BOTH, &on), None);
    let again =
        [&start[..], &[tail(1, (7, 8), Some(5), &[e(2)]), tail(1, (9, 10), Some(8), &[e(2)])]].concat();
    assert_eq!(found(BOTH, &again), Some((vec!["TAIL-3", "QRY-11"], vec![3, 4])));
}

#[test]
fn only_reads_beside_an_append_of_another_client_overlap() {
    let of = |operations: &[Operation]| overlap(&History { operations: operations.to_vec() });
    let append = append(0, (2, 6), &[e(1)]);
    assert_eq!(of(&[append.clone(), query(0, (3, 4), "s", &[])]), 0, "its own client");
    assert_eq!(of(&[append.clone(), query(1, (7, 8), "s", &[])]), 0, "one after the other");
    assert_eq!(of(&[append.clone(), query(1, (3, 4), "t", &[])]), 0, "another series");
    assert_eq!(of(&[append.clone(), query(1, (1, 3), "s", &[]), tail(2, (5, 9), None, &[e(1)])]), 2);
}
