//! ListSeries: which names, in which order, and its tokens.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::support::{DELETE, LIST_SERIES, Times, times};
use super::token::damaged;
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, case};
use crate::timeseries::{Case, Ctx, Events, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "series::are_listed_once_in_byte_order",
        "ListSeries names each series with a live event once, in byte order.",
        ["SER-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            let names = ["b", "a", "é", "A", "ab", "a b", "～", "😀", "a\u{1}", "10", "2", "_", "B"];
            named(c, t, &names).await?;
            named(c, t, &["a", "é"]).await?;
            c.append([event(t.at(9), "more").of("a")]).ok().await?;
            let mut sorted = names;
            sorted.sort_unstable();
            c.list().ok().await?.has(&sorted)
        }
    ),
    case!(
        "series::are_chosen_by_their_prefix",
        "ListSeries lists the names that begin with the prefix.",
        ["SER-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            named(c, t, &["a", "ab", "ab%", "abc", "b", "A", "a%", "a_b", "éa", "é"]).await?;
            c.list().prefix("ab").ok().await?.has(&["ab", "ab%", "abc"])?;
            c.list().prefix("a%").ok().await?.has(&["a%"])?;
            c.list().prefix("a_").ok().await?.has(&["a_b"])?;
            c.list().prefix("é").ok().await?.has(&["é", "éa"])?;
            c.list().prefix("b").ok().await?.has(&["b"])?;
            c.list().prefix("abcd").ok().await?.has::<&str>(&[])
        }
    ),
    case!(
        "series::of_nothing_are_one_message",
        "A list of nothing is one message without names and without a token.",
        ["SER-1"],
        [LIST_SERIES],
        |c| {
            let read = c.list().ok().await?;
            read.has::<&str>(&[])?;
            read.same("messages", &1, &read.len())?;
            read.expect(read.resume_token().is_empty(), "no resume_token", "a resume_token")
        }
    ),
    case!(
        "series::are_resumed",
        "A list that a limit cut is resumed behind its last name, for every limit.",
        ["SER-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            let names: Vec<_> = (0..9).map(|at| format!("n{at}")).collect();
            named(c, t, &names).await?;
            named(c, t, &["o", "m"]).await?;
            for limit in 1..=10 {
                let (mut token, mut seen) = (Bytes::new(), Vec::new());
                for _ in 0..12 {
                    let read = c.list().prefix("n").limit(limit).resume(&token).ok().await?;
                    let most = usize::try_from(limit).unwrap_or(usize::MAX);
                    let within = read.names().len() <= most;
                    read.expect(within, format!("at most {limit} names"), read.names().len().to_string())?;
                    seen.extend(read.names());
                    token = read.resume_token();
                    if token.is_empty() {
                        break;
                    }
                }
                c.same("series", &names, &seen)?;
            }
            Ok(())
        }
    ),
    case!(
        "series::fill_messages",
        "A list of more names than a message holds has all of them, each once.",
        ["SER-1", "LIM-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            let names: Vec<_> = (0..1_300).map(|at| format!("series {at:04}")).collect();
            for chunk in names.chunks(1_000) {
                named(c, t, chunk).await?;
            }
            let read = c.list().ok().await?;
            read.has(&names)?;
            let most = read.iter().map(|message| message.series.len()).max().unwrap_or(0);
            read.expect(most <= 1_000, "at most 1000 names in a message", most.to_string())?;
            let first = &read[0];
            let rest = c.list().resume(&first.resume_token).ok().await?;
            rest.has(&names[first.series.len()..])
        }
    ),
    case!(
        "series::tokens_are_bound_to_namespace_and_prefix",
        "A token of another namespace or prefix is refused, and one of another limit is taken.",
        ["SER-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            named(c, t, &["a1", "a2", "a3", "b1"]).await?;
            c.append([event(t.at(0), "x").of("a3")]).within("b").ok().await?;
            let token = c.list().prefix("a").limit(1).ok().await?.resume_token();
            c.list().prefix("a").within("b").resume(&token).fails(InvalidArgument).await?;
            for prefix in ["", "b", "a1"] {
                c.list().prefix(prefix).resume(&token).fails(InvalidArgument).await?;
            }
            for wrong in damaged(&token) {
                c.list().prefix("a").resume(&wrong).fails(InvalidArgument).await?;
            }
            c.list().prefix("a").limit(5).resume(&token).ok().await?.has(&["a2", "a3"])
        }
    ),
    case!(
        "series::without_an_event_are_not_listed",
        "A series whose events were all deleted is not listed.",
        ["SER-1", "DEL-1"],
        [LIST_SERIES, DELETE],
        |c| {
            let t = times(c).await?;
            named(c, t, &["a", "b", "c"]).await?;
            c.append([event(t.at(5), "more").of("c")]).ok().await?;
            c.delete().of("b").all().ok().await?.counts(1)?;
            c.delete().of("c").to(t.at(5)).ok().await?.counts(1)?;
            c.list().ok().await?.has(&["a", "c"])?;
            named(c, t, &["b"]).await?;
            c.list().ok().await?.has(&["a", "b", "c"])
        }
    ),
    case!(
        "series::of_other_namespaces_are_not_listed",
        "ListSeries names no series of another namespace.",
        ["SER-1", "ISO-1"],
        [LIST_SERIES],
        |c| {
            let t = times(c).await?;
            for suffix in ["a", "ab", "a.b", "a_b", "a-b"] {
                c.append([event(t.at(0), "x").of(&format!("in {suffix}"))]).within(suffix).ok().await?;
            }
            for suffix in ["a", "ab", "a.b", "a_b", "a-b"] {
                c.list().within(suffix).ok().await?.has(&[format!("in {suffix}")])?;
            }
            Ok(())
        }
    ),
];

/// An event in each of these series.
async fn named<N: AsRef<str>>(c: &Ctx, t: Times, names: &[N]) -> Proof {
    let distinct: BTreeSet<_> = names.iter().map(AsRef::as_ref).collect();
    c.append(distinct.into_iter().map(|name| event(t.at(0), "x").of(name))).ok().await.map(drop)
}
