//! Answers in several messages: a Query and a list of series, one message at a time.

use std::sync::Arc;

use super::request::{ListSeriesResponse, QueryResponse};
use super::token::{QueryScope, SeriesScope, TailScope};
use super::{ListSeries, Query, Series, TimeSeriesBackend};
use crate::Error;

/// A Query in progress. It reads one message at a time, so a slow reader holds at most one page.
pub struct QueryCursor {
    backend: Arc<dyn TimeSeriesBackend>,
    scope: QueryScope,
    tail_scope: TailScope,
    remaining: Option<u64>,
    next: Option<Query>,
}

impl QueryCursor {
    pub(super) fn new(
        backend: Arc<dyn TimeSeriesBackend>,
        (scope, tail_scope): (QueryScope, TailScope),
        limit: u64,
        query: Query,
    ) -> Self {
        Self { backend, scope, tail_scope, remaining: (limit > 0).then_some(limit), next: Some(query) }
    }

    /// The next message; `None` after the last. A message has an event if one is left; there is always a last message.
    pub async fn next(&mut self) -> Result<Option<QueryResponse>, Error> {
        let Some(mut query) = self.next.take() else { return Ok(None) };
        if let Some(remaining) = self.remaining {
            query.page = query.page.at_most(remaining);
        }
        let page = loop {
            let page = self.backend.query(&query).await?;
            // A page of events that do not match is no message.
            if !page.events.is_empty() || page.next.is_none() {
                break page;
            }
            (query.after, query.snapshot) = (page.next, Some(page.snapshot));
        };
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(page.events.len() as u64);
        }
        let resume_token = page.next.as_ref().map(|last| self.scope.seal(&page.snapshot, last));
        let is_last = page.next.is_none() || self.remaining == Some(0);
        let tail_token = is_last.then(|| self.tail_scope.seal(&page.snapshot, None));
        if !is_last {
            (query.after, query.snapshot) = (page.next, Some(page.snapshot));
            self.next = Some(query);
        }
        Ok(Some(QueryResponse {
            events: page.events,
            resume_token: resume_token.unwrap_or_default(),
            tail_token: tail_token.unwrap_or_default(),
        }))
    }
}

/// A list of series in progress.
pub struct SeriesCursor {
    backend: Arc<dyn TimeSeriesBackend>,
    scope: SeriesScope,
    remaining: Option<u64>,
    next: Option<ListSeries>,
}

impl SeriesCursor {
    pub(super) fn new(
        backend: Arc<dyn TimeSeriesBackend>,
        scope: SeriesScope,
        limit: u64,
        list: ListSeries,
    ) -> Self {
        Self { backend, scope, remaining: (limit > 0).then_some(limit), next: Some(list) }
    }

    /// The next message; `None` after the last. There is always a last message.
    pub async fn next(&mut self) -> Result<Option<ListSeriesResponse>, Error> {
        let Some(mut list) = self.next.take() else { return Ok(None) };
        if let Some(remaining) = self.remaining {
            list.limit = list.limit.min(usize::try_from(remaining).unwrap_or(usize::MAX));
        }
        let page = loop {
            let page = self.backend.list_series(&list).await?;
            if !page.series.is_empty() || page.next.is_none() {
                break page;
            }
            list.after = page.next;
        };
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(page.series.len() as u64);
        }
        let resume_token = page.next.as_ref().map(|last| self.scope.seal(last)).unwrap_or_default();
        if page.next.is_some() && self.remaining != Some(0) {
            list.after = page.next;
            self.next = Some(list);
        }
        let name = |series: &Series| series.as_str().to_owned();
        Ok(Some(ListSeriesResponse { series: page.series.iter().map(name).collect(), resume_token }))
    }
}
