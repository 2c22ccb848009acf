//! Appends in a transaction: draws positions, finds duplicates, refuses what is outside the window, and inserts the rest.

use std::collections::{HashMap, HashSet};

use prism_contract::timeseries::{Append, Event, Series};
use prism_contract::{Error, Namespace, Timestamp};
use sqlx::{Row, SqliteConnection};

use super::sql;
use super::swept::{SweptRows, partition_of};
use super::tails::Drawn;
use crate::engine::CorruptRow;
use crate::sqlite::sized::MAX_ROWS;
use crate::timeseries::stored_tags;

/// Maximum ids that are kept, up to one batch more.
const MAX_IDS: usize = 100_000;

/// The ids of series that were written lately. A series is never removed, so an id stays valid.
#[derive(Default)]
pub(super) struct SeriesIds {
    by_namespace: HashMap<i64, HashMap<Series, i64>>,
    count: usize,
}

/// The log of a namespace, in a transaction that appends to it.
struct Log {
    id: i64,
    partitions: i64,
    /// The last position given to an event.
    last: i64,
}

/// A row to be inserted.
struct NewEvent<'a> {
    /// The index of its Append, and its index there.
    of: (usize, usize),
    series: i64,
    namespace: i64,
    position: i64,
    event: &'a Event,
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Writes the events of Appends, in order; an Append that is refused writes none. Returns the answers, and the positions that
/// were drawn: a duplicate leaves its position unused.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    ids: &mut SeriesIds,
    appends: &[&Append],
    swept: &mut SweptRows,
) -> Result<(Vec<Result<Vec<bool>, Error>>, Vec<Drawn>), sqlx::Error> {
    let (mut logs, drawn) = draw(connection, appends).await?;
    ids.resolve(connection, appends, &logs).await?;
    let mut answers = Vec::with_capacity(appends.len());
    let mut pending = Vec::new();
    for (number, append) in appends.iter().enumerate() {
        let log = logs.get_mut(&append.namespace).ok_or_else(missing)?;
        let mut rows = Vec::with_capacity(append.events.len());
        for (at, event) in append.events.iter().enumerate() {
            log.last += 1;
            let series = ids.get(log.id, &event.series).ok_or_else(missing)?;
            let (namespace, position, event) = (log.id, log.last, &event.event);
            rows.push(NewEvent { of: (number, at), series, namespace, position, event });
        }
        let is_doubtful = |row: &&NewEvent<'_>| {
            !append.window.accepts(append.now, row.event.time) || !is_live(row.event.time, append.expired)
        };
        if rows.iter().any(|row| is_doubtful(&row)) {
            // What the Appends before have written may be there already.
            insert(connection, std::mem::take(&mut pending), &mut answers).await?;
            let doubtful: Vec<_> = rows.iter().filter(is_doubtful).collect();
            if let Err(refused) = decide(connection, append, log, &doubtful, swept).await? {
                answers.push(Err(refused));
                continue;
            }
        }
        answers.push(Ok(vec![false; rows.len()]));
        pending.extend(rows);
    }
    insert(connection, pending, &mut answers).await?;
    Ok((answers, drawn))
}

fn is_live(time: Timestamp, expired: Option<Timestamp>) -> bool {
    expired.is_none_or(|expired| time > expired)
}

fn missing() -> sqlx::Error {
    CorruptRow::because("a series or namespace is missing that was just written")
}

/// Draws positions for all events of each namespace.
async fn draw(
    connection: &mut SqliteConnection,
    appends: &[&Append],
) -> Result<(HashMap<Namespace, Log>, Vec<Drawn>), sqlx::Error> {
    let mut counts: HashMap<&Namespace, (i64, u32)> = HashMap::new();
    for append in appends {
        let (count, _) = counts.entry(&append.namespace).or_insert((0, append.partitions));
        *count += i64::try_from(append.events.len()).map_err(CorruptRow::because)?;
    }
    let mut logs = HashMap::with_capacity(counts.len());
    let mut drawn = Vec::with_capacity(counts.len());
    for (namespace, (count, partitions)) in counts {
        let query = sqlx::query(sql::DRAW).bind(namespace.as_str().as_bytes()).bind(partitions).bind(count);
        // fetch_all, though there is one row: the statement has to end before the transaction does.
        let rows = query.fetch_all(&mut *connection).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let last: i64 = row.try_get(2)?;
        let log = Log { id: row.try_get(0)?, partitions: row.try_get(1)?, last: last - count };
        drawn.push(Drawn { namespace: namespace.clone(), before: log.last, last });
        logs.insert(namespace.clone(), log);
    }
    Ok((logs, drawn))
}

