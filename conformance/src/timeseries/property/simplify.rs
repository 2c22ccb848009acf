//! Shrinking of the operations of a divergence, one part at a time.

use crate::timeseries::op::{At, From, Op, Origin};

/// The server's time.
const NOW: At = At { origin: Origin::Now, micros: 0 };

/// Every variant of the operation with one part removed or simplified; none for a minimal operation.
pub(super) fn simplifications(op: &Op) -> Vec<Op> {
    let mut simpler = Vec::new();
    match op {
        Op::Append(append) => {
            let mut with = |change: &dyn Fn(&mut crate::timeseries::op::Append)| {
                let mut append = append.clone();
                change(&mut append);
                simpler.push(Op::Append(append));
            };
            for at in (0..append.events.len()).rev() {
                if append.events.len() > 1 {
                    with(&|append| drop(append.events.remove(at)));
                }
                with(&|append| append.events[at].at = NOW);
                with(&|append| append.events[at].payload.clear());
                with(&|append| append.events[at].content_type.clear());
                with(&|append| append.events[at].tags.clear());
            }
        }
        Op::Query(query) => {
            let mut with = |change: &dyn Fn(&mut crate::timeseries::op::Query)| {
                let mut query = query.clone();
                change(&mut query);
                simpler.push(Op::Query(query));
            };
            with(&|query| query.start = None);
            with(&|query| query.end = None);
            with(&|query| query.tags.clear());
            with(&|query| query.reverse = false);
            with(&|query| query.without_payload = false);
            with(&|query| query.limit = 0);
            with(&|query| query.cut = None);
            with(&|query| query.page_bytes = 0);
            with(&|query| query.next = false);
        }
        Op::Tail(tail) => {
            let mut with = |change: &dyn Fn(&mut crate::timeseries::op::Tail)| {
                let mut tail = tail.clone();
                change(&mut tail);
                simpler.push(Op::Tail(tail));
            };
            with(&|tail| tail.tags.clear());
            with(&|tail| tail.without_payload = false);
            with(&|tail| {
                if let From::Token(age) = tail.from {
                    tail.from = From::Token(age.saturating_sub(1));
                }
            });
        }
        Op::List(list) => {
            let (limit, next) = (0, false);
            simpler.push(Op::List(crate::timeseries::op::List { limit, next, ..list.clone() }));
            let prefix = String::new();
            simpler.push(Op::List(crate::timeseries::op::List { prefix, ..list.clone() }));
        }
        Op::Histogram(histogram) => {
            let tags = Vec::new();
            simpler.push(Op::Histogram(crate::timeseries::op::Histogram { tags, ..histogram.clone() }));
        }
        Op::Delete(delete) => {
            let (start, end) = (None, None);
            simpler.push(Op::Delete(crate::timeseries::op::Delete { start, ..delete.clone() }));
            simpler.push(Op::Delete(crate::timeseries::op::Delete { end, ..delete.clone() }));
        }
        Op::Advance(_) | Op::Sweep | Op::Restart(_) => {}
    }
    simpler.retain(|other| other != op);
    simpler
}
