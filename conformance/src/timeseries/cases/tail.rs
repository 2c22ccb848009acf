//! Tail: what arrives, in which order, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use prism_contract::timeseries::request::TailRequest;
use tokio::time::{Instant, timeout};

use super::support::{DELETE, EXACT_TAIL, GATEWAYS, NAMESPACE_TAIL, ids, numbered, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, Stop, case, span};
use crate::timeseries::{Case, Ctx, Events, Store, TailUntil, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "tail::begins_with_a_message_without_events",
        "The first message has no events, and its token is the starting point.",
        ["TAIL-1"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            c.append(events.clone()).ok().await?;
            let one = TailUntil::Messages(1);
            let from_beginning = c.tail().beginning().until(one).ok().await?;
            from_beginning.has_ids::<&str>(&[])?;
            let from_now = c.tail().now().until(one).ok().await?;
            from_now.has_ids::<&str>(&[])?;
            let new = event(t.at(9), "new");
            c.append([new.clone()]).ok().await?;
            let all = [events, vec![new.clone()]].concat();
            c.tail().after(&from_beginning.token()?).ok().await?.holds(&all)?;
            c.tail().after(&from_now.token()?).ok().await?.holds(&[new])
        }
    ),
    case!(
        "tail::from_a_token_begins_with_a_message_without_events",
        "A resumed Tail begins with a message without events too, whose token is where it was.",
        ["TAIL-1", "TAIL-3"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            let token = c.tail().now().ok().await?.token()?;
            c.append(events.clone()).ok().await?;
            let first = c.tail().after(&token).until(TailUntil::Messages(1)).ok().await?;
            first.has_ids::<&str>(&[])?;
            c.tail().after(&first.token()?).ok().await?.holds(&events)
        }
    ),
    case!(
        "tail::brings_every_event_from_the_beginning",
        "A Tail from the beginning brings every live event.",
        ["TAIL-1"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 30);
            for chunk in events.chunks(7) {
                c.append(chunk.to_vec()).ok().await?;
            }
            c.tail().beginning().ok().await?.holds(&events)?;
            c.tail().of("absent").beginning().ok().await?.holds(&[])
        }
    ),
    case!(
        "tail::brings_more_than_a_message_holds",
        "A Tail of more events than a message holds brings all of them, in messages within the limits.",
        ["TAIL-1", "LIM-1"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 1_000);
            c.append(events.clone()).ok().await?;
            let more: Vec<_> = (0..500).map(|at| event(t.at(at), format!("f{at:04}"))).collect();
            c.append(more.clone()).ok().await?;
            let read = c.tail().beginning().ok().await?;
            read.has_ids(&ids(&[events, more].concat()))?;
            let most = read.iter().map(|message| message.events.len()).max().unwrap_or(0);
            read.expect(most <= 1_000, "at most 1000 events in a message", most.to_string())
        }
    ),
    case!(
        "tail::brings_large_events",
        "A Tail of large events brings all of them, in messages of at most 2 MiB.",
        ["TAIL-1", "LIM-1"],
        |c| {
            let t = times(c).await?;
            let mut events = Vec::new();
            for (at, size) in (0..).zip([900 << 10, 1 << 20, 900 << 10, 5, 1 << 20]) {
                events.push(event(t.at(at), at.to_string()).payload(vec![3; size]));
                c.append([events[events.len() - 1].clone()]).ok().await?;
            }
            let read = c.tail().beginning().ok().await?;
            read.holds(&events)?;
            for message in read.iter() {
                let bytes: usize = message.events.iter().map(|of| of.event.payload.len()).sum();
                read.expect(bytes <= 2 << 20, "at most 2 MiB in a message", format!("{bytes} bytes"))?;
            }
            Ok(())
        }
    ),
    case!(
        "tail::from_now_brings_later_events_only",
        "A Tail from now brings the events that are written later, late ones too.",
        ["TAIL-1"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 3)).ok().await?;
            let (first, mut tail) = c.tail().now().open().await?;
            first.has_ids::<&str>(&[])?;
            let later = [event(t.at(50), "later"), event(t.at(-50), "late"), event(t.at(1), "between")];
            c.append(later.clone()).ok().await?;
            tail.read(TailUntil::Events(3)).await?.holds(&later)
        }
    ),
    case!("tail::goes_on_without_end", "An open Tail brings each later event.", ["TAIL-1", "TAIL-2"], |c| {
        let t = times(c).await?;
        let events = numbered(t, 8);
        c.append(events[..2].to_vec()).ok().await?;
        let (_, mut tail) = c.tail().beginning().open().await?;
        tail.read(TailUntil::Events(2)).await?.holds(&events[..2])?;
        for event in &events[2..] {
            c.append([event.clone()]).ok().await?;
            tail.read(TailUntil::Events(1)).await?.holds(std::slice::from_ref(event))?;
        }
        Ok(())
    }),
    case!(
        "tail::goes_by_the_order_of_appends",
        "An event that was acknowledged before another's Append began comes first, whatever their times.",
        ["TAIL-2"],
        |c| {
            let t = times(c).await?;
            let order = [40, 10, 30, 0, 20, 35, 5];
            let events: Vec<_> = order.iter().map(|at| event(t.at(*at), format!("e{at}"))).collect();
            for event in &events {
                c.append([event.clone()]).ok().await?;
            }
            c.tail().beginning().ok().await?.holds(&events)
        }
    ),
    case!(
        "tail::resumes_after_each_message",
        "A Tail resumed from any message's token brings exactly what followed.",
        ["TAIL-3"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 6);
            let (first, mut tail) = c.tail().now().open().await?;
            let mut tokens = vec![first.token()?];
            for event in &events {
                c.append([event.clone()]).ok().await?;
                tokens.push(tail.read(TailUntil::Events(1)).await?.token()?);
            }
            for (at, token) in tokens.iter().enumerate() {
                c.tail().after(token).ok().await?.holds(&events[at..])?;
            }
            Ok(())
        }
    ),
    case!(
        "tail::resumes_between_the_messages_of_one_append",
        "A Tail may be resumed between two messages of one Append.",
        ["TAIL-3", "TAIL-1"],
        |c| {
            let t = times(c).await?;
            let mut events = Vec::new();
            for at in 0..6 {
                events.push(event(t.at(5 - at), at.to_string()).payload(vec![1; 600 << 10]));
            }
            c.append(events.clone()).ok().await?;
            let read = c.tail().beginning().ok().await?;
            read.holds(&events)?;
            let mut before = 0;
            for message in read.iter() {
                before += message.events.len();
                c.tail().after(&message.token).ok().await?.holds(&events[before..])?;
            }
            Ok(())
        }
    ),
    case!(
        "tail::repeats_no_duplicate",
        "A resumed Tail repeats nothing, also if events were appended again.",
        ["TAIL-3", "APP-3"],
        [EXACT_TAIL],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 4);
            c.append(events.clone()).ok().await?;
            let token = c.tail().beginning().ok().await?.token()?;
            let again = events.iter().map(|event| event.clone().payload("other"));
            c.append(again.chain([event(t.at(9), "new")])).ok().await?;
            c.tail().after(&token).ok().await?.has_ids(&["new"])?;
            c.tail().beginning().ok().await?.holds(&[events, vec![event(t.at(9), "new")]].concat())
        }
    ),
    case!(
        "tail::matches_every_tag",
        "A Tail brings the events that have each named tag, without payloads if asked so.",
        ["TAIL-1", "QRY-3"],
        |c| {
            let t = times(c).await?;
            let events = [
                event(t.at(3), "a1").tag("a", "1"),
                event(t.at(2), "a1b1").tag("a", "1").tag("b", "1"),
                event(t.at(1), "b1").tag("b", "1"),
                event(t.at(0), "none"),
                event(t.at(4), "a2b1").tag("a", "2").tag("b", "1"),
            ];
            c.append(events.clone()).ok().await?;
            c.tail().beginning().tagged("a", "1").ok().await?.holds(&events[..2])?;
            c.tail().beginning().tagged("a", "1").tagged("b", "1").ok().await?.holds(&events[1..2])?;
            let bare: Vec<_> = events.iter().map(|event| event.clone().payload("")).collect();
            c.tail().beginning().without_payload().ok().await?.holds(&bare)
        }
    ),
    case!(
        "tail::passes_over_what_does_not_match",
        "The token of a message is past the events that do not match, also if none did.",
        ["TAIL-4", "TAIL-10"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 20)).ok().await?;
            // The first message, and the one of the heartbeat interval.
            let two = TailUntil::Messages(2);
            let read = c.tail().beginning().tagged("k", "v").until(two).ok().await?;
            read.has_ids::<&str>(&[])?;
            let token = read.token()?;
            c.tail().after(&token).ok().await?.has_ids::<&str>(&[])?;
            c.append([event(t.at(0), "new")]).ok().await?;
            c.tail().after(&token).ok().await?.has_ids(&["new"])
        }
    ),
    case!(
        "tail::sends_a_message_every_heartbeat",
        "A message comes at least every heartbeat interval, while nothing happens and while events flow that do not match.",
        ["TAIL-4"],
        |c| {
            let t = times(c).await?;
            let heartbeat = c.describe(&crate::timeseries::policies::FREE).await?.heartbeat;
            let limit = heartbeat + Duration::from_secs(2);
            let (_, mut tail) = c.tail().now().tagged("k", "v").open().await?;
            for round in 0..2 {
                let began = Instant::now();
                if round == 0 {
                    c.append([event(t.at(0), "other")]).ok().await?;
                }
                let read = timeout(limit * 2, tail.read(TailUntil::Messages(1))).await;
                let Ok(read) = read else { return late(c, limit, began) };
                read?.has_ids::<&str>(&[])?;
                if began.elapsed() > limit {
                    return late(c, limit, began);
                }
            }
            Ok(())
        }
    ),
    case!(
        "tail::brings_an_event_within_a_second",
        "On an idle server an event arrives at a waiting Tail within a second of its acknowledgement.",
        ["TAIL-8"],
        |c| { arrives(c, None, None).await }
    ),
    case!(
        "tail::brings_an_event_of_another_gateway_within_a_second",
        "On an idle server an event arrives within a second of its acknowledgement at another gateway.",
        ["TAIL-8", "APP-2"],
        [GATEWAYS],
        |c| {
            let gateways = c.instance().gateways();
            arrives(c, Some(gateways[0].clone()), gateways.last().cloned()).await
        }
    ),
    case!(
        "tail::of_a_namespace_brings_every_series",
        "A Tail of the whole namespace brings every series, in order within each.",
        ["TAIL-9", "TAIL-2"],
        [NAMESPACE_TAIL],
        |c| {
            let t = times(c).await?;
            let (_, mut open) = c.tail().whole_namespace().now().open().await?;
            let appends: [&[(i64, &str, &str)]; 4] = [
                &[(5, "s", "1"), (4, "t", "1"), (3, "s", "2")],
                &[(2, "u", "1")],
                &[(1, "t", "2"), (0, "s", "3")],
                &[(9, "s", "4"), (9, "t", "3")],
            ];
            for append in appends {
                c.append(append.iter().map(|(at, of, id)| event(t.at(*at), id).of(of))).ok().await?;
            }
            let expected: [(&str, &[&str]); 3] =
                [("s", &["1", "2", "3", "4"]), ("t", &["1", "2", "3"]), ("u", &["1"])];
            let read = c.tail().whole_namespace().beginning().ok().await?;
            read.has_ids_by_series(&expected)?;
            open.read(TailUntil::Events(8)).await?.has_ids_by_series(&expected)?;
            c.append([event(t.at(7), "5")]).ok().await?;
            c.tail().whole_namespace().after(&read.token()?).ok().await?.has_ids_by_series(&[("s", &["5"])])
        }
    ),
    case!(
        "tail::of_a_namespace_is_resumed_after_each_message",
        "A Tail of the whole namespace resumed from any message's token loses and repeats nothing.",
        ["TAIL-9", "TAIL-3"],
        [NAMESPACE_TAIL, EXACT_TAIL],
        |c| {
            let t = times(c).await?;
            let mut events = Vec::new();
            for at in 0..12_i64 {
                let of = ["s", "t", "u"][usize::try_from(at % 3).unwrap_or(0)];
                events.push(event(t.at(-at), format!("{of}{at}")).of(of).payload(vec![1; 500 << 10]));
            }
            for chunk in events.chunks(4) {
                c.append(chunk.to_vec()).ok().await?;
            }
            let read = c.tail().whole_namespace().beginning().ok().await?;
            let whole = read.events();
            read.same("events", &events.len(), &whole.len())?;
            let mut before = 0;
            for message in read.iter() {
                before += message.events.len();
                let rest = c.tail().whole_namespace().after(&message.token).ok().await?;
                let mut expected: Vec<_> = whole[before..].to_vec();
                let mut actual = rest.events();
                // Series may come in another order when they are read again.
                expected.sort_by_key(|event| event.event.time);
                actual.sort_by_key(|event| event.event.time);
                rest.same("events", &expected, &actual)?;
            }
            Ok(())
        }
    ),
    case!(
        "tail::of_a_series_brings_no_other",
        "A Tail of a series brings no event of another one.",
        ["TAIL-1", "ISO-1"],
        |c| {
            let t = times(c).await?;
            for name in ["s", "sa", "S", "t"] {
                c.append([event(t.at(0), name).of(name)]).ok().await?;
            }
            c.tail().beginning().ok().await?.has_ids(&["s"])?;
            c.tail().of("sa").beginning().ok().await?.has_ids(&["sa"])
        }
    ),
    case!(
        "tail::leaves_out_what_was_deleted",
        "An event that was deleted before it was sent does not arrive, and those behind it do.",
        ["TAIL-1", "DEL-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 5);
            let (first, mut tail) = c.tail().now().open().await?;
            c.append(events.clone()).ok().await?;
            c.delete().from(t.at(1)).to(t.at(3)).ok().await?.counts(2)?;
            let left = [events[0].clone(), events[3].clone(), events[4].clone()];
            c.tail().after(&first.token()?).ok().await?.holds(&left)?;
            c.tail().beginning().ok().await?.holds(&left)?;
            // The open Tail may have read some of them before they were deleted.
            let mut seen = BTreeSet::new();
            loop {
                let read = tail.read(TailUntil::Events(1)).await?;
                seen.extend(read.events().into_iter().map(|of| of.event.id.into_bytes()));
                if left.iter().all(|left| seen.contains(&left.id)) {
                    return Ok(());
                }
                read.expect(
                    !read.events().is_empty(),
                    "each event that was not deleted",
                    "only some of them",
                )?;
            }
        }
    ),
    case!(
        "tail::without_a_starting_point_is_refused",
        "A Tail without a starting point is refused.",
        ["TAIL-10", "ERR-1"],
        |c| {
            let failure = c.tail().fails(InvalidArgument).await?;
            let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
            failure.same("fields", &vec!["from"], &fields)?;
            let invalid = c.tail().beginning().with(|tail: &mut TailRequest| tail.namespace.clear());
            invalid.fails(InvalidArgument).await.map(drop)
        }
    ),
];

