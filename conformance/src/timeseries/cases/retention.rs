//! Retention: when an event leaves, and what a sweep removes.

use std::time::Duration;

use super::support::{
    HISTOGRAM, LIST_SERIES, MANUAL_CLOCK, MICRO, MINUTE, POLICIES, RETENTION, SWEEP, kept, times,
};
use crate::core::case;
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Events, event};

/// The retention of [`KEPT`].
const HOUR: Duration = Duration::from_hours(1);

pub(super) const CASES: &[Case] = &[
    case!(
        "retention::ends_at_the_microsecond",
        "An event is live strictly before its time + retention, and absent from then on in Query and Tail.",
        ["RET-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let times = [now.saturating_sub(MINUTE * 20), now, now.saturating_add(MICRO)];
            let events = ["old", "now", "next"];
            c.append(times.into_iter().zip(events).map(|(at, id)| event(at, id))).under(&KEPT).ok().await?;
            c.advance((MINUTE * 40).saturating_sub(MICRO)).await?;
            kept(c, &["old", "now", "next"]).await?;
            c.advance(MICRO).await?;
            kept(c, &["now", "next"]).await?;
            c.advance((MINUTE * 20).saturating_sub(MICRO)).await?;
            kept(c, &["now", "next"]).await?;
            c.advance(MICRO).await?;
            kept(c, &["next"]).await?;
            c.tail().under(&KEPT).beginning().ok().await?.has_ids(&["next"])?;
            c.advance(MICRO).await?;
            kept(c, &[]).await?;
            c.tail().under(&KEPT).beginning().ok().await?.has_ids::<&str>(&[])
        }
    ),
    case!(
        "retention::holds_in_reads_of_a_range",
        "An expired event is in no Query, whatever its range.",
        ["RET-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 20);
            c.append([event(old, "old").tag("k", "v"), event(now, "now").tag("k", "v")])
                .under(&KEPT)
                .ok()
                .await?;
            c.advance(MINUTE * 40).await?;
            let query = || c.query().under(&KEPT);
            query().from(old).ok().await?.has_ids(&["now"])?;
            query().to(now).ok().await?.has_ids::<&str>(&[])?;
            query().tagged("k", "v").ok().await?.has_ids(&["now"])?;
            query().limit(1).ok().await?.has_ids(&["now"])
        }
    ),
    case!(
        "retention::holds_in_a_list_of_series",
        "A series whose events have all expired is not listed.",
        ["RET-1", "SER-1"],
        [LIST_SERIES, POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 20);
            let events = [event(old, "a").of("gone"), event(old, "a").of("half"), event(now, "b").of("half")];
            c.append(events).under(&KEPT).ok().await?;
            c.list().under(&KEPT).ok().await?.has(&["gone", "half"])?;
            c.advance(MINUTE * 40).await?;
            c.list().under(&KEPT).ok().await?.has(&["half"])
        }
    ),
    case!(
        "retention::holds_in_a_histogram",
        "An expired event is counted in no Histogram.",
        ["RET-1", "HIS-1"],
        [HISTOGRAM, POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 20);
            c.append([event(old, "a"), event(old.saturating_add(MICRO), "b"), event(now, "c")])
                .under(&KEPT)
                .ok()
                .await?;
            c.advance(MINUTE * 40).await?;
            let end = now.saturating_add(MINUTE);
            let histogram = || c.histogram().under(&KEPT).from(old).to(end);
            histogram().bucket(MINUTE * 20).ok().await?.counts(&[(old, 1, 1), (now, 1, 1)])
        }
    ),
    case!(
        "retention::sweeps_nothing_live",
        "A sweep removes no live event: what it leaves is what was there before it.",
        ["RET-2"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            c.append([event(now, "now"), event(now.saturating_add(MICRO), "next")]).under(&KEPT).ok().await?;
            let t = times(c).await?;
            c.append([event(t.at(0), "free")]).ok().await?;
            c.advance(HOUR.saturating_sub(MICRO)).await?;
            c.sweep().await?;
            kept(c, &["now", "next"]).await?;
            c.advance(MICRO).await?;
            c.sweep().await?;
            kept(c, &["next"]).await?;
            c.advance(HOUR * 24 * 1_000).await?;
            c.sweep().await?;
            kept(c, &[]).await?;
            c.query().ok().await?.has_ids(&["free"])
        }
    ),
    case!(
        "retention::sweeps_many_series",
        "A sweep over many series leaves their live events.",
        ["RET-2", "RET-1"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 25);
            let names: Vec<_> = (0..40).map(|at| format!("series {at}")).collect();
            let events =
                names.iter().flat_map(|name| [event(now, "new").of(name), event(old, "old").of(name)]);
            c.append(events).under(&KEPT).ok().await?;
            c.advance(MINUTE * 40).await?;
            c.sweep().await?;
            for name in &names {
                c.query().under(&KEPT).of(name).ok().await?.has_ids(&["new"])?;
            }
            Ok(())
        }
    ),
    case!(
        "retention::is_by_the_time_of_the_event",
        "Retention counts from the event's time, not from when it was appended.",
        ["RET-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            c.advance(MINUTE * 29).await?;
            c.append([event(now, "late"), event(now.saturating_add(MINUTE * 33), "early")])
                .under(&KEPT)
                .ok()
                .await?;
            c.advance(MINUTE * 31).await?;
            kept(c, &["early"]).await
        }
    ),
    case!(
        "retention::that_is_shorter_holds_at_once",
        "A shorter retention holds at once, swept or not.",
        ["RET-3"],
        [POLICIES, MANUAL_CLOCK, SWEEP, RETENTION],
        |c| {
            let now = c.now().await?;
            let old = now.saturating_sub(MINUTE * 10);
            c.append([event(old, "old"), event(now, "now")]).under(&KEPT).within("shorter").ok().await?;
            c.append([event(old, "old")]).under(&KEPT).ok().await?;
            c.instance().set_retention(&c.space(&KEPT, "shorter"), MINUTE * 10).await?;
            c.query().under(&KEPT).within("shorter").ok().await?.has_ids(&["now"])?;
            c.tail().under(&KEPT).within("shorter").beginning().ok().await?.has_ids(&["now"])?;
            kept(c, &["old"]).await?;
            c.sweep().await?;
            c.query().under(&KEPT).within("shorter").ok().await?.has_ids(&["now"])?;
            kept(c, &["old"]).await
        }
    ),
];
