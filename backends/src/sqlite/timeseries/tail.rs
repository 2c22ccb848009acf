//! Reads a page of a log, in append order.

use futures::TryStreamExt;
use prism_contract::timeseries::{Series, SeriesEvent, Tail, TailPage};
use prism_contract::{Error, Timestamp};
use sqlx::{Row, SqliteConnection};
use tracing::Instrument;

use super::TimeSeries;
use super::place::{self, Failure, Place, Read, connection, finish};
use super::rows::{self, Filter, ROWS};
use super::sql::{self, Payloads};
use super::swept::{self, partition_of};
use crate::engine::{CorruptRow, Lease};
use crate::keyvalue::{Fit, PageBuilder};
use crate::sqlite::engine::{Connections, statement_span};
use crate::sqlite::keyvalue::Readers;

/// Reads a page (TAIL rules).
pub(super) async fn tail(readers: &Readers, store: &TimeSeries, tail: &Tail) -> Result<TailPage, Error> {
    let payloads = rows::payloads(tail.without_payload, tail.page.items());
    let mut lease = readers.acquire(&tail.namespace, payloads != Payloads::All).await?;
    let read = read(&mut lease, store, tail, payloads).instrument(statement_span("read")).await;
    finish(lease, read)
}

/// The part of a log that was read.
struct Filled {
    events: Vec<SeriesEvent>,
    /// Everything up to here was read.
    position: i64,
    more: bool,
    has_ended: bool,
}

/// A part of a log: after `after`, up to `end`.
#[derive(Clone, Copy)]
struct Part {
    place: Place,
    after: i64,
}

async fn read(
    lease: &mut Lease<Connections>,
    store: &TimeSeries,
    tail: &Tail,
    payloads: Payloads,
) -> Read<TailPage> {
    let place = Place::find(connection(lease)?, &tail.namespace, tail.series.as_ref()).await?;
    let after = place.read(store, &tail.after)?;
    let is_absent = tail.series.is_some() && place.series.is_none();
    let Some(namespace) = place.namespace.filter(|_| after < place.end && !is_absent) else {
        let page = TailPage { events: Vec::new(), position: store.at(place.end), more: false };
        return Ok((page, true));
    };
    let part = Part { place, after };
    let mut filled = fill(connection(lease)?, tail, part, payloads).await?;
    if filled.is_none() {
        Connections::switch_to_full(lease).await?;
        filled = fill(connection(lease)?, tail, part, Payloads::All).await?;
    }
    let filled = filled.ok_or_else(|| Failure::from(CorruptRow::because("a payload is NULL")));
    let Filled { events, position, more, has_ended } = filled?;
    // After the events: one that was swept before they were read is recorded by now.
    if is_expired(connection(lease)?, tail, namespace, after).await? {
        return Err(Error::TokenExpired.into());
    }
    Ok((TailPage { events, position: store.at(position), more }, has_ended))
}

/// Whether an event that the Tail would have brought has been swept.
async fn is_expired(
    connection: &mut SqliteConnection,
    tail: &Tail,
    namespace: i64,
    after: i64,
) -> Result<bool, sqlx::Error> {
    let rows = match &tail.series {
        None => sqlx::query(sql::SWEPT_OF_NAMESPACE).bind(namespace).fetch_all(connection).await?,
        Some(series) => {
            let query = sqlx::query(sql::PARTITIONS).bind(namespace);
            let partitions = query.fetch_one(&mut *connection).await?.try_get(0)?;
            let query = sqlx::query(sql::SWEPT).bind(namespace).bind(partition_of(series, partitions));
            query.fetch_all(connection).await?
        }
    };
    for row in &rows {
        if swept::decode(row)?.expire(after.cast_unsigned(), tail.passed_over) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Fills a page; `None`: a large payload was left out.
async fn fill(
    connection: &mut SqliteConnection,
    tail: &Tail,
    Part { place, after }: Part,
    payloads: Payloads,
) -> Result<Option<Filled>, Failure> {
    let statement = match place.series {
        Some(series) => sqlx::query(sql::log_of_series(payloads)).bind(series),
        None => sqlx::query(sql::log_of_namespace(payloads)).bind(place.namespace),
    };
    let filter = Filter::new(&tail.tags);
    let passes_over = !filter.is_empty() || tail.passed_over.is_some();
    let limit = if passes_over { ROWS } else { tail.page.items() + 1 };
    let bound = i64::try_from(limit).map_err(CorruptRow::because)?;
    let mut stream = statement.bind(after).bind(place.end).bind(bound).fetch(connection);
    let mut builder = PageBuilder::new(tail.page);
    let mut names = Names { of: tail.series.as_ref(), last: None };
    let (mut position, mut count) = (after, 0);
    let is_live = |time: Timestamp, expired: Option<Timestamp>| expired.is_none_or(|expired| time > expired);
    while let Some(row) = stream.try_next().await? {
        count += 1;
        let time = rows::time(&row)?;
        if is_live(time, tail.passed_over) && filter.matches(rows::tags(&row)?) {
            if !is_live(time, tail.expired) {
                return Err(Error::TokenExpired.into());
            }
            let Some(event) = rows::event(&row)? else { return Ok(None) };
            let event = SeriesEvent { series: names.name(&row)?, event };
            let weight = event.weight();
            if builder.offer(event, weight) == Fit::Full {
                let (events, has_ended) = (builder.into_items(), count == limit);
                return Ok(Some(Filled { events, position, more: true, has_ended }));
            }
        }
        position = rows::position(&row)?;
        if count == limit {
            let events = builder.into_items();
            return Ok(Some(Filled { events, position, more: position < place.end, has_ended: true }));
        }
    }
    let events = builder.into_items();
    Ok(Some(Filled { events, position: place.end, more: false, has_ended: true }))
}

/// The names of the series of rows: events that were appended together are often of one series.
struct Names<'a> {
    /// The series of the Tail.
    of: Option<&'a Series>,
    last: Option<Series>,
}

impl Names<'_> {
    fn name(&mut self, row: &sqlx::sqlite::SqliteRow) -> Result<Series, sqlx::Error> {
        if let Some(of) = self.of {
            return Ok(of.clone());
        }
        let name: &[u8] = row.try_get(6)?;
        match &self.last {
            Some(last) if last.as_str().as_bytes() == name => Ok(last.clone()),
            _ => Ok(self.last.insert(place::series(name)?).clone()),
        }
    }
}
