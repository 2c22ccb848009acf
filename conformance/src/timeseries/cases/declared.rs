//! What a server declares of a namespace holds there, whatever it declares: its window, its retention and its limits.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::timeseries::Limits;
use prism_contract::timeseries::request::{DescribeResponse, EventInput};

use super::support::{MINUTE, path, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Ability, Failure, Proof, Reply, case};
use crate::timeseries::policies::{FREE, POLICIES};
use crate::timeseries::{Case, Ctx, Events, event};

/// An event with a field of this size.
type Sized = fn(EventInput, usize) -> EventInput;

pub(super) const CASES: &[Case] = &[
    case!(
        "declared::a_window_is_kept",
        "An event a minute outside the declared acceptance window is refused and named, and one a minute inside is accepted.",
        ["ACC-1", "CAP-1"],
        |c| {
            for policy in POLICIES {
                let declared = c.describe(policy).await?;
                let now = c.now().await?;
                let window = declared.policy.window;
                // On a real clock time goes on between its reading and the Append.
                let is_wide = window.past.is_none_or(|past| past >= MINUTE);
                let takes_now = is_wide || c.abilities().contains(Ability::ManualClock);
                for (name, limit, at) in [
                    ("past", window.past, before as fn(Timestamp, Duration) -> Option<Timestamp>),
                    ("future", window.future, after),
                ] {
                    let Some(limit) = limit else {
                        // Unlimited: any time of the contract's years, as far as the retention allows.
                        if declared.policy.retention.is_none() {
                            let edge = if name == "past" { Timestamp::EPOCH } else { Timestamp::MAX };
                            c.append([event(edge, name)]).under(policy).ok().await?;
                        }
                        continue;
                    };
                    if let Some(outside) = at(now, limit.saturating_add(MINUTE)) {
                        let in_between = takes_now.then(|| event(now, "inside").payload(name));
                        let events: Vec<_> = in_between.into_iter().chain([event(outside, name)]).collect();
                        let fault = path(events.len() - 1, "time");
                        let append = c.append(events).under(policy);
                        names(&append.fails(InvalidArgument).await?, &fault)?;
                    }
                    let inside = limit.checked_sub(MINUTE).and_then(|inside| at(now, inside));
                    if let Some(inside) = inside {
                        c.append([event(inside, name)]).under(policy).ok().await?;
                    }
                }
            }
            Ok(())
        }
    ),
    case!(
        "declared::a_retention_is_kept",
        "An event that is older than the declared retention is refused, and absent from a Query.",
        ["ACC-1"],
        |c| {
            for policy in POLICIES {
                let declared = c.describe(policy).await?;
                let Some(retention) = declared.policy.retention else { continue };
                let now = c.now().await?;
                let Some(old) = before(now, retention.saturating_add(MINUTE)) else { continue };
                let append = c.append([event(old, "old")]).under(policy);
                names(&append.fails(InvalidArgument).await?, &path(0, "time"))?;
                c.append([event(now, "new")]).under(policy).ok().await?;
                c.query().under(policy).ok().await?.has_ids(&["new"])?;
            }
            Ok(())
        }
    ),
    case!(
        "declared::a_policy_is_valid",
        "The declared policy is a valid one: with a retention the past is limited, and by at least a minute less.",
        ["ACC-1", "CAP-1"],
        |c| {
            for policy in POLICIES {
                let declared = c.describe(policy).await?;
                let faults = declared.policy.check();
                declared.expect(faults.is_ok(), "a valid policy", format!("{faults:?}"))?;
                declared.expect(!declared.heartbeat.is_zero(), "a heartbeat interval", "none")?;
            }
            Ok(())
        }
    ),
    case!(
        "declared::limits_are_kept_at_their_borders",
        "An Append just at each declared limit is taken, and one just beyond it is refused and names the field.",
        ["LIM-1", "CAP-1"],
        |c| {
            let limits = c.describe(&FREE).await?.limits;
            let size = |of: u32| usize::try_from(of).unwrap_or(usize::MAX);
            let t = times(c).await?;
            let new = |id: &str| event(t.at(0), id);
            let sized: [(&str, u32, Sized); 4] = [
                ("series", limits.series_bytes, |event, size| event.of(&"s".repeat(size))),
                ("id", limits.id_bytes, |mut event, size| {
                    event.id = vec![b'i'; size].into();
                    event
                }),
                ("payload", limits.payload_bytes, |event, size| event.payload(vec![b'p'; size])),
                ("tags", limits.tags, |event, count| {
                    (0..count).fold(event, |event, at| event.tag(&format!("k{at}"), "v"))
                }),
            ];
            for (field, limit, with) in sized {
                let limit = size(limit);
                c.append([with(new(field), limit)]).ok().await?;
                let field = if field == "series" { "events[0].series".to_owned() } else { path(0, field) };
                let beyond = c.append([with(new("beyond"), limit.saturating_add(1))]);
                names(&beyond.fails(InvalidArgument).await?, &field)?;
            }
            let many = |count: usize| {
                (0..count)
                    .map(move |at| event(t.at(i64::try_from(at).unwrap_or(0)), at.to_string()).of("many"))
            };
            let most = size(limits.append_events);
            c.append(many(most)).ok().await?;
            names(&c.append(many(most.saturating_add(1))).fails(InvalidArgument).await?, "events")?;
            limits_are_the_contracts(c).await
        }
    ),
];

/// A time this long before another; `None`: there is none.
fn before(at: Timestamp, by: Duration) -> Option<Timestamp> {
    let micros = i64::try_from(by.as_micros()).ok()?;
    at.as_micros().checked_sub(micros).filter(|micros| *micros >= 0).and_then(of_micros)
}

/// A time this long after another; `None`: there is none.
fn after(at: Timestamp, by: Duration) -> Option<Timestamp> {
    at.as_micros().checked_add(i64::try_from(by.as_micros()).ok()?).and_then(of_micros)
}

fn of_micros(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros).ok().filter(|at| *at <= Timestamp::MAX)
}

/// The refusal names exactly this field.
fn names(failure: &Reply<Failure>, field: &str) -> Proof {
    let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
    failure.same("fields", &vec![field], &fields)
}

/// The declared limits of every namespace are limits, and none is beyond the contract's.
async fn limits_are_the_contracts(c: &Ctx) -> Proof {
    const MOST: Limits = Limits::V1;
    for policy in POLICIES {
        let declared: Reply<DescribeResponse> = c.describe(policy).await?;
        let limits = declared.limits;
        for (name, limit, most) in [
            ("series_bytes", limits.series_bytes, MOST.series_bytes),
            ("id_bytes", limits.id_bytes, MOST.id_bytes),
            ("payload_bytes", limits.payload_bytes, MOST.payload_bytes),
            ("tags", limits.tags, MOST.tags),
            ("append_events", limits.append_events, MOST.append_events),
            ("append_bytes", limits.append_bytes, MOST.append_bytes),
            ("message_events", limits.message_events, MOST.message_events),
            ("message_bytes", limits.message_bytes, MOST.message_bytes),
            ("buckets", limits.buckets, MOST.buckets),
        ] {
            declared.expect(
                (1..=most).contains(&limit),
                format!("{name} from 1 to {most}"),
                limit.to_string(),
            )?;
        }
    }
    Ok(())
}
