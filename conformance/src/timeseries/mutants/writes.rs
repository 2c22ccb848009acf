//! Flaws of writes: Append, DeleteEvents and the sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::timeseries::{
    Append, DeleteEvents, EventId, EventKey, Expired, SeriesEvent, Start, Tags, TimeRange, TimeSeriesBackend,
    Window,
};
use prism_contract::{Error, Namespace, Swept, Timestamp};

use super::flawed::Flawed;
use super::{Bug, Flaw};

const TICK: Duration = Duration::from_micros(1);

/// The range of one microsecond.
fn moment(time: Timestamp) -> TimeRange {
    TimeRange { start: time.as_micros(), end: time.as_micros() + 1 }
}

impl Flawed {
    pub(super) async fn write(&self, mut append: Append) -> Result<Vec<bool>, Error> {
        append.namespace = self.namespace(&append.namespace);
        append.window = self.window(append.window);
        append.expired = if self.has(Bug::UnsweptIsADuplicate) { None } else { self.expired(append.expired) };
        let first = append.events.first().map(|event| event.series.clone());
        for event in &mut append.events {
            event.series = match &first {
                Some(first) if self.has(Bug::WritesAllToTheFirstSeries) => first.clone(),
                _ => self.series(&event.series),
            };
            self.change(event);
        }
        if self.has(Bug::RefusesDuplicatesOutside) {
            append.refuse(append.outside())?;
        }
        let there = self.there(&append).await?;
        if self.has(Bug::DuplicateFailsTheAppend) && there.contains(&true) {
            return Err(Error::invalid("events", "one of them is there already"));
        }
        if self.has(Bug::AcceptsAllBesideADuplicate) && there.contains(&true) {
            append.window = Window::default();
        }
        let count = append.events.len();
        if self.has(Bug::StopsAtADuplicate)
            && let Some(at) = there.iter().position(|there| *there)
        {
            append.events.truncate(at);
        }
        if self.has(Bug::DeletedEventsCannotComeBack) {
            let notes = self.disk().notes();
            append.events.retain(|event| !notes.deleted.contains(&(event.series.clone(), event.event.key())));
        }
        self.note(&append, &there);
        let order = self.order(&append.events);
        let mut events: Vec<_> = order.iter().map(|at| append.events[*at].clone()).collect();
        if self.has(Bug::CrashLeavesHalfAnEvent) {
            self.write_in_halves(&events).await?;
        }
        if self.has(Bug::TornAppend) && events.len() > 1 {
            append.refuse(append.outside().filter(|at| !there[*at]))?;
            let rest = events.split_off(events.len() / 2);
            self.memory().append(Append { events, ..append.clone() }).await?;
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            events = rest;
        }
        if !events.is_empty() {
            let answers = self.memory().append(Append { events, ..append }).await?;
            if self.flaw() == Flaw::NONE {
                return Ok(answers);
            }
        }
        let detects =
            self.flaw().capabilities().contains(prism_contract::timeseries::Capability::DetectsDuplicates);
        if self.has(Bug::DuplicatesAreNew) || !detects {
            return Ok(vec![false; count]);
        }
        Ok(there)
    }

    /// Of each event, in request order, whether it is there already.
    pub(super) async fn there(&self, append: &Append) -> Result<Vec<bool>, Error> {
        let mut there = Vec::new();
        for SeriesEvent { series, event } in &append.events {
            let found = self.identities(&append.namespace, series, event.time, append.expired).await?;
            let has_id = self.disk().notes().order.iter().any(|(_, _, key)| key.id == event.id);
            there.push(found.contains(&event.id) || (self.has(Bug::ComparesIdsAlone) && has_id));
        }
        Ok(there)
    }

    /// The ids of the live events of one moment.
    async fn identities(
        &self,
        namespace: &Namespace,
        series: &prism_contract::timeseries::Series,
        time: Timestamp,
        expired: Option<Timestamp>,
    ) -> Result<BTreeSet<EventId>, Error> {
        let query = prism_contract::timeseries::Query {
            namespace: namespace.clone(),
            series: series.clone(),
            range: moment(time),
            tags: Tags::default(),
            reverse: false,
            page: prism_contract::PageSize::default(),
            without_payload: true,
            snapshot: None,
            after: None,
            expired,
        };
        let page = self.memory().query(&query).await?;
        Ok(page.events.into_iter().map(|event| event.id).collect())
    }