/// An event that is appended at one gateway arrives in time at a Tail that waits at another.
async fn arrives(
    c: &Ctx,
    reader: Option<std::sync::Arc<dyn Store>>,
    writer: Option<std::sync::Arc<dyn Store>>,
) -> Proof {
    let limit = Duration::from_secs(1);
    let t = times(c).await?;
    for round in 0..3 {
        let (reader, writer) =
            (reader.clone().unwrap_or_else(|| c.store()), writer.clone().unwrap_or_else(|| c.store()));
        let (_, mut tail) = c.tail().now().via(reader).open().await?;
        let new = event(t.at(round), round.to_string());
        let append = async {
            // The Tail waits by then: it has been polled.
            tokio::task::yield_now().await;
            c.append([new.clone()]).via(writer).ok().await?;
            Ok::<_, Stop>(Instant::now())
        };
        let read = async {
            let read = tail.read(TailUntil::Events(1)).await;
            (read, Instant::now())
        };
        let ((read, arrived), acknowledged) = futures::join!(read, append);
        read?.holds(&[new])?;
        let elapsed = arrived.saturating_duration_since(acknowledged?);
        c.expect(elapsed <= limit, format!("the event within {}", span(limit)), "it later")?;
    }
    Ok(())
}

fn late(c: &Ctx, limit: Duration, began: Instant) -> Proof {
    let actual = format!("none within {}", span(began.elapsed()));
    c.expect(false, format!("a message within {}", span(limit)), actual)
}
