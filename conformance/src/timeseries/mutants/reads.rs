//! Flaws of reads: Query, Tail, ListSeries and Histogram.

use std::num::NonZeroU64;

use bytes::Bytes;
use prism_contract::timeseries::{
    Bucket, Event, EventId, EventKey, EventPage, Histogram, ListSeries, Position, Query, Series, SeriesEvent,
    SeriesPage, Start, Tags, Tail, TailPage, TimeRange, TimeSeriesBackend,
};
use prism_contract::{Error, Timestamp};

use super::Bug;
use super::flawed::Flawed;
use super::writes::{folded, kept_tags};

/// The last partition's position in a log.
pub(super) fn offset(position: &Position) -> u64 {
    let bytes = position.as_bytes();
    let last = bytes.len().checked_sub(8).and_then(|at| bytes[at..].try_into().ok());
    last.map_or(0, u64::from_le_bytes)
}

/// The position of one event less.
pub(super) fn earlier(position: &Position) -> Position {
    let mut bytes = position.as_bytes().to_vec();
    let at = bytes.len().saturating_sub(8);
    bytes.truncate(at);
    bytes.extend_from_slice(&offset(position).saturating_sub(1).to_le_bytes());
    Position::new(bytes)
}

impl Flawed {
    pub(super) async fn read_series(&self, query: &Query) -> Result<EventPage, Error> {
        let mut query = query.clone();
        query.namespace = self.namespace(&query.namespace);
        query.series = self.series(&query.series);
        query.expired = self.expired(query.expired);
        let (asked, tags, after) = (query.clone(), query.tags.clone(), query.after.clone());
        self.change_query(&mut query);
        self.change_snapshot(&mut query);
        let mut page = self.memory().query(&query).await?;
        self.change_events(&asked, &tags, &mut page);
        self.hide(&mut page.events, |event| (query.series.clone(), event.key()));
        if self.has(Bug::SkipsAnEventAtAPageBorder) && after.is_some() && !page.events.is_empty() {
            page.events.remove(0);
        }
        if self.has(Bug::RepeatsAnEventAtAPageBorder)
            && let Some(after) = after
        {
            let (start, end) = (after.time.as_micros(), after.time.as_micros() + 1);
            let again = Query { range: TimeRange { start, end }, after: None, ..query.clone() };
            let again = self.memory().query(&again).await?.events;
            page.events.splice(0..0, again.into_iter().filter(|event| event.id == after.id));
        }
        if page.next.is_none() {
            let at = async |start| self.memory().position(&query.namespace, None, start).await;
            if self.has(Bug::TailTokenIsTheEndOfTheQuery) {
                page.snapshot = at(Start::Now).await?;
            } else if self.has(Bug::TailTokenIsTheBeginning) {
                page.snapshot = at(Start::Beginning).await?;
            }
        }
        let unseen = self.disk().notes().unseen.take();
        if self.has(Bug::StaleReadAfterAppend) {
            page.events.retain(|event| Some(event.key()) != unseen);
        }
        Ok(page)
    }

    fn change_query(&self, query: &mut Query) {
        if self.has(Bug::EndInclusive) {
            query.range.end = (query.range.end + 1).min(TimeRange::ALL.end);
        }
        if self.has(Bug::StartExclusive) && query.range.start > 0 {
            query.range.start += 1;
        }
        if self.has(Bug::ForgetsTheSnapshot) {
            query.snapshot = None;
        }
        if self.has(Bug::QueryShowsExpiredEvents) {
            query.expired = None;
        }
        if self.has(Bug::ShowsPayloadsThatAreLeftOut) {
            query.without_payload = false;
        }
        if self.has(Bug::IgnoresReverse) || self.has(Bug::ReversesEachPage) {
            query.reverse = false;
        }
        if self.has(Bug::SkipsTheRestOfAMoment)
            && let Some(EventKey { id, .. }) = &mut query.after
        {
            let border = if query.reverse { vec![0] } else { vec![0xff; 128] };
            *id = EventId::new(border).unwrap_or_else(|_| id.clone());
        }
        if self.has(Bug::FoldsCaseOfTags) {
            query.tags = folded(&query.tags);
        } else if self.has(Bug::ForgetsTheSecondTag) {
            query.tags = kept_tags(&query.tags, |at, _| at == 0);
        } else if self.has(Bug::MatchesAnyTag) || self.has(Bug::EmptyTagMatchesItsAbsence) {
            query.tags = Tags::default();
        }
    }

