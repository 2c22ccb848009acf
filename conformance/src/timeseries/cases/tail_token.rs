//! Tokens of a Tail: from a Query, what they are bound to, and when they expire.

use super::support::{
    DELETE, EXACT_TAIL, MANUAL_CLOCK, MICRO, MINUTE, NAMESPACE_TAIL, POLICIES, SWEEP, Times, numbered, times,
};
use super::token::damaged;
use crate::core::StatusCode::{InvalidArgument, OutOfRange};
use crate::core::{Failure, Proof, Reply, Stop, case};
use crate::timeseries::policies::KEPT;
use crate::timeseries::{Case, Ctx, Events, TailUntil, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "tail_token::of_a_query_brings_what_follows",
        "A Tail from a Query's tail_token brings every event first written after the Query.",
        ["QRY-11"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 4)).ok().await?;
            let token = c.query().ok().await?.tail_token()?;
            let empty = c.query().of("absent").ok().await?.tail_token()?;
            let later = [event(t.at(50), "later"), event(t.at(-50), "late"), event(t.at(2), "between")];
            c.append(later.clone()).ok().await?;
            c.append([event(t.at(0), "first").of("absent")]).ok().await?;
            c.tail().after(&token).ok().await?.holds(&later)?;
            c.tail().of("absent").after(&empty).ok().await?.has_ids(&["first"])
        }
    ),
    case!(
        "tail_token::is_the_position_of_the_snapshot",
        "The tail_token of a Query in several messages is the position at its beginning: no event is in neither, and none \
         in both.",
        ["QRY-11", "QRY-1"],
        [EXACT_TAIL],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 6);
            c.append(events.clone()).ok().await?;
            let first = c.query().limit(2).ok().await?;
            let between = [event(t.at(1), "between"), event(t.at(90), "later")];
            c.append(between.clone()).ok().await?;
            let second = c.query().limit(2).resume(&first.resume_token()).ok().await?;
            let again = event(t.at(0), "e0000").payload("other");
            c.append([event(t.at(95), "last"), again]).ok().await?;
            let third = c.query().resume(&second.resume_token()).ok().await?;
            third.holds(&events[4..])?;
            let expected = [&between[..], &[event(t.at(95), "last")]].concat();
            for read in [first, second, third] {
                c.tail().after(&read.tail_token()?).ok().await?.holds(&expected)?;
            }
            Ok(())
        }
    ),
    case!(
        "tail_token::of_a_filtered_query_is_of_the_series",
        "The tail_token of a Query with a range and a filter is that of its series.",
        ["QRY-11", "TAIL-10"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 4)).ok().await?;
            let token = c.query().from(t.at(100)).tagged("k", "v").ok().await?.tail_token()?;
            let later = event(t.at(0), "later");
            c.append([later.clone()]).ok().await?;
            c.tail().after(&token).ok().await?.holds(&[later])
        }
    ),
    case!(
        "tail_token::is_bound_to_namespace_and_series",
        "A token of another namespace or series is refused, and one of other tags is taken.",
        ["TAIL-10"],
        |c| {
            let t = times(c).await?;
            for suffix in ["", "b"] {
                for series in ["s", "other"] {
                    c.append([event(t.at(0), "x").of(series)]).within(suffix).ok().await?;
                }
            }
            let of_tail = c.tail().now().tagged("k", "v").ok().await?.token()?;
            let of_query = c.query().ok().await?.tail_token()?;
            c.append([event(t.at(1), "y")]).ok().await?;
            for token in [of_tail, of_query] {
                let failure = c.tail().within("b").after(&token).fails(InvalidArgument).await?;
                names_token(&failure)?;
                c.tail().of("other").after(&token).fails(InvalidArgument).await?;
                c.tail().after(&token).ok().await?.has_ids(&["y"])?;
                c.tail().after(&token).tagged("k", "w").ok().await?.has_ids::<&str>(&[])?;
                c.tail().after(&token).without_payload().ok().await?.has_ids(&["y"])?;
            }
            Ok(())
        }
    ),
    case!(
        "tail_token::of_a_series_is_none_of_a_namespace",
        "A token of a series is refused by a Tail of the namespace, and the other way round.",
        ["TAIL-10", "TAIL-9"],
        [NAMESPACE_TAIL],
        |c| {
            let t = times(c).await?;
            c.append([event(t.at(0), "x")]).ok().await?;
            let of_series = c.tail().now().ok().await?.token()?;
            let of_namespace = c.tail().whole_namespace().now().ok().await?.token()?;
            c.tail().whole_namespace().after(&of_series).fails(InvalidArgument).await?;
            c.tail().after(&of_namespace).fails(InvalidArgument).await?;
            c.tail().whole_namespace().within("b").after(&of_namespace).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "tail_token::that_is_malformed_is_refused",
        "A malformed token, an empty one, or a resume token is refused, and the field token is named.",
        ["TAIL-10"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 4)).ok().await?;
            let resume = c.query().limit(1).ok().await?.resume_token();
            let token = c.tail().now().ok().await?.token()?;
            for wrong in damaged(&token).into_iter().chain([resume, bytes::Bytes::new()]) {
                names_token(&c.tail().after(&wrong).fails(InvalidArgument).await?)?;
            }
            Ok(())
        }
    ),
    case!(
        "tail_token::expires_with_an_event_behind_it",
        "A token is expired from the moment at which an event behind it expires, and no earlier.",
        ["TAIL-6", "RET-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            c.append([event(now, "a")]).under(&KEPT).ok().await?;
            let of_query = c.query().under(&KEPT).ok().await?.tail_token()?;
            c.append([event(now.saturating_add(MINUTE), "b")]).under(&KEPT).ok().await?;
            c.advance((MINUTE * 60).saturating_sub(MICRO)).await?;
            c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["a", "b"])?;
            c.advance(MICRO).await?;
            expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
            // This one is behind the event that has expired.
            c.tail().under(&KEPT).after(&of_query).ok().await?.has_ids(&["b"])?;
            c.advance(MINUTE).await?;
            expired(&c.tail().under(&KEPT).after(&of_query).fails(OutOfRange).await?)
        }
    ),
    case!(
        "tail_token::expires_when_the_event_is_swept",
        "A token stays expired when the event behind it has been swept: there is no silent gap.",
        ["TAIL-6", "RET-2"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            c.append([event(now, "a")]).under(&KEPT).ok().await?;
            let behind = c.query().under(&KEPT).ok().await?.tail_token()?;
            c.append([event(now.saturating_add(MINUTE * 3), "b")]).under(&KEPT).ok().await?;
            c.advance(MINUTE * 61).await?;
            for _ in 0..2 {
                c.sweep().await?;
                expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
                c.tail().under(&KEPT).after(&behind).ok().await?.has_ids(&["b"])?;
            }
            Ok(())
        }
    ),
    case!(
        "tail_token::expires_with_a_late_event",
        "A late event leaves before those in front of it: a token between them is expired, although the newer ones are live.",
        ["TAIL-6"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            c.append([event(now, "new")]).under(&KEPT).ok().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            let late = event(now.saturating_sub(MINUTE * 20), "late");
            c.append([late, event(now, "newer")]).under(&KEPT).ok().await?;
            c.advance(MINUTE * 41).await?;
            expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
            c.sweep().await?;
            expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
            c.tail().under(&KEPT).beginning().ok().await?.has_ids(&["new", "newer"])
        }
    ),
    case!(
        "tail_token::expires_in_an_open_tail",
        "An open Tail that meets an event which has expired ends: OUT_OF_RANGE, and no silent gap.",
        ["TAIL-6"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let (_, mut tail) = c.tail().under(&KEPT).now().open().await?;
            c.append([event(now, "read")]).under(&KEPT).ok().await?;
            tail.read(TailUntil::Events(1)).await?.has_ids(&["read"])?;
            // More than a server sends ahead of a reader.
            for n in 0..10 {
                let missed = (0..3).map(|m| event(now, format!("{n}-{m}")).payload(vec![b'p'; 1 << 20]));
                c.append(missed).under(&KEPT).ok().await?;
            }
            c.advance(MINUTE * 60).await?;
            expired(&tail.ends(OutOfRange).await?)
        }
    ),
    case!(
        "tail_token::outlives_events_that_were_read",
        "Events that a Tail has read expire no token behind them.",
        ["TAIL-6"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let (_, mut tail) = c.tail().under(&KEPT).now().open().await?;
            c.append([event(now, "a"), event(now, "b")]).under(&KEPT).ok().await?;
            let token = tail.read(TailUntil::Events(2)).await?.token()?;
            c.advance(MINUTE * 90).await?;
            c.sweep().await?;
            c.append([event(now.saturating_add(MINUTE * 90), "c")]).under(&KEPT).ok().await?;
            c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["c"])?;
            tail.read(TailUntil::Events(1)).await?.has_ids(&["c"])
        }
    ),
    case!(
        "tail_token::of_the_beginning_passes_over_what_has_expired",
        "A Tail from the beginning never expires: what had expired by then is passed over, swept or not.",
        ["TAIL-6", "RET-1"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let events = [
                event(now.saturating_sub(MINUTE * 20), "old"),
                event(now, "a"),
                event(now.saturating_sub(MINUTE * 25), "older"),
                event(now, "b"),
            ];
            c.append(events).under(&KEPT).ok().await?;
            c.advance(MINUTE * 45).await?;
            for _ in 0..2 {
                let one = TailUntil::Messages(1);
                let token = c.tail().under(&KEPT).beginning().until(one).ok().await?.token()?;
                c.tail().under(&KEPT).beginning().ok().await?.has_ids(&["a", "b"])?;
                c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["a", "b"])?;
                c.sweep().await?;
                c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["a", "b"])?;
            }
            Ok(())
        }
    ),
    case!(
        "tail_token::of_the_beginning_expires_with_what_was_live_then",
        "A token of a Tail from the beginning expires when an event behind it expires that was live when the Tail began.",
        ["TAIL-6"],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let old = event(now.saturating_sub(MINUTE * 29), "old");
            c.append([old, event(now, "a"), event(now.saturating_add(MINUTE * 2), "b")])
                .under(&KEPT)
                .ok()
                .await?;
            c.advance(MINUTE * 40).await?;
            let token =
                c.tail().under(&KEPT).beginning().until(TailUntil::Messages(1)).ok().await?.token()?;
            c.advance(MINUTE * 20).await?;
            expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
            c.sweep().await?;
            expired(&c.tail().under(&KEPT).after(&token).fails(OutOfRange).await?)?;
            c.tail().under(&KEPT).beginning().ok().await?.has_ids(&["b"])
        }
    ),
    case!(
        "tail_token::is_not_expired_by_a_deletion",
        "Deletion expires no token, also when the deleted event would have expired since.",
        ["TAIL-6", "DEL-1"],
        [DELETE, POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let token = c.tail().under(&KEPT).now().ok().await?.token()?;
            let kept = event(now.saturating_add(MINUTE * 3), "kept");
            c.append([event(now, "a"), event(now, "b"), kept]).under(&KEPT).ok().await?;
            c.delete().under(&KEPT).to(now.saturating_add(MICRO)).ok().await?.counts(2)?;
            c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["kept"])?;
            c.advance(MINUTE * 61).await?;
            c.sweep().await?;
            c.tail().under(&KEPT).after(&token).ok().await?.has_ids(&["kept"])
        }
    ),
    case!(
        "tail_token::of_a_deleted_series_goes_on",
        "Deleting every event of a series expires no token of it.",
        ["TAIL-6", "DEL-3"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 3)).ok().await?;
            let token = c.tail().beginning().ok().await?.token()?;
            c.delete().all().ok().await?.counts(3)?;
            c.tail().after(&token).ok().await?.has_ids::<&str>(&[])?;
            again(c, t).await?;
            c.tail().after(&token).ok().await?.has_ids(&["e0001"])
        }
    ),
    case!(
        "tail_token::of_another_series_is_not_expired",
        "A token expires only with events of the same series, or of the namespace for a Tail of all series.",
        ["TAIL-6", "ISO-1"],
        [POLICIES, MANUAL_CLOCK],
        |c| {
            let now = c.now().await?;
            let tail = || c.tail().under(&KEPT);
            let (token, elsewhere) =
                (tail().now().ok().await?.token()?, tail().within("b").now().ok().await?.token()?);
            c.append([event(now.saturating_add(MINUTE * 4), "a")]).under(&KEPT).ok().await?;
            c.append([event(now.saturating_add(MINUTE * 4), "a")]).under(&KEPT).within("b").ok().await?;
            c.append([event(now, "other")]).under(&KEPT).within("c").ok().await?;
            c.advance(MINUTE * 62).await?;
            tail().after(&token).ok().await?.has_ids(&["a"])?;
            tail().within("b").after(&elsewhere).ok().await?.has_ids(&["a"])
        }
    ),
    case!(
        "tail_token::of_a_namespace_expires_with_any_series",
        "A token of a whole namespace expires with an event of any of its series.",
        ["TAIL-6", "TAIL-9"],
        [NAMESPACE_TAIL, POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let now = c.now().await?;
            let tail = || c.tail().under(&KEPT).whole_namespace();
            let token = tail().now().ok().await?.token()?;
            c.append([event(now.saturating_add(MINUTE * 4), "a"), event(now, "b").of("t")])
                .under(&KEPT)
                .ok()
                .await?;
            let behind = tail().after(&token).ok().await?.token()?;
            c.advance(MINUTE * 61).await?;
            expired(&tail().after(&token).fails(OutOfRange).await?)?;
            c.sweep().await?;
            expired(&tail().after(&token).fails(OutOfRange).await?)?;
            tail().after(&behind).ok().await?.has_ids::<&str>(&[])?;
            tail().beginning().ok().await?.has_ids(&["a"])
        }
    ),
];

/// OUT_OF_RANGE with the reason TOKEN_EXPIRED.
fn expired(failure: &Reply<Failure>) -> Proof {
    failure.has_error_info("TOKEN_EXPIRED")
}

fn names_token(failure: &Reply<Failure>) -> Proof {
    let fields: Vec<_> = failure.violations.iter().map(|violation| violation.field.as_str()).collect();
    failure.same("fields", &vec!["token"], &fields)
}

async fn again(c: &Ctx, t: Times) -> Result<(), Stop> {
    c.append([event(t.at(1), "e0001")]).ok().await.map(drop)
}
