//! The acceptance window: which times an Append may have.

use std::time::Duration;

use prism_contract::Timestamp;

use super::support::{DETECTS_DUPLICATES, MANUAL_CLOCK, MICRO, MINUTE, OPEN_WINDOWS, POLICIES, kept, path};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Ability, Failure, Proof, Reply, case};
use crate::timeseries::policies::{EXACT, FREE, KEPT, PAST};
use crate::timeseries::{Case, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "acceptance::has_a_past_and_a_future",
        "An event before or after the window is refused, and its path and the window are named.",
        ["ACC-1"],
        [POLICIES],
        |c| {
            let now = c.now().await?;
            let inside =
                [event(now.saturating_sub(MINUTE * 25), "a"), event(now.saturating_add(MINUTE * 4), "b")];
            let before = event(now.saturating_sub(MINUTE * 35), "before");
            let after = event(now.saturating_add(MINUTE * 7), "after");
            let [a, b] = inside;
            let failure = c
                .append([before.clone(), a.clone(), after, b.clone()])
                .under(&KEPT)
                .fails(InvalidArgument)
                .await?;
            names(&failure, &[0, 2])?;
            c.append([a, b]).under(&KEPT).ok().await?;
            names(&c.append([before]).under(&KEPT).fails(InvalidArgument).await?, &[0])?;
            kept(c, &["a", "b"]).await
        }
    ),
    case!(
        "acceptance::ends_are_inside",
        "An event just at either end of the window is accepted, and one beyond it by a microsecond is not.",
        ["ACC-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let (first, last) = (now.saturating_sub(MINUTE * 30), now.saturating_add(MINUTE * 5));
            for outside in [first.saturating_sub(MICRO), last.saturating_add(MICRO)] {
                names(&c.append([event(outside, "x")]).under(&KEPT).fails(InvalidArgument).await?, &[0])?;
            }
            c.append([event(first, "first"), event(last, "last")]).under(&KEPT).ok().await?;
            kept(c, &["first", "last"]).await
        }
    ),
    case!(
        "acceptance::of_zero_is_the_servers_own_time",
        "A window of zero accepts the server's own time only.",
        ["ACC-1", "LIM-2"],
        [POLICIES],
        |c| {
            let now = c.now().await?;
            let mut of_server = event(now, "server");
            of_server.time = None;
            // On a real clock no other time is certain.
            if !c.abilities().contains(Ability::ManualClock) {
                c.append([of_server]).under(&EXACT).ok().await?;
                return c.query().under(&EXACT).ok().await?.has_ids(&["server"]);
            }
            for outside in [now.saturating_sub(MICRO), now.saturating_add(MICRO)] {
                c.append([event(outside, "x")]).under(&EXACT).fails(InvalidArgument).await?;
            }
            c.append([event(now, "now"), of_server]).under(&EXACT).ok().await?;
            c.query().under(&EXACT).ok().await?.has_ids(&["now", "server"])
        }
    ),
    case!(
        "acceptance::without_limits_takes_every_time",
        "Without a window every time of the contract is accepted, from 1970 to 9999.",
        ["ACC-1", "LIM-2"],
        [POLICIES, OPEN_WINDOWS],
        |c| {
            let events = [event(Timestamp::EPOCH, "first"), event(Timestamp::MAX, "last")];
            c.append(events.clone()).under(&FREE).ok().await?;
            c.query().ok().await?.holds(&events)?;
            c.query().from(Timestamp::MAX).ok().await?.holds(&events[1..])?;
            c.query().to(Timestamp::MAX).ok().await?.holds(&events[..1])
        }
    ),
    case!(
        "acceptance::may_be_limited_on_one_side",
        "A window without a future accepts every later time, and no earlier one.",
        ["ACC-1"],
        [POLICIES, OPEN_WINDOWS],
        |c| {
            let now = c.now().await?;
            c.append([event(Timestamp::MAX, "last"), event(now, "now")]).under(&PAST).ok().await?;
            let old = event(now.saturating_sub(MINUTE * 35), "old");
            c.append([old]).under(&PAST).fails(InvalidArgument).await?;
            c.query().under(&PAST).ok().await?.has_ids(&["now", "last"])
        }
    ),
    case!(
        "acceptance::moves_with_the_clock",
        "The window moves with the server's time.",
        ["ACC-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let later = now.saturating_add(MINUTE * 10);
            c.append([event(later, "later")]).under(&KEPT).fails(InvalidArgument).await?;
            c.advance(MINUTE * 5).await?;
            c.append([event(later, "later"), event(now, "early")]).under(&KEPT).ok().await?;
            c.advance(MINUTE * 25 + MICRO).await?;
            c.append([event(now, "late")]).under(&KEPT).fails(InvalidArgument).await?;
            kept(c, &["early", "later"]).await
        }
    ),
    case!(
        "acceptance::is_not_asked_of_a_duplicate",
        "An event that is there already is answered as a duplicate outside the window too.",
        ["ACC-2"],
        [DETECTS_DUPLICATES, POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let there = event(now, "there");
            c.append([there.clone()]).under(&KEPT).ok().await?;
            c.advance(Duration::from_mins(31)).await?;
            let later = now.saturating_add(Duration::from_mins(31));
            let again = [there.clone(), event(later, "new")];
            c.append(again).under(&KEPT).ok().await?.duplicates(&[true, false])?;
            let with_another = [there, event(now, "missed")];
            names(&c.append(with_another).under(&KEPT).fails(InvalidArgument).await?, &[1])?;
            kept(c, &["there", "new"]).await
        }
    ),
];

/// A refusal for the times of exactly these events.
fn names(failure: &Reply<Failure>, events: &[usize]) -> Proof {
    let expected: Vec<_> = events.iter().map(|at| path(*at, "time")).collect();
    let actual: Vec<_> = failure.violations.iter().map(|violation| violation.field.clone()).collect();
    failure.same("fields", &expected, &actual)?;
    let window = failure.violations.iter().all(|violation| violation.description.contains("window"));
    failure.expect(window, "a violation that names the window", "one that does not")
}
