//! Query: the range, the order, the filter, the mirror.

use prism_contract::timeseries::request::{QueryRequest, QueryResponse, TimeInput};

use super::support::{REVERSE, Times, holds, ids, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, Reply, case};
use crate::timeseries::{Case, Ctx, Events, event, time};

pub(super) const CASES: &[Case] = &[
    case!(
        "query::answers_by_time_then_by_id",
        "A Query answers by time, and events of one time by the bytes of their ids.",
        ["QRY-1"],
        |c| {
            let t = times(c).await?;
            let order = [(3, "a"), (1, "b"), (2, "a"), (0, "z"), (2, "B"), (1, "a"), (2, "aa")];
            for (at, id) in order {
                c.append([event(t.at(at), id)]).ok().await?;
            }
            let mut sorted = order;
            sorted.sort_by(|one, other| (one.0, one.1.as_bytes()).cmp(&(other.0, other.1.as_bytes())));
            holds(c, &sorted.map(|(at, id)| event(t.at(at), id))).await
        }
    ),
    case!(
        "query::start_is_inclusive_and_end_exclusive",
        "A Query answers exactly the events with start ≤ time < end.",
        ["QRY-1"],
        |c| {
            let t = times(c).await?;
            c.append((0..6).map(|at| event(t.at(at), at.to_string()))).ok().await?;
            for start in 0..6 {
                for end in start + 1..=6 {
                    let expected: Vec<_> = (start..end).map(|at| at.to_string()).collect();
                    c.query().from(t.at(start)).to(t.at(end)).ok().await?.has_ids(&expected)?;
                }
            }
            c.query().from(t.at(4)).ok().await?.has_ids(&["4", "5"])?;
            c.query().to(t.at(2)).ok().await?.has_ids(&["0", "1"])?;
            c.query().from(t.at(6)).ok().await?.has_ids::<&str>(&[])
        }
    ),
    case!(
        "query::rounds_bounds_up",
        "A bound that is finer than a microsecond is rounded up, and then compared.",
        ["LIM-2", "QRY-2"],
        |c| {
            let t = times(c).await?;
            c.append([event(t.at(0), "0"), event(t.at(1), "1"), event(t.at(2), "2")]).ok().await?;
            let finer = |at: i64, nanos: i32| {
                let TimeInput { seconds, nanos: micros } = time(t.at(at));
                Some(TimeInput { seconds, nanos: micros + nanos })
            };
            let with = |start, end| {
                c.query().with(move |query: &mut QueryRequest| (query.start, query.end) = (start, end))
            };
            with(finer(0, 1), None).ok().await?.has_ids(&["1", "2"])?;
            with(None, finer(1, 1)).ok().await?.has_ids(&["0", "1"])?;
            with(finer(0, 999), finer(1, 1)).ok().await?.has_ids(&["1"])?;
            with(finer(0, 1), finer(1, 0)).fails(InvalidArgument).await?;
            with(finer(0, 1), finer(0, 999)).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "query::of_nothing_sends_one_message",
        "A Query that finds nothing sends one message, without a resume_token and with a tail_token.",
        ["QRY-1", "QRY-4"],
        |c| {
            let t = times(c).await?;
            let empty = |read: Reply<Vec<QueryResponse>>| -> Proof {
                read.has_ids::<&str>(&[])?;
                read.same("messages", &1, &read.len())?;
                read.is_last()?;
                read.tail_token().map(drop)
            };
            empty(c.query().ok().await?)?;
            c.append([event(t.at(0), "a")]).ok().await?;
            empty(c.query().of("absent").ok().await?)?;
            empty(c.query().from(t.at(1)).ok().await?)?;
            empty(c.query().tagged("k", "v").ok().await?)?;
            empty(c.query().within("absent").ok().await?)
        }
    ),
    case!(
        "query::refuses_a_range_without_a_time",
        "A start that is not before the end is refused, and the field end is named.",
        ["QRY-2"],
        |c| {
            let t = times(c).await?;
            for (start, end) in [(1, 1), (2, 1), (1_000_000, 0)] {
                let failure = c.query().from(t.at(start)).to(t.at(end)).fails(InvalidArgument).await?;
                let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
                failure.same("fields", &vec!["end"], &fields)?;
            }
            Ok(())
        }
    ),
    case!(
        "query::every_named_tag_must_be_equal",
        "Every named tag must be equal, and an event without it does not match.",
        ["QRY-3"],
        |c| {
            let t = times(c).await?;
            tagged(c, t).await?;
            c.query().tagged("a", "1").ok().await?.has_ids(&["a1", "a1b1", "a1b2"])?;
            c.query().tagged("b", "1").ok().await?.has_ids(&["a1b1", "b1"])?;
            c.query().tagged("a", "1").tagged("b", "2").ok().await?.has_ids(&["a1b2"])?;
            c.query().tagged("a", "2").tagged("b", "1").ok().await?.has_ids::<&str>(&[])?;
            c.query().tagged("a", "").ok().await?.has_ids(&["a"])?;
            c.query().tagged("c", "").ok().await?.has_ids::<&str>(&[])?;
            c.query().tagged("a", "1").from(t.at(2)).ok().await?.has_ids(&["a1b1", "a1b2"])
        }
    ),
    case!(
        "query::late_events_take_their_place",
        "A late event takes its place by its time.",
        ["QRY-6"],
        |c| {
            let t = times(c).await?;
            for at in [10, 20, 5, 15, 0] {
                c.append([event(t.at(at), at.to_string())]).ok().await?;
            }
            c.query().ok().await?.has_ids(&["0", "5", "10", "15", "20"])?;
            c.query().from(t.at(5)).to(t.at(20)).ok().await?.has_ids(&["5", "10", "15"])
        }
    ),
    case!(
        "query::reverse_is_the_exact_mirror",
        "With reverse the answer is the exact mirror, for every range, filter, limit and page size.",
        ["QRY-7"],
        [REVERSE],
        |c| {
            let t = times(c).await?;
            tagged(c, t).await?;
            let calls = || {
                [
                    c.query(),
                    c.query().from(t.at(2)),
                    c.query().to(t.at(4)),
                    c.query().from(t.at(1)).to(t.at(5)),
                    c.query().tagged("a", "1"),
                    c.query().page_bytes(1),
                    c.query().without_payload(),
                ]
            };
            for (forwards, backwards) in calls().into_iter().zip(calls()) {
                let mut expected = forwards.ok().await?.events();
                expected.reverse();
                let read = backwards.reverse().ok().await?;
                read.same("events", &expected, &read.events())?;
            }
            c.query().reverse().limit(2).ok().await?.has_ids(&["b1", "a1b2"])
        }
    ),
    case!(
        "query::reverse_mirrors_events_of_one_time",
        "With reverse events of one time come by their ids backwards.",
        ["QRY-7"],
        [REVERSE],
        |c| {
            let t = times(c).await?;
            c.append(["b", "c", "a"].map(|id| event(t.at(0), id))).ok().await?;
            c.query().reverse().ok().await?.has_ids(&["c", "b", "a"])
        }
    ),
    case!(
        "query::without_payload_answers_the_same_events",
        "With without_payload the same events are answered, without payloads.",
        ["QRY-8"],
        |c| {
            let t = times(c).await?;
            let events = [
                event(t.at(0), "a").payload("long").typed("text/plain").tag("k", "v"),
                event(t.at(1), "b").payload(""),
                event(t.at(2), "c").payload([7; 4_096]),
            ];
            c.append(events.clone()).ok().await?;
            let bare: Vec<_> = events.iter().map(|event| event.clone().payload("")).collect();
            c.query().without_payload().ok().await?.holds(&bare)?;
            c.query().without_payload().tagged("k", "v").ok().await?.holds(&bare[..1])?;
            holds(c, &events).await
        }
    ),
    case!(
        "query::answers_one_series",
        "A Query answers the events of its series only.",
        ["QRY-1", "ISO-1"],
        |c| {
            let t = times(c).await?;
            let names = ["s", "sa", "", "t"].map(|rest| format!("a{rest}"));
            c.append(names.iter().map(|name| event(t.at(0), name).of(name))).ok().await?;
            for name in &names {
                c.query().of(name).ok().await?.has_ids(&ids(&[event(t.at(0), name)]))?;
            }
            Ok(())
        }
    ),
];

/// Events with several tags, in the order of their times.
async fn tagged(c: &Ctx, t: Times) -> Proof {
    let events = [
        event(t.at(0), "none"),
        event(t.at(1), "a1").tag("a", "1"),
        event(t.at(2), "a1b1").tag("a", "1").tag("b", "1"),
        event(t.at(3), "a").tag("a", ""),
        event(t.at(4), "a1b2").tag("a", "1").tag("b", "2"),
        event(t.at(5), "b1").tag("b", "1").tag("z", "1"),
    ];
    c.append(events).ok().await.map(drop)
}
