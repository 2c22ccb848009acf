//! Reads a page of a series, in the order of time and id.

use futures::TryStreamExt;
use prism_contract::Error;
use prism_contract::timeseries::{Event, EventKey, EventPage, Query};
use sqlx::SqliteConnection;
use tracing::Instrument;

use super::TimeSeries;
use super::place::{Failure, Place, Read, connection, finish};
use super::remove::key;
use super::rows::{self, Bounds, Filter, ROWS};
use super::sql::{self, Payloads};
use crate::engine::{CorruptRow, Lease};
use crate::keyvalue::{Fit, PageBuilder};
use crate::sqlite::engine::{Connections, statement_span};
use crate::sqlite::keyvalue::Readers;

/// Reads a page (QRY rules).
pub(super) async fn query(readers: &Readers, store: &TimeSeries, query: &Query) -> Result<EventPage, Error> {
    let payloads = rows::payloads(query.without_payload, query.page.items());
    let mut lease = readers.acquire(&query.namespace, payloads != Payloads::All).await?;
    let read = read(&mut lease, store, query, payloads).instrument(statement_span("read")).await;
    finish(lease, read)
}

/// The events of a page, its end, and whether the statement has ended.
type Filled = (Vec<Event>, Option<EventKey>, bool);

async fn read(
    lease: &mut Lease<Connections>,
    store: &TimeSeries,
    query: &Query,
    payloads: Payloads,
) -> Read<EventPage> {
    let place = Place::find(connection(lease)?, &query.namespace, Some(&query.series)).await?;
    let snapshot = query.snapshot.as_ref().map_or(Ok(place.end), |snapshot| place.read(store, snapshot))?;
    let page = |events, next| EventPage { events, next, snapshot: store.at(snapshot) };
    let range = query.range.live(query.expired);
    let Some(series) = place.series.filter(|_| !range.is_empty()) else {
        return Ok((page(Vec::new(), None), true));
    };
    let bounds = Bounds::of(range, query.after.as_ref(), query.reverse);
    let mut filled = fill(connection(lease)?, query, (series, snapshot), &bounds, payloads).await?;
    if filled.is_none() {
        Connections::switch_to_full(lease).await?;
        filled = fill(connection(lease)?, query, (series, snapshot), &bounds, Payloads::All).await?;
    }
    let filled = filled.ok_or_else(|| Failure::from(CorruptRow::because("a payload is NULL")));
    let (events, next, has_ended) = filled?;
    Ok((page(events, next), has_ended))
}

/// Fills a page; `None`: a large payload was left out.
async fn fill(
    connection: &mut SqliteConnection,
    query: &Query,
    (series, snapshot): (i64, i64),
    bounds: &Bounds,
    payloads: Payloads,
) -> Result<Option<Filled>, sqlx::Error> {
    let filter = Filter::new(&query.tags);
    // One more than the page, which shows that there is more.
    let limit = if filter.is_empty() { query.page.items() + 1 } else { ROWS };
    let statement = bounds.bind(sqlx::query(sql::page(payloads, query.reverse)).bind(series));
    let mut stream = statement.bind(i64::try_from(limit).map_err(CorruptRow::because)?).fetch(connection);
    let mut builder = PageBuilder::new(query.page);
    let (mut last, mut count) = (None, 0);
    while let Some(row) = stream.try_next().await? {
        count += 1;
        if rows::position(&row)? <= snapshot && filter.matches(rows::tags(&row)?) {
            let Some(event) = rows::event(&row)? else { return Ok(None) };
            let (key, weight) = (event.key(), event.weight(&query.series));
            if builder.offer(event, weight) == Fit::Full {
                return Ok(Some((builder.into_items(), last, count == limit)));
            }
            last = Some(key);
        } else if count == limit {
            last = Some(key(&row)?);
        }
        if count == limit {
            return Ok(Some((builder.into_items(), last, true)));
        }
    }
    Ok(Some((builder.into_items(), None, true)))
}
