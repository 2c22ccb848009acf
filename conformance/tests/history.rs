//! The linearizability checker detects the classic violations, and names the first inexplicable answer.

mod racing {
    pub(crate) mod build;
}

use std::time::Duration;

use prism_conformance::keyvalue::history::{History, HistoryVerdict, Operation};
use prism_conformance::keyvalue::{Outcome, Request};
use prism_conformance::linearizability::{Limits, html};
use prism_conformance::{Failure, StatusCode};
use prism_contract::keyvalue::request::{KeyPredicate, PutRequest};
use racing::build::{conditions, delete, deleted, done, get, lost, put, read, refused, written};

fn check(operations: Vec<Operation>) -> HistoryVerdict {
    History { operations }.check(Limits::default())
}

/// Length of the violating history, index of the culprit in it, and the expected answer.
fn culprit(operations: Vec<Operation>) -> (usize, usize, String) {
    match check(operations) {
        HistoryVerdict::Violation(violation) => {
            (violation.history.operations.len(), violation.culprit, violation.expected)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_read_may_see_a_write_that_it_overlaps_or_not() {
    let write = done(0, (1, 4), Request::Put(put([("a", "1")])), written([7]));
    for seen in [read([]), read([("a", "1", 7)])] {
        let reader = done(1, (2, 3), get(KeyPredicate::MatchAll), seen);
        assert_eq!(check(vec![write.clone(), reader]), HistoryVerdict::Linearizable);
    }
}

#[test]
fn a_stale_read_is_reported_with_the_expected_answer() {
    let stale = vec![
        done(0, (1, 2), Request::Put(put([("a", "old")])), written([1])),
        done(0, (3, 4), Request::Put(put([("a", "new")])), written([2])),
        done(1, (5, 6), get(KeyPredicate::MatchAll), read([("a", "old", 1)])),
        done(1, (7, 8), get(KeyPredicate::MatchAll), read([("a", "new", 2)])),
    ];
    // The operations after the stale read are not part of the violating history.
    assert_eq!(culprit(stale), (3, 2, "\"a\"=\"new\" v2".to_owned()));
}

#[test]
fn two_reads_may_not_see_a_new_value_and_then_the_old_one() {
    let write = done(0, (1, 9), Request::Put(put([("a", "1")])), written([1]));
    let new = done(1, (2, 3), get(KeyPredicate::MatchAll), read([("a", "1", 1)]));
    let old = done(2, (4, 5), get(KeyPredicate::MatchAll), read([]));
    assert_eq!(culprit(vec![write, new, old]), (3, 2, "\"a\"=\"1\" v1".to_owned()));
}

#[test]
fn a_lost_update_is_a_violation() {
    let from_one = |value| PutRequest { preconditions: conditions(&[("a", 1)]), ..put([("a", value)]) };
    let lost_update = vec![
        done(0, (1, 2), Request::Put(put([("a", "0")])), written([1])),
        done(0, (3, 6), Request::Put(from_one("x")), written([2])),
        done(1, (4, 7), Request::Put(from_one("y")), written([3])),
    ];
    let expected = "FAILED_PRECONDITION with \"a\" v2".to_owned();
    assert_eq!(culprit(lost_update), (3, 2, expected));
}

#[test]
fn a_torn_put_is_a_violation() {
    let torn = vec![
        done(0, (1, 4), Request::Put(put([("a", "1"), ("b", "1")])), written([1, 2])),
        done(1, (2, 3), get(KeyPredicate::MatchAll), read([("a", "1", 1)])),
    ];
    let (shown, culprit, expected) = culprit(torn);
    assert_eq!((shown, culprit), (2, 1));
    assert!(expected.contains("nothing") && expected.contains("\"a\"=\"1\""), "{expected}");
}

#[test]
fn write_skew_of_preconditions_is_a_violation() {
    let skew = |write, guard| {
        Request::Put(PutRequest { preconditions: conditions(&[(guard, 0)]), ..put([(write, "1")]) })
    };
    let both =
        vec![done(0, (1, 4), skew("a", "b"), written([1])), done(1, (2, 3), skew("b", "a"), written([2]))];
    assert!(matches!(check(both), HistoryVerdict::Violation(_)));
    let one = vec![
        done(0, (1, 4), skew("a", "b"), written([1])),
        done(1, (2, 3), skew("b", "a"), refused(&[("a", 1)])),
    ];
    assert_eq!(check(one), HistoryVerdict::Linearizable);
}

#[test]
fn a_refusal_names_every_condition_that_failed_and_no_other() {
    let guarded = PutRequest { preconditions: conditions(&[("a", 9), ("b", 0)]), ..put([("a", "2")]) };
    let named: [(&[(&str, i64)], bool); 5] = [
        (&[("a", 1)], true),
        (&[], false),
        (&[("a", 2)], false),
        (&[("a", 1), ("b", 0)], false),
        (&[("a", 1), ("c", 1)], false),
    ];
    for (named, linearizable) in named {
        let history = vec![
            done(0, (1, 2), Request::Put(put([("a", "1"), ("c", "1")])), written([1, 1])),
            done(0, (3, 4), Request::Put(guarded.clone()), refused(named)),
        ];
        assert_eq!(check(history) == HistoryVerdict::Linearizable, linearizable, "{named:?}");
    }
}

#[test]
fn versions_that_do_not_rise_are_a_violation_even_across_a_delete() {
    for (version, linearizable) in [(4, false), (5, false), (6, true)] {
        let history = vec![
            done(0, (1, 2), Request::Put(put([("a", "1")])), written([5])),
            done(0, (3, 4), Request::Delete(delete(KeyPredicate::MatchAll)), deleted(1)),
            done(0, (5, 6), Request::Put(put([("a", "2")])), written([version])),
        ];
        assert_eq!(check(history) == HistoryVerdict::Linearizable, linearizable, "version {version}");
    }
}

#[test]
fn a_write_without_an_answer_may_take_effect_late_or_never_but_not_twice_and_not_early() {
    let write = lost(0, 3, Request::Put(put([("a", "1")])));
    let read_at = |called, seen| done(1, (called, called + 1), get(KeyPredicate::MatchAll), seen);
    let seen = |version| read([("a", "1", version)]);
    let never = vec![write.clone(), read_at(4, read([])), read_at(6, read([]))];
    assert_eq!(check(never), HistoryVerdict::Linearizable);
    let late = vec![write.clone(), read_at(4, read([])), read_at(6, seen(9)), read_at(8, seen(9))];
    assert_eq!(check(late), HistoryVerdict::Linearizable);
    let gone = vec![write.clone(), read_at(4, seen(9)), read_at(6, read([]))];
    assert!(matches!(check(gone), HistoryVerdict::Violation(_)));
    let two_versions = vec![write.clone(), read_at(4, seen(9)), read_at(6, seen(10))];
    assert!(matches!(check(two_versions), HistoryVerdict::Violation(_)));
    let early = vec![read_at(1, seen(9)), write];
    assert!(matches!(check(early), HistoryVerdict::Violation(_)));
}

#[test]
fn an_unavailable_write_is_ambiguous_and_one_that_was_shed_is_not() {
    for (code, linearizable) in [
        (StatusCode::Unavailable, true),
        (StatusCode::DeadlineExceeded, true),
        (StatusCode::Internal, true),
        (StatusCode::ResourceExhausted, false),
        (StatusCode::InvalidArgument, false),
    ] {
        let failed = Outcome::Failed(Failure::new(code, ""));
        let history = vec![
            done(0, (1, 2), Request::Put(put([("a", "1")])), failed),
            done(1, (3, 4), get(KeyPredicate::MatchAll), read([("a", "1", 1)])),
        ];
        assert_eq!(check(history) == HistoryVerdict::Linearizable, linearizable, "{code}");
    }
}

#[test]
fn records_are_checked_independently() {
    let mut other = put([("a", "1")]);
    other.id = "another".to_owned();
    let history = vec![
        done(0, (1, 2), Request::Put(other), written([1])),
        done(1, (3, 4), get(KeyPredicate::MatchAll), read([])),
    ];
    assert_eq!(check(history), HistoryVerdict::Linearizable);
}

#[test]
fn a_search_over_its_limit_is_inconclusive() {
    // Many concurrent blind writes and a read of a value that was never written: every order would have to be tried.
    let mut operations: Vec<_> =
        (0..14).map(|at| lost(at, 1, Request::Put(put([("a", &at.to_string())])))).collect();
    operations.push(done(20, (50, 60), get(KeyPredicate::MatchAll), read([("a", "unwritten", 3)])));
    let limits = Limits { moments: 1_000, time: Duration::from_mins(1) };
    let history = History { operations };
    assert!(matches!(history.check(limits), HistoryVerdict::Inconclusive(_)), "{:?}", history.check(limits));
}

#[test]
fn operations_overlap_only_in_time_on_one_record_and_with_a_write() {
    let write = |client, times| done(client, times, Request::Put(put([("a", "1")])), written([1]));
    let reads = |client, times| done(client, times, get(KeyPredicate::MatchAll), read([]));
    let overlap = |operations| History { operations }.overlap();
    assert_eq!(overlap(vec![write(0, (1, 3)), reads(1, (2, 4))]), 2);
    assert_eq!(overlap(vec![write(0, (1, 2)), reads(1, (3, 4))]), 0);
    assert_eq!(overlap(vec![reads(0, (1, 3)), reads(1, (2, 4))]), 0);
    assert_eq!(overlap(vec![write(0, (1, 3)), write(0, (2, 4))]), 0);
}

#[test]
fn rejected_operations_do_not_count_as_overlapping() {
    let write = |client, times, outcome| done(client, times, Request::Put(put([("a", "1")])), outcome);
    let failed = |code| Outcome::Failed(Failure::new(code, "no"));
    let overlap = |outcome| {
        let operations = vec![write(0, (1, 3), written([1])), write(1, (2, 4), outcome)];
        History { operations }.overlap()
    };
    assert_eq!(overlap(failed(StatusCode::FailedPrecondition)), 2);
    assert_eq!(overlap(failed(StatusCode::Unavailable)), 0);
    assert_eq!(overlap(failed(StatusCode::ResourceExhausted)), 0);
}

#[test]
fn the_page_is_self_contained_and_escapes_client_data() {
    let hostile = "<script>&\"";
    let history = History {
        operations: vec![
            done(0, (1, 2), Request::Put(put([("a", hostile)])), written([1])),
            done(1, (3, 4), get(KeyPredicate::MatchAll), read([])),
        ],
    };
    let page = html(&history, &history.check(Limits::default()));
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("https:"), "{page}");
    assert!(page.contains("&lt;script&gt;&amp;"), "{page}");
    assert!(page.contains("id=\"culprit\"") && page.contains("prefers-color-scheme: dark"), "{page}");
}