    fn change_events(&self, query: &Query, tags: &Tags, page: &mut EventPage) {
        let events = &mut page.events;
        for event in events.iter_mut() {
            self.change_content(&query.series, event, query.without_payload);
        }
        if self.has(Bug::MatchesAnyTag) && !tags.is_empty() {
            events.retain(|event| event.tags.iter().any(|tag| tags.iter().any(|of| of == tag)));
        }
        if self.has(Bug::EmptyTagMatchesItsAbsence) {
            let matches = |event: &Event, (key, value): (&str, &str)| {
                let found = event.tags.iter().find(|(of, _)| *of == key);
                found.map_or("", |(_, value)| value) == value
            };
            events.retain(|event| tags.iter().all(|tag| matches(event, tag)));
        }
        if self.has(Bug::LeavesOutTagsWithPayloads) && query.without_payload {
            for event in events.iter_mut() {
                event.tags = Tags::default();
            }
        }
        if self.has(Bug::LeavesOutEventsWithoutPayload) {
            events.retain(|event| !event.payload.is_empty() || query.without_payload);
        }
        if self.has(Bug::OrdersById) {
            events.sort_by(|one, other| (&one.id, one.time).cmp(&(&other.id, other.time)));
        }
        if self.has(Bug::OrdersIdsBackwards) {
            events.sort_by(|one, other| (one.time, &other.id).cmp(&(other.time, &one.id)));
        }
        if self.has(Bug::ReverseKeepsTheOrderOfIds) && query.reverse {
            events.sort_by(|one, other| (other.time, &one.id).cmp(&(one.time, &other.id)));
        }
        if self.has(Bug::ReversesEachPage) && query.reverse {
            events.reverse();
        }
        if self.has(Bug::LateEventsComeLast) {
            let late = &self.disk().notes().late;
            events.sort_by_key(|event| late.contains(&(query.series.clone(), event.key())));
        }
    }

    /// The content that this store reads.
    fn change_content(&self, series: &Series, event: &mut Event, without_payload: bool) {
        let notes = self.disk().notes();
        if let Some(content) = notes.contents.get(&(series.clone(), event.key())) {
            *event = content.shown(without_payload);
        }
    }

    pub(super) async fn read_log(&self, tail: &Tail) -> Result<TailPage, Error> {
        let mut tail = tail.clone();
        tail.namespace = self.namespace(&tail.namespace);
        tail.series = tail.series.as_ref().map(|series| self.series(series));
        tail.expired = self.expired(tail.expired);
        if self.has(Bug::FoldsCaseOfTags) {
            tail.tags = folded(&tail.tags);
        }
        if self.has(Bug::NeverExpiresATailToken) {
            tail.passed_over = tail.expired;
        }
        if self.has(Bug::BeginningExpires) {
            tail.passed_over = None;
        }
        if self.has(Bug::BeginningNeverExpiresAfterwards) && tail.passed_over.is_some() {
            tail.passed_over = tail.expired;
        }
        if self.has(Bug::DeletionExpiresTokens)
            && let Some(series) = &tail.series
        {
            let place = (tail.namespace.clone(), series.clone());
            let deleted = self.disk().notes().deleted_before.get(&place).copied();
            if deleted.is_some_and(|before| offset(&tail.after) < before) {
                return Err(Error::TokenExpired);
            }
        }
        let read = self.memory().tail(&tail).await;
        let mut page = match read {
            Err(Error::TokenExpired) if self.has(Bug::ExpiredTokenIsInvalid) => {
                return Err(Error::invalid("token", "has expired"));
            }
            read => read?,
        };
        for SeriesEvent { series, event } in &mut page.events {
            self.change_content(series, event, tail.without_payload);
        }
        self.change_page(&tail, &mut page);
        self.hide(&mut page.events, |of| (of.series.clone(), of.event.key()));
        if self.has(Bug::TailSkipsWhatAMessageDoesNotHold) && page.more {
            page.position = self.memory().position(&tail.namespace, None, Start::Now).await?;
            page.more = false;
        }
        Ok(page)
    }

