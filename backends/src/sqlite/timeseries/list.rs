//! Lists the series of a namespace that have a live event.

use futures::TryStreamExt;
use prism_contract::timeseries::{ListSeries, SeriesPage};
use prism_contract::{Error, Timestamp};
use sqlx::Row;
use tracing::Instrument;

use super::place::{self, Place, Read, connection, finish};
use super::rows::ROWS;
use super::sql;
use crate::engine::{CorruptRow, Lease};
use crate::sqlite::engine::{Connections, statement_span};
use crate::sqlite::keyvalue::Readers;

/// Lists a page of names (SER-1).
pub(super) async fn list(readers: &Readers, list: &ListSeries) -> Result<SeriesPage, Error> {
    let mut lease = readers.acquire(&list.namespace, true).await?;
    let read = read(&mut lease, list).instrument(statement_span("read")).await;
    finish(lease, read)
}

async fn read(lease: &mut Lease<Connections>, list: &ListSeries) -> Read<SeriesPage> {
    let place = Place::find(connection(lease)?, &list.namespace, None).await?;
    let mut page = SeriesPage::default();
    let Some(namespace) = place.namespace else { return Ok((page, true)) };
    let prefix = list.prefix.as_bytes();
    let start = list.after.as_ref().map(|after| place::next_name(after.as_str().as_bytes()));
    let start = start.unwrap_or_default().max(prefix.to_vec());
    let limit = i64::try_from(ROWS).map_err(CorruptRow::because)?;
    let query = sqlx::query(sql::SERIES).bind(namespace).bind(start);
    let query = query.bind(list.expired.map_or(i64::MIN, Timestamp::as_micros)).bind(limit);
    let mut rows = query.fetch(connection(lease)?);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        count += 1;
        let name: &[u8] = row.try_get(0)?;
        if !name.starts_with(prefix) {
            return Ok((page, false));
        }
        if row.try_get::<bool, _>(1)? {
            if page.series.len() == list.limit {
                page.next = page.series.last().cloned();
                return Ok((page, false));
            }
            page.series.push(place::series(name)?);
        }
        if count == ROWS {
            page.next = Some(place::series(name)?);
        }
    }
    Ok((page, true))
}
