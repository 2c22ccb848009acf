//! Tokens of a Query: what they are bound to, and where they work.

use bytes::Bytes;

use super::support::{CRASH, GATEWAYS, LIST_SERIES, RESTART, REVERSE, numbered, times};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Restart, Stop, case};
use crate::timeseries::{Case, Ctx, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "token::of_another_request_is_refused",
        "A token of another namespace, series, range or filter is refused.",
        ["QRY-9"],
        |c| {
            let t = times(c).await?;
            for series in ["s", "other"] {
                for suffix in ["", "b"] {
                    c.append(numbered(t, 5).into_iter().map(|event| event.of(series).tag("k", "v")))
                        .within(suffix)
                        .ok()
                        .await?;
                }
            }
            let query = || c.query().from(t.at(0)).to(t.at(9)).tagged("k", "v");
            let token = query().limit(1).ok().await?.resume_token();
            let calls = [
                query().within("b"),
                query().of("other"),
                query().from(t.at(-1)),
                query().to(t.at(10)),
                query().tagged("k", "w"),
                query().tagged("l", "v"),
                c.query().from(t.at(0)).to(t.at(9)),
                c.query().from(t.at(0)).tagged("k", "v"),
                c.query().to(t.at(9)).tagged("k", "v"),
            ];
            for call in calls {
                call.resume(&token).fails(InvalidArgument).await?;
            }
            query().resume(&token).ok().await?.has_ids(&["e0001", "e0002", "e0003", "e0004"])
        }
    ),
    case!(
        "token::of_the_other_direction_is_refused",
        "A token of the other direction is refused.",
        ["QRY-9"],
        [REVERSE],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 5)).ok().await?;
            let forwards = c.query().limit(2).ok().await?.resume_token();
            let backwards = c.query().reverse().limit(2).ok().await?.resume_token();
            c.query().reverse().resume(&forwards).fails(InvalidArgument).await?;
            c.query().resume(&backwards).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "token::that_is_malformed_is_refused",
        "A malformed token is refused, and the field resume_token is named.",
        ["QRY-9"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 5)).ok().await?;
            let token = c.query().limit(2).ok().await?.resume_token();
            for damaged in damaged(&token) {
                let failure = c.query().resume(&damaged).fails(InvalidArgument).await?;
                let fields: Vec<_> = failure.violations.iter().map(|of| of.field.as_str()).collect();
                failure.same("fields", &vec!["resume_token"], &fields)?;
            }
            Ok(())
        }
    ),
    case!(
        "token::of_another_method_is_refused",
        "A token of a Tail is refused by a Query.",
        ["QRY-9"],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 5)).ok().await?;
            let of_tail = c.tail().beginning().ok().await?.token()?;
            let tail_token = c.query().ok().await?.tail_token()?;
            for token in [of_tail, tail_token] {
                c.query().resume(&token).fails(InvalidArgument).await?;
            }
            Ok(())
        }
    ),
    case!(
        "token::of_a_list_is_refused",
        "A token of a ListSeries is refused by a Query, and that of a Query by a ListSeries.",
        ["QRY-9", "SER-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            c.append(numbered(t, 5)).ok().await?;
            c.append([event(t.at(0), "x").of("t")]).ok().await?;
            let of_list = c.list().limit(1).ok().await?.resume_token();
            let of_query = c.query().limit(1).ok().await?.resume_token();
            c.query().resume(&of_list).fails(InvalidArgument).await?;
            c.list().resume(&of_query).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "token::may_be_used_again",
        "A token may be used again, and reads the same rest again.",
        ["QRY-4", "QRY-1"],
        |c| {
            let t = times(c).await?;
            let events = numbered(t, 5);
            c.append(events.clone()).ok().await?;
            let token = c.query().limit(2).ok().await?.resume_token();
            for at in 0..3 {
                c.query().resume(&token).ok().await?.holds(&events[2..])?;
                c.append([event(t.at(100 + at), "later")]).ok().await?;
            }
            Ok(())
        }
    ),
    case!(
        "token::works_after_a_restart",
        "Tokens of Query and Tail work after a restart.",
        ["QRY-10"],
        [RESTART],
        |c| { works_after(c, Restart::Clean).await }
    ),
    case!(
        "token::works_after_a_crash",
        "Tokens of Query and Tail work after a crash.",
        ["QRY-10"],
        [CRASH],
        |c| { works_after(c, Restart::Crash).await }
    ),
    case!(
        "token::works_at_another_gateway",
        "Tokens of Query and Tail work at another gateway.",
        ["QRY-10"],
        [GATEWAYS],
        |c| {
            let t = times(c).await?;
            let (events, gateways) = (numbered(t, 6), c.instance().gateways());
            let mut tail = c.tail().now().ok().await?.token()?;
            let (mut token, mut seen) = (Bytes::new(), Vec::new());
            c.append(events.clone()).ok().await?;
            for at in 0..events.len() {
                let gateway = &gateways[at % gateways.len()];
                let read = c.query().limit(1).resume(&token).via(gateway.clone()).ok().await?;
                seen.extend(read.events().into_iter().map(|event| event.id.into_bytes()));
                token = read.resume_token();
                let new = event(t.at(100), at.to_string());
                c.append([new.clone()]).ok().await?;
                let tailed = c.tail().after(&tail).via(gateway.clone()).ok().await?;
                if at == 0 {
                    tailed.holds(&[events.clone(), vec![new]].concat())?;
                } else {
                    tailed.holds(&[new])?;
                }
                tail = tailed.token()?;
            }
            let expected: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            c.same("ids", &expected, &seen)
        }
    ),
];

/// Tokens that differ from this one, each in one respect.
pub(super) fn damaged(token: &Bytes) -> Vec<Bytes> {
    let mut damaged: Vec<_> = (0..token.len())
        .step_by(5)
        .map(|at| {
            let mut bytes = token.to_vec();
            bytes[at] ^= 1;
            Bytes::from(bytes)
        })
        .collect();
    damaged.extend([
        token.slice(..token.len().saturating_sub(1)),
        [&token[..], b"\0"].concat().into(),
        Bytes::from_static(b"no token"),
        vec![0; 8_193].into(),
    ]);
    damaged
}

async fn works_after(c: &Ctx, how: Restart) -> Result<(), Stop> {
    let t = times(c).await?;
    let events = numbered(t, 5);
    let now = c.tail().now().ok().await?.token()?;
    c.append(events.clone()).ok().await?;
    let part = c.query().limit(2).ok().await?;
    let beginning = c.tail().beginning().ok().await?.token()?;
    let new = event(t.at(1), "new");
    c.restart(how).await?;
    c.append([new.clone()]).ok().await?;
    c.query().resume(&part.resume_token()).ok().await?.holds(&events[2..])?;
    c.tail().after(&part.tail_token()?).ok().await?.holds(std::slice::from_ref(&new))?;
    c.tail().after(&beginning).ok().await?.holds(std::slice::from_ref(&new))?;
    c.tail().after(&now).ok().await?.holds(&[events, vec![new]].concat())
}
