//! Removal of expired events, a bounded number at a time.
//!
//! A sweep looks at the oldest event of each series, on a read connection, and removes by the writer: it reads no live event
//! besides that one. Where it stops, the next one continues.

use std::sync::{Mutex, PoisonError};

use prism_contract::timeseries::{Expired, Partitions, Series};
use prism_contract::{Error, Namespace, Swept, Timestamp};
use sqlx::Row;

use super::place::{self, Read, connection, finish};
use super::sql;
use super::writes::{ExpireStep, STEP, TimeSeriesWrite};
use crate::engine::{CorruptRow, Lease};
use crate::sqlite::Sqlite;
use crate::sqlite::commit::StoreWrite;
use crate::sqlite::engine::Connections;

/// Maximum events that a sweep removes, up to one step more.
const EVENTS: u64 = 10_000;
/// Maximum series that a sweep looks at, up to one read more.
const SERIES: usize = 10_000;
/// Series of one read.
const CHUNK: usize = 1_000;
/// Series of one transaction.
const SERIES_OF_STEP: usize = 100;

/// Where the next sweep continues: from a series of a namespace on.
#[derive(Default)]
pub(super) struct SweepCursor(Mutex<From>);

/// Names in byte order; empty: from the first on.
#[derive(Debug, Clone, Default)]
struct From {
    namespace: Vec<u8>,
    series: Vec<u8>,
}

/// A namespace that may have expired events.
struct Of {
    name: Namespace,
    id: i64,
    partitions: i64,
}

/// Some series.
struct Chunk {
    /// Those with an expired event.
    old: Vec<(i64, Series)>,
    /// The name of the last one that was looked at; `None`: there are no more.
    last: Option<Vec<u8>>,
}

impl SweepCursor {
    fn take(&self) -> From {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop_at(&self, from: From) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = from;
    }
}

/// Removes expired events; records where it stopped.
pub(super) async fn expire(store: &Sqlite, expired: Expired<'_>) -> Result<Swept, Error> {
    let cursor = &store.timeseries.cursor;
    let mut from = cursor.take();
    let (mut swept, mut looked) = (Swept::default(), 0);
    for of in namespaces(store, &from).await? {
        let name = of.name.as_str().as_bytes();
        if from.namespace != name {
            from = From { namespace: name.to_vec(), series: Vec::new() };
        }
        let Some(expired) = expired(&of.name) else { continue };
        loop {
            if swept.expired >= EVENTS || looked >= SERIES {
                cursor.stop_at(from);
                swept.more = true;
                return Ok(swept);
            }
            let chunk = chunk(store, &of, &from.series, expired).await?;
            looked += CHUNK;
            let mut is_done = true;
            for series in chunk.old.chunks(SERIES_OF_STEP) {
                is_done = remove(store, &of, series, expired, &mut swept).await?;
                if !is_done {
                    break;
                }
            }
            // Otherwise the same series again, by the next sweep.
            if is_done {
                let Some(last) = chunk.last else { break };
                from.series = place::next_name(&last);
            }
        }
    }
    Ok(swept)
}

/// Finds a namespace with another number of partitions than the configured one.
pub(super) async fn repartitioned(
    store: &Sqlite,
    configured: Partitions<'_>,
) -> Result<Option<(Namespace, u32)>, Error> {
    for Of { name, partitions, .. } in namespaces(store, &From::default()).await? {
        let fixed = u32::try_from(partitions).unwrap_or(u32::MAX);
        if configured(&name).is_some_and(|configured| configured != fixed) {
            return Ok(Some((name, fixed)));
        }
    }
    Ok(None)
}

/// Removes the expired events of series; returns whether all are removed.
async fn remove(
    store: &Sqlite,
    of: &Of,
    series: &[(i64, Series)],
    expired: Timestamp,
    swept: &mut Swept,
) -> Result<bool, Error> {
    while swept.expired < EVENTS {
        let step = ExpireStep {
            namespace: of.name.clone(),
            namespace_id: of.id,
            partitions: of.partitions,
            expired,
            series: series.to_vec(),
        };
        let write = |job| StoreWrite::TimeSeries(TimeSeriesWrite::Expire(job));
        let removed = store.engine.queue.write(step, 0, write).await?;
        swept.expired += removed as u64;
        if removed < STEP {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The namespaces from a name on.
async fn namespaces(store: &Sqlite, from: &From) -> Result<Vec<Of>, Error> {
    let mut lease = store.readers.acquire(&Namespace::internal(), true).await?;
    let read = read_namespaces(&mut lease, from).await;
    finish(lease, read)
}

async fn read_namespaces(lease: &mut Lease<Connections>, from: &From) -> Read<Vec<Of>> {
    let query = sqlx::query(sql::NAMESPACES).bind(from.namespace.clone());
    let mut namespaces = Vec::new();
    for row in query.fetch_all(connection(lease)?).await? {
        let name = std::str::from_utf8(row.try_get(0)?).map_err(CorruptRow::because)?;
        let name = Namespace::new(name).map_err(CorruptRow::because)?;
        namespaces.push(Of { name, id: row.try_get(1)?, partitions: row.try_get(2)? });
    }
    Ok((namespaces, true))
}

/// Looks at the next series of a namespace.
async fn chunk(store: &Sqlite, of: &Of, from: &[u8], expired: Timestamp) -> Result<Chunk, Error> {
    let mut lease = store.readers.acquire(&of.name, true).await?;
    let read = read_chunk(&mut lease, of, from, expired).await;
    finish(lease, read)
}

async fn read_chunk(lease: &mut Lease<Connections>, of: &Of, from: &[u8], expired: Timestamp) -> Read<Chunk> {
    let limit = i64::try_from(CHUNK).map_err(CorruptRow::because)?;
    let query = sqlx::query(sql::OLD_SERIES).bind(of.id).bind(from.to_vec()).bind(expired.as_micros());
    let rows = query.bind(limit).fetch_all(connection(lease)?).await?;
    let mut chunk = Chunk { old: Vec::new(), last: None };
    for row in &rows {
        if row.try_get::<bool, _>(2)? {
            chunk.old.push((row.try_get(1)?, place::series(row.try_get(0)?)?));
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() == CHUNK) {
        chunk.last = Some(last.try_get(0)?);
    }
    Ok((chunk, true))
}
