//! The check of a history: what each read must have seen, by the real order of requests and answers.

use std::collections::{BTreeMap, BTreeSet};

use prism_contract::timeseries::{Capabilities, Capability, SeriesEvent};

use super::History;
use super::index::{Append, Before, Identity, Index, Kind, Read, identity};
use crate::core::Show;

/// The capabilities that decide what readers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarantees {
    /// ATOMIC_APPEND.
    pub is_atomic: bool,
    /// EXACT_TAIL.
    pub is_exact: bool,
}

impl Guarantees {
    /// Those of a store with these capabilities.
    pub fn of(capabilities: Capabilities) -> Self {
        let has = |capability| capabilities.contains(capability);
        Self { is_atomic: has(Capability::AtomicAppend), is_exact: has(Capability::ExactTail) }
    }
}

/// A read that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rules that it breaks.
    pub rules: Vec<&'static str>,
    /// The operations that show it, as indices into the history; the read is the last one.
    pub operations: Vec<usize>,
    /// What the contract requires.
    pub expected: String,
    /// What was read.
    pub actual: String,
}

type Checked = Result<(), Violation>;

/// Checks every read of a history of events with distinct identities.
///
/// # Errors
/// The first read that the contract does not allow.
pub fn check(history: &History, guarantees: Guarantees) -> Checked {
    let check = Check { index: Index::of(history), guarantees };
    for read in &check.index.reads {
        check.only_what_was_appended(read)?;
        check.what_was_acknowledged(read)?;
        match &read.kind {
            Kind::Query => {
                by_time(read)?;
                if guarantees.is_atomic {
                    check.whole_appends(read)?;
                    check.what_others_have_seen(read)?;
                }
            }
            Kind::Tail(before) => {
                check.in_the_order_of_appends(read)?;
                if let (Some(before), true) = (before, guarantees.is_exact) {
                    once(read, before)?;
                }
            }
        }
    }
    check.one_order_for_all_tails()
}

/// The number of reads that overlap an acknowledged Append to their series by another client. A history with 0 proves nothing
/// about concurrency.
pub fn overlap(history: &History) -> usize {
    let index = Index::of(history);
    let client = |at: usize| history.operations[at].client;
    let overlaps = |read: &&Read| {
        index.appends.iter().any(|append| {
            client(append.at) != client(read.at)
                && append.called < read.returned
                && append.acknowledged.is_some_and(|acknowledged| acknowledged > read.called)
                && append.of_series(&read.series).next().is_some()
        })
    };
    index.reads.iter().filter(overlaps).count()
}

struct Check {
    index: Index,
    guarantees: Guarantees,
}

