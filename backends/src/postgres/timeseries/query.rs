//! Pages of a Query.

use prism_contract::Error;
use prism_contract::timeseries::{Event, EventKey, EventPage, Position, Query};

use super::decode::Read;
use super::read_sql::{self, QueryForm};
use super::{bound, claimed, saturated};
use crate::postgres::engine;
use crate::postgres::keyvalue::Readers;
use crate::timeseries::{partition, stored_tags};

/// Maximum rows that a page with tags scans. It ends there, matching or not.
const SCANNED: usize = 2_048;

/// Reads a page, whose snapshot is that of the first page: by one statement, unless there is an event so long that the page
/// might be full before it has all its items.
pub(super) async fn query(readers: &Readers, query: &Query) -> Result<EventPage, Error> {
    let snapshot = match &query.snapshot {
        Some(snapshot) => Some(claimed(snapshot)?.first().copied().ok_or(Error::TokenExpired)?),
        None => None,
    };
    let mut building = Building { query, snapshot, events: Vec::new(), bytes: 0, last: None };
    // Of the rows that a page with tags scans, many more may match than it holds.
    if query.tags.is_empty()
        && let Some(page) = building.read(readers, QueryForm::Short).await?
    {
        return Ok(page);
    }
    let page = building.read(readers, QueryForm::Counted).await?;
    page.ok_or_else(|| Error::internal("a payload was not read"))
}

/// A page that is being read.
struct Building<'a> {
    query: &'a Query,
    /// The end of the snapshot in the log of the series; `None`: the end of the log when the page is first read.
    snapshot: Option<u64>,
    events: Vec<Event>,
    bytes: usize,
    /// The last row that was read, matching or not.
    last: Option<EventKey>,
}

impl Building<'_> {
    /// Reads on; returns the page unless it has ended at an event that was read without its payload.
    async fn read(&mut self, readers: &Readers, form: QueryForm) -> Result<Option<EventPage>, Error> {
        let size = self.query.page;
        let left = size.items().saturating_sub(self.events.len());
        let scanned = if self.query.tags.is_empty() { left + 1 } else { SCANNED.max(left + 1) };
        let statement = || self.statement(form, left, scanned);
        let mut read = Read::rows(readers, &self.query.namespace, statement).await?;
        let end = read.heads.first().map_or(0, |head| head.end);
        let snapshot = match &self.query.snapshot {
            Some(snapshot) => {
                read.check(snapshot, &[end])?;
                snapshot.clone()
            }
            None => read.at(vec![self.snapshot.unwrap_or(end)]),
        };
        self.snapshot.get_or_insert(end);
        let rows = std::mem::take(&mut read.rows);
        let count = rows.len();
        for row in rows {
            if let Some((event, _)) = row.event {
                let weight = event.weight(&self.query.series);
                if !size.fits(self.events.len(), self.bytes, weight) {
                    return Ok(Some(self.page(snapshot, true)));
                }
                self.bytes += weight;
                self.events.push(event);
            }
            self.last = Some(row.key);
        }
        Ok((!read.is_cut).then(|| self.page(snapshot, count == scanned)))
    }

    fn page(&mut self, snapshot: Position, more: bool) -> EventPage {
        let next = self.last.take().filter(|_| more);
        EventPage { events: std::mem::take(&mut self.events), next, snapshot }
    }

    /// The statement that reads the rows after the last one.
    fn statement(&self, form: QueryForm, left: usize, scanned: usize) -> engine::Query {
        let (query, size) = (self.query, self.query.page);
        let range = query.range.live(query.expired);
        // No id is empty: an empty one comes before all events of its time.
        let first = (if query.reverse { range.end } else { range.start }, &[][..]);
        let after = self.last.as_ref().or(query.after.as_ref());
        let after = after.map_or(first, |after| (after.time.as_micros(), after.id.as_bytes()));
        let (time, id) = if query.reverse { after.min(first) } else { after.max(first) };
        let last = if query.reverse { range.start } else { range.end };
        let statement = sqlx::query(read_sql::query(query.reverse, form))
            .bind(query.namespace.as_str().as_bytes())
            .bind(partition::hash(&query.series))
            .bind(query.series.as_str().as_bytes())
            .bind(self.snapshot.map(bound))
            .bind(time)
            .bind(id)
            .bind(last)
            .bind(stored_tags::needles(&query.tags))
            .bind(saturated(scanned))
            .bind(query.without_payload);
        match form {
            QueryForm::Short => statement.bind(saturated(size.bytes() / size.items() + size.allowance())),
            QueryForm::Counted => {
                let bytes = size.bytes() + size.allowance() * self.events.len();
                statement
                    .bind(saturated(left))
                    .bind(saturated(bytes.saturating_sub(self.bytes)))
                    .bind(saturated(size.allowance()))
            }
        }
    }
}
