//! Pages of a Query.

use prism_contract::Error;
use prism_contract::timeseries::{EventPage, Position, Query};

use super::decode::Read;
use super::read_sql;
use super::{bound, claimed, saturated};
use crate::postgres::engine::{self, translate};
use crate::postgres::keyvalue::Readers;
use crate::timeseries::{partition, stored_tags};

/// Maximum rows that a page with tags scans. It ends there, matching or not.
const SCANNED: usize = 2_048;

/// Reads a page: one statement, whose snapshot is that of the first page.
pub(super) async fn query(readers: &Readers, query: &Query) -> Result<EventPage, Error> {
    let scanned =
        if query.tags.is_empty() { query.page.items() + 1 } else { SCANNED.max(query.page.items() + 1) };
    let claimed = match &query.snapshot {
        Some(snapshot) => Some(claimed(snapshot)?.first().copied().ok_or(Error::TokenExpired)?),
        None => None,
    };
    let rows = readers.rows(&query.namespace, || statement(query, claimed, scanned)).await?;
    let read = Read::of(&rows).map_err(translate)?;
    page(query, &read, scanned)
}

fn page(query: &Query, read: &Read, scanned: usize) -> Result<EventPage, Error> {
    let end = read.heads.first().map_or(0, |head| head.end);
    let snapshot: Position = match &query.snapshot {
        Some(snapshot) => {
            read.check(snapshot, &[end])?;
            snapshot.clone()
        }
        None => read.at(vec![end]),
    };
    let mut page = EventPage { events: Vec::new(), next: None, snapshot };
    let (mut bytes, mut last) = (0, None);
    for row in &read.rows {
        if let Some((event, _)) = &row.event {
            let weight = event.weight(&query.series);
            if !query.page.fits(page.events.len(), bytes, weight) {
                page.next = last;
                return Ok(page);
            }
            bytes += weight;
            page.events.push(event.clone());
        }
        last = Some(row.key.clone());
    }
    if read.rows.len() == scanned {
        page.next = last;
    }
    Ok(page)
}

fn statement(query: &Query, snapshot: Option<u64>, scanned: usize) -> engine::Query {
    let range = query.range.live(query.expired);
    // No id is empty: an empty one comes before all events of its time.
    let first = (if query.reverse { range.end } else { range.start }, &[][..]);
    let after = query.after.as_ref().map_or(first, |after| (after.time.as_micros(), after.id.as_bytes()));
    let (time, id) = if query.reverse { after.min(first) } else { after.max(first) };
    let last = if query.reverse { range.start } else { range.end };
    let page = query.page;
    sqlx::query(read_sql::query(query.reverse))
        .bind(query.namespace.as_str().as_bytes())
        .bind(partition::hash(&query.series))
        .bind(query.series.as_str().as_bytes())
        .bind(snapshot.map(bound))
        .bind(time)
        .bind(id)
        .bind(last)
        .bind(stored_tags::needles(&query.tags))
        .bind(saturated(scanned))
        .bind(query.without_payload)
        .bind(saturated(page.items()))
        .bind(saturated(page.bytes()))
        .bind(saturated(page.allowance()))
}
