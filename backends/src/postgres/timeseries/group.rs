//! A group of Appends, in the order in which it is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use prism_contract::timeseries::{Append, SeriesEvent};
use prism_contract::{Error, Timestamp};

use super::namespaces::Partitions;
use crate::timeseries::partition;

/// Appends that are written in one transaction.
pub(super) struct Grouped<'a> {
    pub(super) appends: Vec<&'a Append>,
    /// The partitions of their events: namespace, its number of partitions, and the number of this one.
    pub(super) logs: Vec<Log<'a>>,
    /// The series of their events, each once.
    pub(super) series: Vec<Name<'a>>,
    /// The events, in request order.
    pub(super) events: Vec<Line<'a>>,
}

/// A partition that is written to.
pub(super) struct Log<'a> {
    pub(super) namespace: &'a str,
    pub(super) partitions: i32,
    pub(super) partition: i64,
    /// Number of events for it.
    pub(super) count: i64,
}

/// A series that is written to.
pub(super) struct Name<'a> {
    pub(super) name: &'a str,
    /// The index of its partition.
    pub(super) log: usize,
}

/// An event to write.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The index of its Append, and of the event in that.
    pub(super) append: usize,
    pub(super) at: usize,
    /// The index of its series.
    pub(super) series: usize,
    /// Its place among the events of its partition, from 1.
    pub(super) number: i64,
    pub(super) event: &'a SeriesEvent,
    /// Whether it must be known if the event is there before it is written: it is outside the window, or the one that is
    /// there has expired.
    pub(super) is_special: bool,
}

impl<'a> Grouped<'a> {
    /// Groups Appends. Those of a namespace that does not exist are left out: their indices come second.
    pub(super) fn new(appends: &[&'a Append], partitions: &Partitions) -> (Self, HashSet<usize>) {
        let mut group =
            Self { appends: appends.to_vec(), logs: Vec::new(), series: Vec::new(), events: Vec::new() };
        let (mut logs, mut series) = (HashMap::new(), HashMap::new());
        let mut left_out = HashSet::new();
        for (number, append) in appends.iter().enumerate() {
            let namespace = append.namespace.as_str();
            let Some(partitions) = partitions.get(&append.namespace) else {
                left_out.insert(number);
                continue;
            };
            for (at, event) in append.events.iter().enumerate() {
                let name = event.series.as_str();
                let series = *series.entry((namespace, name)).or_insert_with(|| {
                    let partition = partition::hash(&event.series) % i64::from(*partitions);
                    let log = *logs.entry((namespace, partition)).or_insert_with(|| {
                        let log = Log { namespace, partitions: *partitions, partition, count: 0 };
                        group.logs.push(log);
                        group.logs.len() - 1
                    });
                    group.series.push(Name { name, log });
                    group.series.len() - 1
                });
                let log = &mut group.logs[group.series[series].log];
                log.count += 1;
                let number_in_log = log.count;
                let time = event.event.time;
                let is_special = !append.window.accepts(append.now, time) || !is_live(time, append.expired);
                group.events.push(Line {
                    append: number,
                    at,
                    series,
                    number: number_in_log,
                    event,
                    is_special,
                });
            }
        }
        (group, left_out)
    }

    /// Decides which Appends are refused, in order. `there`: the special events that are in the store. An event of an earlier
    /// Append of the group is there too, unless that one is refused.
    pub(super) fn refuse(&self, there: &HashSet<usize>) -> BTreeMap<usize, Error> {
        let mut refused = BTreeMap::new();
        if !self.events.iter().any(|line| line.is_special) {
            return refused;
        }
        let mut written = HashSet::new();
        let mut start = 0;
        while let Some(first) = self.events.get(start) {
            let append = self.appends[first.append];
            let end = start + append.events.len();
            let identity = |line: &Line<'a>| (line.series, line.event.event.time, &line.event.event.id);
            let absent = |index: usize| {
                let line = &self.events[index];
                let is_there = there.contains(&index) || written.contains(&identity(line));
                let time = line.event.event.time;
                let is_live = is_there && is_live(time, append.expired);
                !is_live && !append.window.accepts(append.now, time)
            };
            let absent = (start..end).filter(|index| absent(*index)).map(|index| self.events[index].at);
            match append.refuse(absent.collect::<Vec<_>>()) {
                Ok(()) => written.extend(self.events[start..end].iter().map(identity)),
                Err(error) => drop(refused.insert(first.append, error)),
            }
            start = end;
        }
        refused
    }
}

/// Whether an event with this time is live.
pub(super) fn is_live(time: Timestamp, expired: Option<Timestamp>) -> bool {
    expired.is_none_or(|expired| time > expired)
}