    fn window(&self, window: Window) -> Window {
        if self.has(Bug::IgnoresTheWindow) {
            return Window::default();
        }
        if self.has(Bug::LimitsThePastOnly) {
            return Window { future: None, ..window };
        }
        let changed = |change: fn(Duration) -> Duration| Window {
            past: window.past.map(change),
            future: window.future.map(change),
        };
        if self.has(Bug::WindowEndsATickEarly) {
            return changed(|span| span.saturating_sub(TICK));
        }
        if self.has(Bug::WindowEndsATickLate) { changed(|span| span.saturating_add(TICK)) } else { window }
    }

    /// The event as this store keeps it.
    fn change(&self, SeriesEvent { event, .. }: &mut SeriesEvent) {
        if self.has(Bug::RoundsTimesToMillis) {
            let millis = event.time.as_micros() / 1_000 * 1_000;
            event.time = Timestamp::from_micros(millis).unwrap_or(event.time);
        }
        if self.has(Bug::CutsLongPayloads) {
            event.payload.truncate(4_096);
        }
        if self.has(Bug::TruncatesPayloadsAtNul)
            && let Some(at) = event.payload.iter().position(|byte| *byte == 0)
        {
            event.payload.truncate(at);
        }
        if self.has(Bug::DropsContentType) {
            event.content_type.clear();
        }
        if self.has(Bug::DropsTheLastTag) {
            let count = event.tags.iter().len();
            event.tags = kept_tags(&event.tags, |at, _| at + 1 < count);
        }
        if self.has(Bug::FoldsCaseOfTags) {
            event.tags = folded(&event.tags);
        }
        if self.has(Bug::FoldsCaseOfIds) {
            let id = Bytes::from(event.id.as_bytes().to_ascii_lowercase());
            event.id = EventId::new(id).unwrap_or_else(|_| event.id.clone());
        }
    }

    /// The order in which the events of an Append are written.
    fn order(&self, events: &[SeriesEvent]) -> Vec<usize> {
        let mut order: Vec<_> = (0..events.len()).collect();
        if self.has(Bug::SortsAnAppendByTime) {
            order.sort_by_key(|at| events[*at].event.time);
        }
        if self.has(Bug::ReversesAnAppend) {
            order.reverse();
        }
        order
    }

    /// What some flaws remember of an Append.
    fn note(&self, append: &Append, there: &[bool]) {
        let mut notes = self.disk().notes();
        notes.last.clear();
        for (SeriesEvent { series, event }, there) in append.events.iter().zip(there) {
            let (key, identity) = (event.key(), (append.namespace.clone(), series.clone(), event.key()));
            let of_series =
                notes.order.iter().filter(|(space, of, _)| (space, of) == (&append.namespace, series));
            if of_series.map(|(_, _, key)| key.time).max().is_some_and(|latest| latest > event.time) {
                notes.late.insert((series.clone(), key.clone()));
            }
            let content = (series.clone(), key.clone());
            if self.has(Bug::OverwritesTheFirstContent) {
                notes.contents.insert(content, event.clone());
            } else if self.has(Bug::DeletedEventsComeBackAsTheyWere) {
                notes.contents.entry(content).or_insert_with(|| event.clone());
            }
            if !there {
                notes.order.push(identity.clone());
                notes.last.push(identity);
                notes.unseen = Some(key);
            }
        }
    }

