//! DeleteEvents: what goes, what is counted, and what is new afterwards.

use prism_contract::timeseries::request::DeleteEventsRequest;

use super::support::{
    DELETE, DETECTS_DUPLICATES, MANUAL_CLOCK, MICRO, MINUTE, POLICIES, holds, kept, numbered, times,
};
use crate::core::StatusCode::InvalidArgument;
use crate::core::case;
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "delete::takes_exactly_the_range",
        "Exactly the events with start ≤ time < end go, and they are counted.",
        ["DEL-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 9);
            c.append(events.clone()).ok().await?;
            c.append([event(t.at(4), "same time")]).ok().await?;
            c.delete().from(t.at(3)).to(t.at(5)).ok().await?.counts(3)?;
            holds(c, &[&events[..3], &events[5..]].concat()).await?;
            c.delete().to(t.at(1)).ok().await?.counts(1)?;
            c.delete().from(t.at(8)).ok().await?.counts(1)?;
            holds(c, &[&events[1..3], &events[5..8]].concat()).await?;
            c.delete().all().ok().await?.counts(5)?;
            holds(c, &[]).await
        }
    ),
    case!(
        "delete::leaves_other_series_and_namespaces_alone",
        "A DeleteEvents takes events of its series in its namespace only.",
        ["DEL-1", "ISO-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            for (suffix, series) in [("", "s"), ("", "sa"), ("", "S"), ("b", "s")] {
                c.append([event(t.at(0), "x").of(series)]).within(suffix).ok().await?;
            }
            c.delete().all().ok().await?.counts(1)?;
            holds(c, &[]).await?;
            c.query().of("sa").ok().await?.has_ids(&["x"])?;
            c.query().of("S").ok().await?.has_ids(&["x"])?;
            c.query().within("b").ok().await?.has_ids(&["x"])
        }
    ),
    case!(
        "delete::counts_live_events_only",
        "An expired event is not counted.",
        ["DEL-1", "RET-1"],
        [DELETE, POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 20);
            c.append([event(old, "old"), event(now, "a"), event(now, "b")]).under(&KEPT).ok().await?;
            c.advance(MINUTE * 40).await?;
            c.delete().under(&KEPT).to(old.saturating_add(MICRO)).ok().await?.counts(0)?;
            c.delete().under(&KEPT).all().ok().await?.counts(2)?;
            kept(c, &[]).await
        }
    ),
    case!(
        "delete::of_an_expired_range_keeps_its_tokens_expired",
        "Deleting a range that has expired makes no silent gap: a token before it stays expired.",
        ["TAIL-6", "DEL-1"],
        [DELETE, POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            c.append([event(now.saturating_sub(MINUTE * 20), "old"), event(now, "a")])
                .under(&KEPT)
                .ok()
                .await?;
            c.advance(MINUTE * 40).await?;
            c.delete().under(&KEPT).all().ok().await?.counts(1)?;
            let failure =
                c.tail().under(&KEPT).after(&token).fails(crate::core::StatusCode::OutOfRange).await?;
            failure.has_error_info("TOKEN_EXPIRED")
        }
    ),
    case!(
        "delete::of_what_is_absent_counts_nothing",
        "Deleting what is absent is OK, and 0.",
        ["DEL-2"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            c.delete().all().ok().await?.counts(0)?;
            c.append([event(t.at(5), "a")]).ok().await?;
            c.delete().from(t.at(6)).ok().await?.counts(0)?;
            c.delete().to(t.at(5)).ok().await?.counts(0)?;
            c.delete().of("absent").all().ok().await?.counts(0)?;
            c.delete().within("absent").all().ok().await?.counts(0)?;
            c.delete().all().ok().await?.counts(1)?;
            c.delete().all().ok().await?.counts(0)
        }
    ),
    case!(
        "delete::makes_an_event_new_again",
        "An event that is appended again after its deletion is a new one, with its new content, in a Tail too.",
        ["DEL-3"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            let (first, second) =
                (event(t.at(0), "a").payload("first"), event(t.at(0), "a").payload("second"));
            c.append([first]).ok().await?;
            let token = c.tail().now().ok().await?.token()?;
            c.delete().all().ok().await?.counts(1)?;
            c.append([second.clone()]).ok().await?;
            holds(c, std::slice::from_ref(&second)).await?;
            c.tail().after(&token).ok().await?.holds(std::slice::from_ref(&second))?;
            c.tail().beginning().ok().await?.holds(&[second])
        }
    ),
    case!(
        "delete::makes_no_duplicate_of_a_new_event",
        "An event that is appended again after its deletion is no duplicate.",
        ["DEL-3", "APP-8"],
        [DELETE, DETECTS_DUPLICATES],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 2);
            c.append(events.clone()).ok().await?;
            c.delete().to(t.at(1)).ok().await?.counts(1)?;
            c.append(events).ok().await?.duplicates(&[false, true])
        }
    ),
    case!(
        "delete::is_in_every_later_read",
        "A deleted event is in no later Query, and a late one of the range is.",
        ["DEL-1", "QRY-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 4)).ok().await?;
            c.delete().from(t.at(1)).to(t.at(3)).ok().await?.counts(2)?;
            c.append([event(t.at(2), "late")]).ok().await?;
            c.query().ok().await?.has_ids(&["e0000", "late", "e0003"])?;
            c.query().from(t.at(1)).to(t.at(3)).ok().await?.has_ids(&["late"])
        }
    ),
    case!(
        "delete::refuses_an_unclear_range",
        "Neither a bound nor all, all with a bound, or a start that is not before the end is refused.",
        ["DEL-4"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            c.append(events.clone()).ok().await?;
            let calls = [
                (c.delete(), "all"),
                (c.delete().all().from(t.at(0)), "all"),
                (c.delete().all().to(t.at(9)), "all"),
                (c.delete().all().from(t.at(0)).to(t.at(9)), "all"),
                (c.delete().from(t.at(2)).to(t.at(2)), "end"),
                (c.delete().from(t.at(2)).to(t.at(1)), "end"),
                (c.delete().all().with(|delete: &mut DeleteEventsRequest| delete.series.clear()), "series"),
            ];
            for (call, field) in calls {
                let failure = call.fails(InvalidArgument).await?;
                let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
                failure.same("fields", &vec![field], &fields)?;
            }
            holds(c, &events).await
        }
    ),
];