/// Decides about events that are outside the window or have expired: refuses the Append if one outside is not there, and
/// otherwise removes expired events that are there, so that they can be written again.
async fn decide(
    connection: &mut SqliteConnection,
    append: &Append,
    log: &Log,
    doubtful: &[&NewEvent<'_>],
    swept: &mut SweptRows,
) -> Result<Result<(), Error>, sqlx::Error> {
    let stored = find(connection, doubtful).await?;
    let (live, dead): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|(row, _)| is_live(row.event.time, append.expired));
    let duplicates: HashSet<usize> = live.iter().map(|(row, _)| row.of.1).collect();
    if let Err(refused) = append.refuse(append.outside().filter(|at| !duplicates.contains(at))) {
        return Ok(Err(refused));
    }
    for (row, position) in dead {
        let query = sqlx::query(sql::REMOVE).bind(row.series).bind(row.event.time.as_micros());
        query.bind(row.event.id.as_bytes()).execute(&mut *connection).await?;
        let partition = partition_of(&append.events[row.of.1].series, log.partitions);
        swept.insert(connection, (log.id, partition), [(position, row.event.time)]).await?;
    }
    Ok(Ok(()))
}

/// Inserts rows that are not there, and marks the others as duplicates.
async fn insert(
    connection: &mut SqliteConnection,
    rows: Vec<NewEvent<'_>>,
    answers: &mut [Result<Vec<bool>, Error>],
) -> Result<(), sqlx::Error> {
    for chunk in rows.chunks(MAX_ROWS) {
        let query = chunk.iter().fold(sqlx::query(sql::insert_events(chunk.len())), bind_event);
        let inserted = query.execute(&mut *connection).await?.rows_affected();
        if inserted == chunk.len() as u64 {
            continue;
        }
        let rows: Vec<_> = chunk.iter().collect();
        for (row, position) in find(connection, &rows).await? {
            let (append, at) = row.of;
            if position != row.position
                && let Some(Ok(duplicates)) = answers.get_mut(append)
            {
                duplicates[at] = true;
            }
        }
    }
    Ok(())
}

/// The rows whose identities are there, and the positions of those.
async fn find<'r, 'a>(
    connection: &mut SqliteConnection,
    rows: &[&'r NewEvent<'a>],
) -> Result<Vec<(&'r NewEvent<'a>, i64)>, sqlx::Error> {
    let mut found = Vec::new();
    for chunk in rows.chunks(MAX_ROWS) {
        let query = chunk.iter().fold(sqlx::query(sql::find_events(chunk.len())), |query, row| {
            query.bind(row.series).bind(row.event.time.as_micros()).bind(row.event.id.as_bytes())
        });
        for stored in query.fetch_all(&mut *connection).await? {
            found.push((*numbered(chunk, &stored)?, stored.try_get(1)?));
        }
    }
    Ok(found)
}

/// The element with the number in a row's first column.
fn numbered<'c, T>(chunk: &'c [T], row: &sqlx::sqlite::SqliteRow) -> Result<&'c T, sqlx::Error> {
    let number: i64 = row.try_get(0)?;
    let element = usize::try_from(number).ok().and_then(|number| chunk.get(number));
    element.ok_or_else(|| CorruptRow::because("a number is out of bounds"))
}

/// Binds a row in the order of [`sql::insert_events`].
fn bind_event(query: Query, row: &NewEvent<'_>) -> Query {
    let Event { time, id, payload, content_type, tags } = row.event;
    query
        .bind(row.series)
        .bind(time.as_micros())
        .bind(id.as_bytes())
        .bind(row.namespace)
        .bind(row.position)
        .bind(content_type.as_str())
        .bind(stored_tags::encode(tags))
        .bind(payload.as_ref())
}

impl SeriesIds {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn get(&self, namespace: i64, series: &Series) -> Option<i64> {
        self.by_namespace.get(&namespace)?.get(series).copied()
    }

    /// Finds or makes the ids of all series of Appends.
    async fn resolve(
        &mut self,
        connection: &mut SqliteConnection,
        appends: &[&Append],
        logs: &HashMap<Namespace, Log>,
    ) -> Result<(), sqlx::Error> {
        if self.count > MAX_IDS {
            self.clear();
        }
        let mut unknown = HashSet::new();
        for append in appends {
            let log = logs.get(&append.namespace).ok_or_else(missing)?;
            let names = append.events.iter().map(|event| &event.series);
            unknown.extend(names.filter(|name| self.get(log.id, name).is_none()).map(|name| (log.id, name)));
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        for chunk in unknown.chunks(MAX_ROWS) {
            let bind = |query: Query, (namespace, name): &(i64, &Series)| {
                query.bind(*namespace).bind(name.as_str().as_bytes())
            };
            let query = chunk.iter().fold(sqlx::query(sql::insert_series(chunk.len())), bind);
            query.execute(&mut *connection).await?;
            let query = chunk.iter().fold(sqlx::query(sql::find_series(chunk.len())), bind);
            for row in query.fetch_all(&mut *connection).await? {
                let (namespace, name) = *numbered(chunk, &row)?;
                let of_namespace = self.by_namespace.entry(namespace).or_default();
                of_namespace.insert(name.clone(), row.try_get(1)?);
                self.count += 1;
            }
        }
        Ok(())
    }
}
