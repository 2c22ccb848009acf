//! The messages of a Query: whatever their size, cut and resumed anywhere, under appends and deletes.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::StreamExt;
use prism_contract::timeseries::request::{EventInput, QueryRequest};

use super::support::{DELETE, MANUAL_CLOCK, MINUTE, POLICIES, REVERSE, SWEEP, ids, numbered, times};
use crate::core::{Proof, answered, case};
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Ctx, Events, QueryCall, Request, Response, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "pages::concatenate_to_the_answer",
        "The concatenation of the messages is the answer, for every page size.",
        ["QRY-4"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 12);
            c.append(events.clone()).ok().await?;
            // An event weighs its series, id and payload: 11 bytes.
            for (bytes, per_message) in
                [(1, 1), (11, 1), (21, 1), (22, 2), (33, 3), (65, 5), (0, 12), (u32::MAX, 12)]
            {
                let read = c.query().page_bytes(bytes).ok().await?;
                read.holds(&events)?;
                let sizes: Vec<_> = read.iter().map(|message| message.events.len()).collect();
                read.expect(
                    sizes.iter().all(|size| (1..=per_message).contains(size)),
                    format!("1 to {per_message} events in each message"),
                    format!("{} in the largest", sizes.iter().max().unwrap_or(&0)),
                )?;
                read.tail_token()?;
                read.is_last()?;
            }
            Ok(())
        }
    ),
    case!(
        "pages::resume_after_every_message",
        "A stream cut after any message and resumed yields the rest exactly.",
        ["QRY-4"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 9);
            c.append(events.clone()).ok().await?;
            for bytes in [1, 22, 33] {
                let whole = c.query().page_bytes(bytes).ok().await?;
                let mut before = 0;
                for message in whole.iter() {
                    before += message.events.len();
                    if message.resume_token.is_empty() {
                        whole.same("events", &events.len(), &before)?;
                        continue;
                    }
                    c.query().resume(&message.resume_token).ok().await?.holds(&events[before..])?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "pages::follow_every_limit",
        "A limit cuts the answer, and its token resumes it: the parts are the whole, for every limit.",
        ["QRY-4"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 7);
            c.append(events.clone()).ok().await?;
            for limit in 1..=8 {
                let read = c.query().limit(limit).ok().await?;
                let most = usize::try_from(limit).unwrap_or(0).min(events.len());
                read.holds(&events[..most])?;
                read.tail_token()?;
                read.expect(limit >= 7 || !read.resume_token().is_empty(), "a resume_token", "none")?;
                followed(c, || c.query().limit(limit), &events).await?;
            }
            // A limit spans messages.
            c.query().limit(5).page_bytes(22).ok().await?.holds(&events[..5])
        }
    ),
    case!(
        "pages::of_another_size_go_on",
        "A token is bound to no limit, page size or projection.",
        ["QRY-4", "QRY-9"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 6);
            c.append(events.clone()).ok().await?;
            let token = c.query().page_bytes(1).without_payload().limit(2).ok().await?.resume_token();
            c.query().resume(&token).ok().await?.holds(&events[2..])?;
            c.query().resume(&token).page_bytes(22).limit(3).ok().await?.holds(&events[2..5])?;
            let bare: Vec<_> = events[2..].iter().map(|event| event.clone().payload("")).collect();
            c.query().resume(&token).without_payload().ok().await?.holds(&bare)
        }
    ),
    case!(
        "pages::keep_the_snapshot",
        "What is appended after a Query began is in none of its messages, wherever its place is.",
        ["QRY-1", "QRY-5"],
        |c| {
            let t = times(c).await?;
            let events: Vec<_> = (0..5).map(|at| event(t.at(at * 10), at.to_string())).collect();
            c.append(events.clone()).ok().await?;
            let first = c.query().page_bytes(1).cut_after(2).ok().await?;
            first.holds(&events[..2])?;
            let new = [5, 15, 25, 100].map(|at| event(t.at(at), format!("new {at}")));
            c.append(new).ok().await?;
            c.append([event(t.at(30), "33"), event(t.at(20), "22")]).ok().await?;
            c.query().resume(&first.resume_token()).ok().await?.holds(&events[2..])?;
            let rest = c.query().page_bytes(1).resume(&first.resume_token()).ok().await?;
            rest.holds(&events[2..])?;
            let read = c.query().ok().await?;
            read.same("events", &11, &read.events().len())
        }
    ),
    case!(
        "pages::of_an_open_stream_keep_the_snapshot",
        "What is appended while a Query streams is in none of its messages.",
        ["QRY-1"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 4);
            c.append(events.clone()).ok().await?;
            let request = QueryRequest {
                namespace: c.space(&crate::timeseries::policies::FREE, ""),
                series: "s".to_owned(),
                page_size_bytes: 1,
                ..QueryRequest::default()
            };
            let messages = async {
                let mut stream = c.store().query_messages(request.clone()).await?;
                let mut read = Vec::new();
                while let Some(message) = stream.next().await {
                    read.push(message?);
                    let at = i64::try_from(read.len()).unwrap_or(0);
                    // Behind the events that are left, and among them.
                    let new = [event(t.at(at * 1_000), "new"), event(t.at(3), format!("e0003 {at}"))];
                    c.append(new).outcome().await.ok();
                }
                Ok(read)
            };
            let read = messages.await;
            let step = c.record(
                crate::timeseries::Action::Call(Request::Query(request, None)),
                read.clone().map(Response::Query).into(),
            );
            answered(step, read)?.holds(&events)
        }
    ),
    case!(
        "pages::neither_miss_nor_repeat",
        "An event that is there throughout is neither missed nor repeated, whatever is appended between the messages.",
        ["QRY-5"],
        |c| {
            let t = times(c).await?;
            let events: Vec<_> = (0..6).map(|at| event(t.at(at * 10), format!("old {at}"))).collect();
            c.append(events.clone()).ok().await?;
            let (mut token, mut seen) = (Bytes::new(), Vec::new());
            for round in 0..100_i64 {
                let read = c.query().limit(1).page_bytes(1).resume(&token).ok().await?;
                seen.extend(read.events().into_iter().map(|event| event.id.into_bytes()));
                token = read.resume_token();
                if token.is_empty() {
                    break;
                }
                let new = [-5, 0, 5, 10].map(|by| event(t.at(round * 10 + by), format!("new {round}")));
                c.append(new).ok().await?;
            }
            let expected: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            c.same("ids", &expected, &seen)
        }
    ),
    case!(
        "pages::go_on_after_a_deleted_event",
        "A token at an event that was deleted since goes on behind it.",
        ["QRY-1", "QRY-5", "DEL-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 5);
            c.append(events.clone()).ok().await?;
            let token = c.query().limit(2).ok().await?.resume_token();
            c.delete().from(t.at(1)).to(t.at(2)).ok().await?.counts(1)?;
            c.query().resume(&token).ok().await?.holds(&events[2..])
        }
    ),
    case!(
        "pages::go_on_when_events_expire",
        "A Query goes on when events before its place have expired.",
        ["QRY-5", "RET-1"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let at = |minutes: u32| now.saturating_sub(MINUTE * minutes);
            let events = [event(at(29), "a"), event(at(20), "b"), event(at(10), "c"), event(at(1), "d")];
            c.append(events).under(&KEPT).ok().await?;
            let token = c.query().under(&KEPT).limit(1).ok().await?.resume_token();
            c.advance(MINUTE * 35).await?;
            c.query().under(&KEPT).resume(&token).ok().await?.has_ids(&["b", "c", "d"])?;
            c.sweep().await?;
            c.query().under(&KEPT).resume(&token).ok().await?.has_ids(&["b", "c", "d"])
        }
    ),
    case!(
        "pages::split_events_of_one_time",
        "Messages and tokens may end between events of one time.",
        ["QRY-4", "QRY-5"],
        |c| {
            let t = times(c).await?;
            let events: Vec<_> = (0..8).map(|at| event(t.at(0), format!("e{at:04}"))).collect();
            c.append(events.clone()).ok().await?;
            for limit in [1, 3] {
                followed(c, || c.query().limit(limit), &events).await?;
            }
            c.query().page_bytes(1).ok().await?.holds(&events)
        }
    ),
    case!(
        "pages::in_reverse_are_resumed",
        "In reverse, too, a stream cut anywhere and resumed yields the rest exactly.",
        ["QRY-7", "QRY-4"],
        [REVERSE],
        |c| {
            let t = times(c).await?;
            let mut events = numbered(t, 7);
            events.extend((0..3).map(|at| event(t.at(3), format!("same {at}"))));
            c.append(events.clone()).ok().await?;
            events.sort_by(|one, other| {
                let of = |event: &EventInput| {
                    (event.time.map(|time| (time.seconds, time.nanos)), event.id.clone())
                };
                of(other).cmp(&of(one))
            });
            for limit in [1, 2, 4] {
                followed(c, || c.query().reverse().limit(limit), &events).await?;
            }
            let first = c.query().reverse().limit(2).ok().await?;
            c.append([event(t.at(2), "new"), event(t.at(90), "newer")]).ok().await?;
            c.query().reverse().resume(&first.resume_token()).ok().await?.has_ids(&ids(&events[2..]))
        }
    ),
    case!(
        "pages::of_a_filter_are_resumed",
        "A Query with a filter is resumed behind the event that it ended with.",
        ["QRY-3", "QRY-4"],
        |c| {
            let t = times(c).await?;
            let mut events = numbered(t, 40);
            for (at, event) in events.iter_mut().enumerate() {
                event.tags.insert("third".to_owned(), (at % 3).to_string());
            }
            c.append(events.clone()).ok().await?;
            let expected: Vec<_> = events.iter().skip(1).step_by(3).cloned().collect();
            followed(c, || c.query().tagged("third", "1").limit(2), &expected).await?;
            c.query().tagged("third", "1").page_bytes(1).ok().await?.holds(&expected)
        }
    ),
    case!(
        "pages::hold_at_most_the_published_number_of_events",
        "A message holds at most the published number of events.",
        ["LIM-1", "QRY-4"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 1_000);
            c.append(events.clone()).ok().await?;
            let more: Vec<_> = (0..300).map(|at| event(t.at(2_000 + at), format!("f{at:04}"))).collect();
            c.append(more.clone()).ok().await?;
            let read = c.query().ok().await?;
            read.has_ids(&ids(&[events, more].concat()))?;
            let most = read.iter().map(|message| message.events.len()).max().unwrap_or(0);
            read.expect(most <= 1_000, "at most 1000 events in a message", most.to_string())
        }
    ),
    case!(
        "pages::hold_at_most_their_bytes",
        "A message holds at most its bytes, and an event that is larger comes alone.",
        ["LIM-1", "QRY-4"],
        |c| {
            let t = times(c).await?;
            let sizes = [700 << 10, 1 << 20, 10, 900 << 10, 900 << 10, 300 << 10];
            let mut events = Vec::new();
            for (at, size) in (0..).zip(sizes) {
                let event = event(t.at(at), at.to_string()).payload(vec![7; size]);
                c.append([event.clone()]).ok().await?;
                events.push(event);
            }
            for (asked, most) in [(0, 2 << 20), (u32::MAX, 2 << 20), (1 << 20, 1 << 20), (100, 100)] {
                let read = c.query().page_bytes(asked).ok().await?;
                read.holds(&events)?;
                for message in read.iter() {
                    let weight = |event: &prism_contract::timeseries::Event| {
                        1 + event.id.as_bytes().len() + event.payload.len() + event.content_type.len()
                    };
                    let bytes: usize = message.events.iter().map(weight).sum();
                    read.expect(
                        bytes <= most || message.events.len() == 1,
                        format!("at most {most} bytes, or one event"),
                        format!("{} events of {bytes} bytes", message.events.len()),
                    )?;
                }
            }
            Ok(())
        }
    ),
];

/// Follows the tokens of a call to the end: together the parts are these events, each once.
async fn followed<'c>(c: &'c Ctx, call: impl Fn() -> QueryCall<'c>, expected: &[EventInput]) -> Proof {
    let (mut token, mut seen) = (Bytes::new(), Vec::new());
    for _ in 0..=expected.len() + 1 {
        let read = call().resume(&token).ok().await?;
        seen.extend(read.events().into_iter().map(|event| event.id.into_bytes()));
        token = read.resume_token();
        if token.is_empty() {
            let distinct: BTreeSet<_> = seen.iter().collect();
            c.same("distinct ids", &seen.len(), &distinct.len())?;
            let expected: Vec<_> = expected.iter().map(|event| event.id.clone()).collect();
            return c.same("ids", &expected, &seen);
        }
    }
    c.expect(false, "a last part", format!("a token after {} parts", expected.len() + 2))
}
