//! Isolation: namespaces never meet, nor do series.

use super::support::{DELETE, HISTOGRAM, MICRO, NAMESPACE_TAIL, times};
use crate::core::case;
use crate::timeseries::{Case, Events, event};

/// Suffixes of namespaces that a narrower name, a prefix or a joined key would confuse.
const SPACES: [&str; 7] = ["", "a", "ab", "a.b", "a_b", "a-b", "a."];

pub(super) const CASES: &[Case] = &[
    case!(
        "isolation::namespaces_hold_their_own_events",
        "The same series and identity is another event in each namespace.",
        ["ISO-1"],
        |c| {
            let t = times(c).await?;
            for suffix in SPACES {
                c.append([event(t.at(0), "x").payload(suffix)]).within(suffix).ok().await?;
            }
            for suffix in SPACES {
                let expected = [event(t.at(0), "x").payload(suffix)];
                c.query().within(suffix).ok().await?.holds(&expected)?;
                c.tail().within(suffix).beginning().ok().await?.holds(&expected)?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::an_event_is_in_one_namespace_only",
        "An event of one namespace is in no other.",
        ["ISO-1"],
        |c| {
            let t = times(c).await?;
            c.append([event(t.at(0), "x")]).within("a.b").ok().await?;
            for suffix in SPACES.into_iter().filter(|suffix| *suffix != "a.b") {
                c.query().within(suffix).ok().await?.has_ids::<&str>(&[])?;
                c.tail().within(suffix).beginning().ok().await?.has_ids::<&str>(&[])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::names_are_not_joined",
        "A namespace and a series that spell the same when joined are different ones.",
        ["ISO-1"],
        |c| {
            let t = times(c).await?;
            let places = [
                ("a", "bc"),
                ("ab", "c"),
                ("abc", "c"),
                ("a", "b"),
                ("a.b", "c"),
                ("a", "b.c"),
                ("a_b", "c"),
            ];
            for (at, (suffix, series)) in places.into_iter().enumerate() {
                c.append([event(t.at(0), at.to_string()).of(series)]).within(suffix).ok().await?;
            }
            for (at, (suffix, series)) in places.into_iter().enumerate() {
                c.query().within(suffix).of(series).ok().await?.has_ids(&[at.to_string()])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::series_never_meet",
        "Series whose names begin alike never meet, in Query, Tail and Histogram.",
        ["ISO-1"],
        [HISTOGRAM],
        |c| {
            let t = times(c).await?;
            for name in ["a", "ab", "a.b", "a_b", "a\u{1}"] {
                c.append([event(t.at(0), name).of(name)]).ok().await?;
            }
            for name in ["a", "ab", "a.b", "a_b", "a\u{1}"] {
                c.query().of(name).ok().await?.has_ids(&[name])?;
                c.tail().of(name).beginning().ok().await?.has_ids(&[name])?;
                let counts = c.histogram().of(name).from(t.at(0)).to(t.at(1)).bucket(MICRO).ok().await?;
                counts.counts(&[(t.at(0), 1, name.len() as u64)])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::a_tail_of_a_namespace_stays_in_it",
        "A Tail of a whole namespace brings nothing of another one.",
        ["ISO-1", "TAIL-9"],
        [NAMESPACE_TAIL],
        |c| {
            let t = times(c).await?;
            for suffix in SPACES {
                c.append([event(t.at(0), format!("in {suffix}"))]).within(suffix).ok().await?;
            }
            for suffix in SPACES {
                let read = c.tail().whole_namespace().within(suffix).beginning().ok().await?;
                read.has_ids(&[format!("in {suffix}")])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::deletes_stay_in_their_series",
        "Deleting series `a` leaves series `ab` alone, and the same series of other namespaces.",
        ["ISO-1", "DEL-1"],
        [DELETE],
        |c| {
            let t = times(c).await?;
            for suffix in ["", "a", "ab"] {
                let events = ["a", "ab", "b"].map(|name| event(t.at(0), "x").of(name));
                c.append(events).within(suffix).ok().await?;
            }
            c.delete().within("a").of("a").all().ok().await?.counts(1)?;
            for (suffix, name, left) in
                [("a", "a", 0), ("a", "ab", 1), ("ab", "a", 1), ("", "a", 1), ("a", "b", 1)]
            {
                let read = c.query().within(suffix).of(name).ok().await?;
                read.same("events", &left, &read.events().len())?;
            }
            Ok(())
        }
    ),
];