    /// Another process that was killed meanwhile would leave the events as they are read until the second half is there.
    async fn write_in_halves(&self, events: &[SeriesEvent]) -> Result<(), Error> {
        {
            let mut notes = self.disk().notes();
            for SeriesEvent { series, event } in events {
                let mut half = event.clone();
                half.payload.truncate(event.payload.len() / 2);
                notes.contents.insert((series.clone(), event.key()), half);
            }
        }
        let append = self.disk().notes().last.first().cloned();
        if let Some((namespace, ..)) = append {
            let whole = Append {
                namespace,
                events: events.to_vec(),
                now: Timestamp::EPOCH,
                window: Window::default(),
                expired: None,
                partitions: 8,
            };
            self.memory().append(whole).await?;
        }
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        // A killed process writes nothing more.
        if !self.runs() {
            return Err(Error::unavailable("killed"));
        }
        let mut notes = self.disk().notes();
        for SeriesEvent { series, event } in events {
            notes.contents.remove(&(series.clone(), event.key()));
        }
        Ok(())
    }

    pub(super) async fn forget_the_last_append(&self) {
        let last = std::mem::take(&mut self.disk().notes().last);
        for (namespace, series, EventKey { time, .. }) in last {
            let delete = DeleteEvents { namespace, series, range: moment(time), expired: None };
            // The flaw: what was acknowledged is gone.
            let _ = self.memory().delete_events(delete).await;
        }
    }

    pub(super) async fn remove(&self, mut delete: DeleteEvents) -> Result<u64, Error> {
        delete.namespace = self.namespace(&delete.namespace);
        delete.series = self.series(&delete.series);
        delete.expired = self.expired(delete.expired);
        if self.has(Bug::DeleteEndInclusive) {
            delete.range.end = (delete.range.end + 1).min(TimeRange::ALL.end);
        }
        if self.has(Bug::DeleteStartExclusive) && delete.range.start > 0 {
            delete.range.start += 1;
        }
        if self.has(Bug::DeleteCountsExpiredEvents) {
            delete.expired = None;
        }
        let end = self.memory().position(&delete.namespace, None, Start::Now).await?;
        let siblings: BTreeSet<_> = {
            let mut notes = self.disk().notes();
            let deleted: Vec<_> = notes
                .order
                .iter()
                .filter(|(namespace, series, key)| {
                    (namespace, series) == (&delete.namespace, &delete.series)
                        && delete.range.contains(key.time)
                })
                .map(|(_, series, key)| (series.clone(), key.clone()))
                .collect();
            notes.deleted.extend(deleted);
            let place = (delete.namespace.clone(), delete.series.clone());
            notes.deleted_before.insert(place, super::reads::offset(&end));
            let begins = |series: &&prism_contract::timeseries::Series| {
                series.as_str().starts_with(delete.series.as_str()) && **series != delete.series
            };
            notes.order.iter().map(|(_, series, _)| series).filter(begins).cloned().collect()
        };
        if self.has(Bug::DeletesSiblings) {
            for series in siblings {
                self.memory().delete_events(DeleteEvents { series, ..delete.clone() }).await?;
            }
        }
        self.memory().delete_events(delete).await
    }

    pub(super) async fn remove_expired(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        let early = |namespace: &Namespace| {
            let expired = expired(namespace);
            if self.has(Bug::SweepsATickEarly) {
                expired.map(|expired| expired.saturating_add(TICK))
            } else {
                expired
            }
        };
        if self.has(Bug::SweepsTheWholeSeries) {
            let order = self.disk().notes().order.clone();
            for (namespace, series, key) in order {
                if expired(&namespace).is_some_and(|expired| key.time <= expired) {
                    let delete = DeleteEvents { namespace, series, range: TimeRange::ALL, expired: None };
                    self.memory().delete_events(delete).await?;
                }
            }
        }
        self.memory().expire(&early).await
    }
}

/// The tags at the positions that `keep` chooses.
pub(super) fn kept_tags(tags: &Tags, keep: impl Fn(usize, &str) -> bool) -> Tags {
    let kept = tags.iter().enumerate().filter(|(at, (key, _))| keep(*at, key));
    Tags::new(kept.map(|(_, (key, value))| (key.to_owned(), value.to_owned()))).unwrap_or_default()
}

/// The tags with their values in lower case.
pub(super) fn folded(tags: &Tags) -> Tags {
    let tags = tags.iter().map(|(key, value)| (key.to_owned(), value.to_lowercase()));
    Tags::new(tags).unwrap_or_default()
}