fn violation(
    rules: &[&'static str],
    operations: impl IntoIterator<Item = usize>,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Checked {
    let (rules, operations) = (rules.to_vec(), operations.into_iter().collect());
    Err(Violation { rules, operations, expected: expected.into(), actual: actual.into() })
}

impl Check {
    fn append_of(&self, event: &Identity) -> Option<&Append> {
        self.index.of_event.get(event).map(|at| &self.index.appends[*at])
    }

    /// Each event is one whose Append had begun, with its content.
    fn only_what_was_appended(&self, read: &Read) -> Checked {
        for event in &read.events {
            let append = self.append_of(&identity(event));
            let append = append.filter(|append| append.called < read.returned && !append.is_refused);
            let Some(append) = append else {
                let expected = "events that were appended";
                return violation(&["QRY-1", "TAIL-1", "APP-4"], [read.at], expected, event.show());
            };
            if !append.events.contains(event) {
                let written = append.events.iter().find(|of| identity(of) == identity(event));
                let expected = written.map_or_else(String::new, Show::show);
                return violation(&["APP-1", "APP-3"], [append.at, read.at], expected, event.show());
            }
        }
        Ok(())
    }

    /// APP-2, QRY-11, TAIL-1, TAIL-3: each event that was acknowledged before the read began, except those before its token.
    fn what_was_acknowledged(&self, read: &Read) -> Checked {
        let mut seen: BTreeSet<_> = read.events.iter().map(identity).collect();
        let mut earlier = None;
        match &read.kind {
            Kind::Query => {}
            Kind::Tail(Some(before)) => {
                seen.extend(before.events.iter().cloned());
                earlier = before.read;
            }
            Kind::Tail(None) => return Ok(()),
        }
        let before = |append: &&Append| append.acknowledged.is_some_and(|at| at < read.called);
        for append in self.index.appends.iter().filter(before) {
            let missing = append.of_series(&read.series).find(|event| !seen.contains(&identity(event)));
            if let Some(missing) = missing {
                let rules: &[_] = match (&read.kind, earlier) {
                    (Kind::Query, _) => &["APP-2", "QRY-1"],
                    (Kind::Tail(_), Some(_)) => &["QRY-11", "TAIL-3", "APP-2"],
                    (Kind::Tail(_), None) => &["TAIL-1", "APP-2"],
                };
                let operations = [Some(append.at), earlier, Some(read.at)].into_iter().flatten();
                return violation(rules, operations, missing.show(), "the event is missing");
            }
        }
        Ok(())
    }

    /// APP-7: of each Append all events of the series, or none.
    fn whole_appends(&self, read: &Read) -> Checked {
        let seen: BTreeSet<_> = read.events.iter().map(identity).collect();
        for append in &self.index.appends {
            let all = append.of_series(&read.series).count();
            let there =
                append.of_series(&read.series).filter(|event| seen.contains(&identity(event))).count();
            if there != 0 && there != all {
                let expected = format!("all {all} events of the Append, or none");
                return violation(&["APP-7"], [append.at, read.at], expected, format!("{there} of them"));
            }
        }
        Ok(())
    }

    /// APP-7: once a reader has seen one event of an Append, a later Query sees all of them.
    fn what_others_have_seen(&self, read: &Read) -> Checked {
        let seen: BTreeSet<_> = read.events.iter().map(identity).collect();
        for earlier in self.index.reads.iter().filter(|earlier| earlier.returned < read.called) {
            for append in earlier.events.iter().filter_map(|event| self.append_of(&identity(event))) {
                let missing = append.of_series(&read.series).find(|event| !seen.contains(&identity(event)));
                if let Some(missing) = missing {
                    let expected = format!("{}, since an earlier reader saw its Append", missing.show());
                    let operations = [append.at, earlier.at, read.at];
                    return violation(&["APP-7"], operations, expected, "the event is missing");
                }
            }
        }
        Ok(())
    }

    /// TAIL-2, APP-11.
    fn in_the_order_of_appends(&self, read: &Read) -> Checked {
        let mut latest: Option<&Append> = None;
        let mut of_append: BTreeMap<usize, usize> = BTreeMap::new();
        for event in &read.events {
            let Some(append) = self.append_of(&identity(event)) else { continue };
            if let Some(latest) = latest
                && append.acknowledged.is_some_and(|acknowledged| acknowledged < latest.called)
            {
                let expected = format!("{} before the events of a later Append", event.show());
                return violation(
                    &["TAIL-2"],
                    [append.at, latest.at, read.at],
                    expected,
                    "it comes after them",
                );
            }
            if latest.is_none_or(|latest| append.called > latest.called) {
                latest = Some(append);
            }
            let number = append.events.iter().position(|of| of == event).unwrap_or(0);
            let before = of_append.insert(append.at, number);
            if before.is_some_and(|before| before > number) {
                let expected = format!("{} in the order of its request", event.show());
                return violation(&["APP-11"], [append.at, read.at], expected, "it comes after a later one");
            }
        }
        Ok(())
    }

    /// The order of Appends is one: two Tails have their common events in the same order.
    fn one_order_for_all_tails(&self) -> Checked {
        let tails = |read: &&Read| matches!(read.kind, Kind::Tail(_));
        let mut longest: BTreeMap<&str, &Read> = BTreeMap::new();
        for read in self.index.reads.iter().filter(tails) {
            let kept = longest.entry(&read.series).or_insert(read);
            if read.events.len() > kept.events.len() {
                *kept = read;
            }
        }
        if !self.guarantees.is_exact {
            return Ok(());
        }
        for read in self.index.reads.iter().filter(tails) {
            let Some(first) = longest.get(read.series.as_str()) else { continue };
            let place: BTreeMap<_, _> =
                first.events.iter().enumerate().map(|(at, event)| (identity(event), at)).collect();
            let common: Vec<(usize, &SeriesEvent)> =
                read.events.iter().filter_map(|event| Some((*place.get(&identity(event))?, event))).collect();
            if let Some(pair) = common.windows(2).find(|pair| pair[0].0 > pair[1].0) {
                let expected = format!("{} before {}", pair[1].1.show(), pair[0].1.show());
                let actual = "the other order, in another Tail";
                return violation(&["TAIL-2", "TAIL-3"], [first.at, read.at], expected, actual);
            }
        }
        Ok(())
    }
}

/// QRY-1: by time and id, each once.
fn by_time(read: &Read) -> Checked {
    let keys: Vec<_> = read.events.iter().map(|event| event.event.key()).collect();
    match keys.windows(2).position(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(at) => {
            let actual = format!("{} before it", read.events[at].show());
            violation(&["QRY-1", "QRY-5"], [read.at], read.events[at + 1].show(), actual)
        }
    }
}

/// TAIL-3, QRY-11: no event twice, in the Tail or before its token.
fn once(read: &Read, before: &Before) -> Checked {
    let mut seen = before.events.clone();
    match read.events.iter().find(|event| !seen.insert(identity(event))) {
        None => Ok(()),
        Some(again) => {
            let operations = [before.read, Some(read.at)].into_iter().flatten();
            violation(&["TAIL-3", "QRY-11"], operations, "each event once", format!("{} again", again.show()))
        }
    }
}
