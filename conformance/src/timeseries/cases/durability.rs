//! Durability: what was acknowledged survives, in Query and in Tail.

use super::support::{
    CRASH, DELETE, DETECTS_DUPLICATES, MANUAL_CLOCK, MINUTE, POLICIES, RESTART, SWEEP, holds, ids, numbered,
    times,
};
use crate::core::StatusCode::OutOfRange;
use crate::core::{Proof, Restart, case};
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Ctx, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "durability::of_events_over_a_restart",
        "Acknowledged events survive a restart, whole, unchanged and in their order of appends.",
        ["DUR-1"],
        [RESTART],
        |c| { events_survive(c, Restart::Clean).await }
    ),
    case!(
        "durability::of_events_over_a_crash",
        "Acknowledged events survive a crash, whole, unchanged and in their order of appends.",
        ["DUR-1"],
        [CRASH],
        |c| { events_survive(c, Restart::Crash).await }
    ),
    case!(
        "durability::of_the_last_append_over_a_crash",
        "Each Append is durable when it is answered, the last one, too.",
        ["DUR-1"],
        [CRASH],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 3);
            for at in 0..events.len() {
                c.append([events[at].clone()]).ok().await?;
                c.restart(Restart::Crash).await?;
                holds(c, &events[..=at]).await?;
            }
            Ok(())
        }
    ),
    case!(
        "durability::of_deletes_over_a_crash",
        "Acknowledged deletes survive a crash.",
        ["DUR-1", "DEL-1"],
        [CRASH, DELETE],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 5);
            c.append(events.clone()).ok().await?;
            c.delete().from(t.at(1)).to(t.at(3)).ok().await?.counts(2)?;
            c.restart(Restart::Crash).await?;
            holds(c, &[&events[..1], &events[3..]].concat()).await?;
            c.tail().beginning().ok().await?.has_ids(&["e0000", "e0003", "e0004"])
        }
    ),
    case!(
        "durability::of_the_first_content_over_a_restart",
        "After a restart an event that is appended again is a duplicate, and keeps its first content.",
        ["DUR-1", "APP-3", "APP-8"],
        [RESTART, DETECTS_DUPLICATES],
        |c| {
            let t = times(c).await?;
            let first = event(t.at(0), "a").payload("first");
            c.append([first.clone()]).ok().await?;
            c.restart(Restart::Clean).await?;
            c.append([event(t.at(0), "a").payload("other")]).ok().await?.duplicates(&[true])?;
            holds(c, &[first]).await
        }
    ),
    case!(
        "durability::of_expired_tokens_over_a_restart",
        "A token whose events were swept stays expired after a restart.",
        ["DUR-1", "TAIL-6"],
        [RESTART, POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            c.append([event(now, "a")]).under(&KEPT).ok().await?;
            c.advance(MINUTE * 61).await?;
            c.sweep().await?;
            c.restart(Restart::Clean).await?;
            c.tail().under(&KEPT).after(&token).fails(OutOfRange).await.map(drop)
        }
    ),
    case!(
        "durability::leaves_no_half_event_behind_a_crash",
        "Of an Append that a crash interrupts each event is there whole or not at all, and all of them if it was \
         acknowledged.",
        ["DUR-2", "DUR-1"],
        [CRASH],
        |c| {
            let t = times(c).await?;
            let all: Vec<_> = numbered(t, 100)
                .into_iter()
                .map(|event| event.payload([5; 2_000]).tag("k", "v").typed("t"))
                .collect();
            for round in 0..4 {
                let series = format!("round {round}");
                let crash = async {
                    for _ in 0..round * 3 {
                        tokio::task::yield_now().await;
                    }
                    c.restart(Restart::Crash).await
                };
                let append = c.append(all.iter().cloned().map(|event| event.of(&series))).outcome();
                let (appended, crashed) = futures::join!(append, crash);
                crashed?;
                let acknowledged = appended?.1.is_ok();
                let read = c.query().of(&series).ok().await?;
                if acknowledged {
                    read.holds(&all)?;
                }
                let there: Vec<_> = read.events().iter().map(|event| event.id.clone().into_bytes()).collect();
                let whole: Vec<_> = all.iter().filter(|event| there.contains(&event.id)).cloned().collect();
                read.holds(&whole)?;
            }
            Ok(())
        }
    ),
];

async fn events_survive(c: &Ctx, how: Restart) -> Proof {
    let t = times(c).await?;
    let events = [
        event(t.at(5), "a").payload("v\0\u{ff}").typed("text/plain").tag("k", "v"),
        event(t.at(1), "b").payload(""),
        event(t.at(9), "c").payload([9; 5_000]),
    ];
    for event in &events {
        c.append([event.clone()]).ok().await?;
    }
    c.append(numbered(t, 50).into_iter().map(|event| event.of("other"))).ok().await?;
    for round in 0..2 {
        c.restart(how).await?;
        c.tail().beginning().ok().await?.holds(&events)?;
        holds(c, &[events[1].clone(), events[0].clone(), events[2].clone()]).await?;
        c.query().of("other").ok().await?.has_ids(&ids(&numbered(t, 50)))?;
        // New events come behind those from before.
        let token = c.tail().now().ok().await?.token()?;
        let new = event(t.at(0), format!("new {round}")).of("new");
        c.append([new.clone(), event(t.at(0), format!("{round}")).of("third")]).ok().await?;
        c.tail().after(&token).ok().await?.holds(&[])?;
        let read = c.tail().of("new").beginning().ok().await?;
        read.same("events", &(round + 1), &read.events().len())?;
    }
    Ok(())
}
