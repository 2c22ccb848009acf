//! Append: what comes back, what is written again, and what is refused as a whole.

use std::collections::BTreeSet;

use prism_contract::timeseries::request::EventInput;

use super::support::{
    DETECTS_DUPLICATES, EXACT_TAIL, GATEWAYS, MANUAL_CLOCK, MINUTE, POLICIES, holds, ids, kept, numbered,
    path, times,
};
use crate::core::StatusCode::InvalidArgument;
use crate::core::case;
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "append::every_byte_comes_back",
        "Payload, content type and tags come back byte for byte.",
        ["APP-1"],
        |c| {
            let t = times(c).await?;
            let every_byte: Vec<u8> = (0..=255).collect();
            let events = [
                event(t.at(0), "all").payload(&every_byte).typed("text/plain; charset=\"utf-8\""),
                event(t.at(1), "empty").payload(""),
                event(t.at(2), "tags").tag("a", "").tag("a.b_c-9", "Ünï \"x\"").tag("z", "z"),
                event(t.at(3), "long").payload(every_byte.repeat(40)).typed("ünï"),
            ];
            c.append(events.clone()).ok().await?;
            holds(c, &events).await?;
            c.tail().beginning().ok().await?.holds(&events)
        }
    ),
    case!(
        "append::answers_each_event_in_request_order",
        "The answer names the time and the id of each event, in request order.",
        ["LIM-2"],
        |c| {
            let t = times(c).await?;
            let events = [
                event(t.at(5), "b"),
                event(t.at(1), "a").of("other"),
                event(t.at(3), "c"),
                event(t.at(1), "a"),
            ];
            c.append(events.clone()).ok().await?.identifies(&events)
        }
    ),
    case!(
        "append::makes_times_and_ids",
        "An event without a time has the time of its Append, and one without an id gets a UUIDv7 of that time.",
        ["LIM-2"],
        |c| {
            let bare = || EventInput { series: "s".to_owned(), ..EventInput::default() };
            let answer = c.append([bare(), bare(), bare()]).ok().await?;
            let ids: BTreeSet<_> = answer.results.iter().map(|result| result.id.clone()).collect();
            let times: BTreeSet<_> = answer.results.iter().map(|result| result.time).collect();
            answer.same("distinct ids", &3, &ids.len())?;
            answer.same("distinct times", &1, &times.len())?;
            for result in &answer.results {
                let millis = u64::try_from(result.time.as_micros() / 1_000).unwrap_or_default();
                let id = &result.id;
                answer.same("bytes of an id", &16, &id.len())?;
                let made = id[..6].iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
                answer.same("milliseconds in an id", &millis, &made)?;
                answer.same(
                    "version and variant of an id",
                    &(7, 2),
                    &(u32::from(id[6] >> 4), u32::from(id[8] >> 6)),
                )?;
            }
            let read = c.query().ok().await?;
            let read_ids: BTreeSet<_> =
                read.events().into_iter().map(|event| event.id.into_bytes()).collect();
            read.same("ids", &ids.into_iter().collect::<Vec<_>>(), &read_ids.into_iter().collect())
        }
    ),
    case!(
        "append::repeated_without_ids_writes_other_events",
        "An Append of an event without an id that is repeated writes another event.",
        ["LIM-2"],
        |c| {
            let t = times(c).await?;
            let mut bare = event(t.at(0), "");
            bare.payload = "p".into();
            c.append([bare.clone()]).ok().await?;
            c.append([bare]).ok().await?;
            let read = c.query().ok().await?;
            read.same("events", &2, &read.events().len())
        }
    ),
    case!(
        "append::is_in_the_next_query",
        "An acknowledged event is in every Query that begins later.",
        ["APP-2"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 8);
            for at in 0..events.len() {
                c.append([events[at].clone()]).ok().await?;
                holds(c, &events[..=at]).await?;
            }
            Ok(())
        }
    ),
    case!(
        "append::reaches_every_tail",
        "An acknowledged event reaches every Tail, from the beginning and from a token.",
        ["APP-2", "TAIL-1"],
        |c| {
            let t = times(c).await?;
            let token = c.tail().now().ok().await?.token()?;
            let events = numbered(t, 4);
            for event in events.clone() {
                c.append([event]).ok().await?;
            }
            c.tail().beginning().ok().await?.holds(&events)?;
            c.tail().after(&token).ok().await?.holds(&events)
        }
    ),
    case!(
        "append::is_seen_at_every_gateway",
        "An acknowledged event is in every Query at any gateway.",
        ["APP-2"],
        [GATEWAYS],
        |c| {
            let t = times(c).await?;
            let (events, gateways) = (numbered(t, 8), c.instance().gateways());
            for (at, event) in events.iter().enumerate() {
                c.append([event.clone()]).via(gateways[at % gateways.len()].clone()).ok().await?;
                for gateway in &gateways {
                    c.query().via(gateway.clone()).ok().await?.holds(&events[..=at])?;
                }
            }
            Ok(())
        }
    ),
    case!(
        "append::again_keeps_the_first_content",
        "An event appended again changes nothing: it is answered once, with the content that was written first.",
        ["APP-3"],
        |c| {
            let t = times(c).await?;
            let first = event(t.at(0), "a").payload("first").typed("text/plain").tag("k", "1");
            c.append([first.clone()]).ok().await?;
            for other in [
                event(t.at(0), "a").payload("other"),
                event(t.at(0), "a").payload("").tag("k", "2"),
                first.clone(),
            ] {
                c.append([other]).ok().await?;
                holds(c, std::slice::from_ref(&first)).await?;
            }
            c.query().tagged("k", "2").ok().await?.holds(&[])
        }
    ),
    case!(
        "append::again_adds_nothing_to_a_tail",
        "An event appended again comes once in a Tail.",
        ["APP-3", "TAIL-3"],
        [EXACT_TAIL],
        |c| {
            let t = times(c).await?;
            let first = event(t.at(0), "a").payload("first");
            c.append([first.clone()]).ok().await?;
            let token = c.tail().now().ok().await?.token()?;
            c.append([event(t.at(0), "a").payload("other")]).ok().await?;
            c.tail().after(&token).ok().await?.holds(&[])?;
            c.tail().beginning().ok().await?.holds(&[first])
        }
    ),
    case!(
        "append::with_another_time_or_series_is_another_event",
        "The same id at another time, or in another series, is another event.",
        ["APP-3", "APP-9"],
        |c| {
            let t = times(c).await?;
            let events = [event(t.at(0), "a").payload("1"), event(t.at(1), "a").payload("2")];
            let other = event(t.at(0), "a").payload("3").of("other");
            for event in events.iter().chain([&other]) {
                c.append([event.clone()]).ok().await?;
            }
            holds(c, &events).await?;
            c.query().of("other").ok().await?.holds(&[other])
        }
    ),
    case!(
        "append::refused_writes_none_of_its_events",
        "A refused Append writes none of its events.",
        ["APP-4"],
        |c| {
            let t = times(c).await?;
            let good = [event(t.at(0), "a"), event(t.at(1), "b").of("other")];
            let wrong = [
                event(t.at(2), [0; 129]),
                event(t.at(2), "c").of(""),
                event(t.at(2), "c").tag("K", ""),
                event(t.at(2), "c").typed("\0"),
                good[0].clone(),
            ];
            for wrong in wrong {
                let events = good.iter().cloned().chain([wrong]);
                c.append(events).fails(InvalidArgument).await?;
            }
            holds(c, &[]).await?;
            c.query().of("other").ok().await?.holds(&[])?;
            c.tail().beginning().ok().await?.holds(&[])
        }
    ),
    case!(
        "append::refused_for_its_time_writes_none_of_its_events",
        "An Append with an event outside the acceptance window writes none of its events.",
        ["APP-4", "ACC-1"],
        [POLICIES],
        |c| {
            let now = c.now().await?;
            let old = event(now.saturating_sub(MINUTE * 40), "old");
            c.append([event(now, "a"), old.clone()]).under(&KEPT).fails(InvalidArgument).await?;
            c.append([old, event(now, "a")]).under(&KEPT).fails(InvalidArgument).await?;
            kept(c, &[]).await?;
            c.tail().under(&KEPT).beginning().ok().await?.holds(&[])
        }
    ),
    case!(
        "append::repeated_completes_what_is_there_in_part",
        "An Append of which a part is there already writes the rest.",
        ["APP-5", "APP-3"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 5);
            c.append([events[3].clone(), events[1].clone()]).ok().await?;
            c.append(events.clone()).ok().await?;
            holds(c, &events).await
        }
    ),
    case!(
        "append::refuses_an_identity_named_twice",
        "Two events of one Append with the same identity are refused, whatever they hold.",
        ["APP-6"],
        |c| {
            let t = times(c).await?;
            let (a, b) = (event(t.at(0), "a"), event(t.at(1), "b"));
            for again in [a.clone(), a.clone().payload("other").tag("k", "v")] {
                let failure = c.append([a.clone(), b.clone(), again]).fails(InvalidArgument).await?;
                let fields: Vec<_> = failure.violations.iter().map(|of| of.field.clone()).collect();
                failure.same("fields", &vec![path(2, "id")], &fields)?;
            }
            holds(c, &[]).await?;
            // Each of these is another one.
            let others = [a.clone(), b, event(t.at(1), "a"), event(t.at(0), "b")];
            c.append(others.clone().into_iter().chain([a.of("other")])).ok().await?;
            let read = c.query().ok().await?;
            read.same("events", &others.len(), &read.events().len())
        }
    ),
    case!(
        "append::says_what_was_there_already",
        "duplicate says of each event whether it was there already, and does not make an Append fail.",
        ["APP-8"],
        [DETECTS_DUPLICATES],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            c.append([events[1].clone()]).ok().await?.duplicates(&[false])?;
            c.append(events.clone()).ok().await?.duplicates(&[false, true, false])?;
            let others =
                [events[0].clone().payload("other"), event(t.at(1), "e0000"), events[2].clone().of("other")];
            c.append(others).ok().await?.duplicates(&[true, false, false])
        }
    ),
    case!(
        "append::of_an_expired_event_is_no_duplicate",
        "An event that has expired is not there, swept or not: appended again, it is outside the window.",
        ["APP-8", "RET-1", "ACC-2"],
        [DETECTS_DUPLICATES, POLICIES, MANUAL_CLOCK],
        |c| {
            let old = event(c.now().await?.saturating_sub(MINUTE * 20), "old");
            c.append([old.clone()]).under(&KEPT).ok().await?.duplicates(&[false])?;
            c.advance(MINUTE * 39).await?;
            c.append([old.clone()]).under(&KEPT).ok().await?.duplicates(&[true])?;
            c.advance(MINUTE).await?;
            c.append([old]).under(&KEPT).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!("append::ids_are_bytes", "Ids are bytes, compared as unsigned ones.", ["APP-9", "QRY-1"], |c| {
        let t = times(c).await?;
        let mut hostile: Vec<&[u8]> = vec![
            b"a",
            b"A",
            b"a\0",
            b"\0",
            b"a\0\0",
            b"\xff",
            b"\x7f",
            b"\x80",
            b"\xc3\xa9",
            b"e\xcc\x81",
            b"%",
            b"_",
            b"0",
            b"00",
            b"1",
            b"10",
            b"2",
            b" ",
            b"a ",
            b"'",
            b"\\",
        ];
        let events: Vec<_> = hostile.iter().map(|id| event(t.at(0), id)).collect();
        c.append(events).ok().await?;
        hostile.sort_unstable();
        c.query().ok().await?.has_ids(&hostile)
    }),
    case!(
        "append::series_are_compared_byte_by_byte",
        "No two of these names are the same series.",
        ["APP-9", "ISO-1"],
        |c| {
            let t = times(c).await?;
            let names =
                ["a", "A", "a ", " a", "ab", "é", "e\u{301}", "%", "a%", "_", "a.b", "a_b", "a/b", "a\u{1}"];
            c.append(names.map(|name| event(t.at(0), "x").payload(name).of(name))).ok().await?;
            for name in names {
                c.query().of(name).ok().await?.holds(&[event(t.at(0), "x").payload(name).of(name)])?;
            }
            Ok(())
        }
    ),
    case!(
        "append::tags_are_compared_byte_by_byte",
        "No two of these values of a tag are equal.",
        ["APP-9", "QRY-3"],
        |c| {
            let t = times(c).await?;
            let values = ["a", "A", "a ", "", "ab", "é", "e\u{301}", "%", "_", "1", "1.0", "01"];
            let events = values.map(|value| event(t.at(0), format!("id {value}")).tag("k", value));
            c.append(events.clone()).ok().await?;
            for (value, event) in values.into_iter().zip(events) {
                c.query().tagged("k", value).ok().await?.holds(&[event])?;
            }
            Ok(())
        }
    ),
    case!(
        "append::may_be_of_many_series",
        "The events of one Append may be of many series.",
        ["APP-10"],
        |c| {
            let t = times(c).await?;
            let mut events = numbered(t, 60);
            for (at, event) in events.iter_mut().enumerate() {
                event.series = format!("series {}", at % 20);
            }
            c.append(events.clone()).ok().await?.identifies(&events)?;
            for at in 0..20 {
                let of: Vec<_> = events.iter().skip(at).step_by(20).cloned().collect();
                c.query().of(format!("series {at}")).ok().await?.holds(&of)?;
            }
            Ok(())
        }
    ),
    case!(
        "append::comes_in_request_order_in_a_tail",
        "In a Tail, the events of one Append and series come in request order, whatever their times.",
        ["APP-11"],
        |c| {
            let t = times(c).await?;
            let order = [5, 1, 4, 0, 3, 2];
            let events: Vec<_> = order.into_iter().map(|at| event(t.at(at), format!("e{at}"))).collect();
            // Another series in between changes nothing.
            let mixed = events.iter().flat_map(|of| [of.clone(), of.clone().of("other")]);
            c.append(mixed).ok().await?;
            c.tail().beginning().ok().await?.has_ids(&ids(&events))
        }
    ),
];