    fn change_page(&self, tail: &Tail, page: &mut TailPage) {
        let events = &mut page.events;
        if self.has(Bug::TailForgetsLateEvents) {
            let late = &self.disk().notes().late;
            events.retain(|event| !late.contains(&(event.series.clone(), event.event.key())));
        }
        if self.has(Bug::TailBringsTheFirstHundredOnly) {
            events.truncate(100);
        }
        if self.has(Bug::TailGoesByTime) {
            events.sort_by_key(|event| event.event.time);
        }
        if tail.series.is_none() {
            if self.has(Bug::NamespaceTailBringsOneSeries) {
                let first = events.first().map(|event| event.series.clone());
                events.retain(|event| Some(&event.series) == first.as_ref());
            }
            if self.has(Bug::NamespaceTailTurnsTheOrder) {
                events.reverse();
            }
        }
        if self.has(Bug::HeartbeatStaysBehind) && events.is_empty() {
            page.position = tail.after.clone();
        }
    }

    pub(super) async fn read_names(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        let mut list = list.clone();
        list.namespace = self.namespace(&list.namespace);
        list.expired = if self.has(Bug::ListShowsExpiredSeries) { None } else { self.expired(list.expired) };
        let prefix = list.prefix.clone();
        if self.has(Bug::ListMatchesWithinNames) {
            list.prefix.clear();
        }
        let mut page = self.memory().list_series(&list).await?;
        if self.has(Bug::ListMatchesWithinNames) {
            page.series.retain(|series| series.as_str().contains(&prefix));
        }
        if self.has(Bug::ListFoldsCase) {
            page.series.sort_by_key(|series| series.as_str().to_lowercase());
        }
        if self.has(Bug::ListSkipsANameAtAPageBorder) && list.after.is_some() && !page.series.is_empty() {
            page.series.remove(0);
        }
        Ok(page)
    }

    pub(super) async fn count(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        let mut histogram = histogram.clone();
        histogram.namespace = self.namespace(&histogram.namespace);
        histogram.series = self.series(&histogram.series);
        histogram.expired =
            if self.has(Bug::CountsExpiredEvents) { None } else { self.expired(histogram.expired) };
        if self.has(Bug::HistogramEndInclusive) {
            histogram.range.end = (histogram.range.end + 1).min(TimeRange::ALL.end);
        }
        if self.has(Bug::HistogramIgnoresTags) {
            histogram.tags = Tags::default();
        }
        if self.has(Bug::BucketsAreATickWider) {
            histogram.bucket = histogram.bucket.saturating_add(1);
        }
        let mut buckets = self.memory().histogram(&histogram).await?;
        if self.has(Bug::BucketsBeginAtTheEpoch) {
            let width = i64::try_from(NonZeroU64::get(histogram.bucket)).unwrap_or(i64::MAX);
            for bucket in &mut buckets {
                let start = bucket.start.as_micros() / width * width;
                bucket.start = Timestamp::from_micros(start).unwrap_or(bucket.start);
            }
        }
        Ok(buckets)
    }
}

/// A token of no store.
pub(super) const GARBAGE: Bytes = Bytes::from_static(b"garbage");
