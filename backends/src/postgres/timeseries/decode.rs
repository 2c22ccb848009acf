//! Decodes Postgres rows into the contract's types. A row that does not decode was not written by Prism: it is corrupt.

use bytes::Bytes;
use prism_contract::timeseries::log::{LogPosition, SweptEvents};
use prism_contract::timeseries::{Event, EventId, EventKey, Position, Series};
use prism_contract::{Error, Namespace, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::swept;
use crate::engine::CorruptRow;
use crate::postgres::engine::{Query, translate};
use crate::postgres::keyvalue::Readers;
use crate::timeseries::stored_tags;

/// What a statement of `read_sql` read.
pub(super) struct Read {
    incarnation: [u8; 16],
    /// The logs, in the order of their partitions; none if the namespace does not exist.
    pub(super) heads: Vec<Head>,
    /// The events, up to the first that was read without its payload.
    pub(super) rows: Vec<Scanned>,
    /// Whether there is an event that was read without its payload, because that is long.
    pub(super) is_cut: bool,
}

/// The end of a log.
pub(super) struct Head {
    partition: i64,
    pub(super) end: u64,
    pub(super) swept: SweptEvents,
}

/// An event that was read.
pub(super) struct Scanned {
    partition: i64,
    pub(super) position: u64,
    pub(super) key: EventKey,
    /// The event, and its series' name if it was read by namespace; `None`: it does not match.
    pub(super) event: Option<(Event, Option<Series>)>,
}

impl Read {
    /// Reads the rows of a statement, each as it arrives.
    pub(super) async fn rows(
        readers: &Readers,
        namespace: &Namespace,
        statement: impl Fn() -> Query + Sync,
    ) -> Result<Self, Error> {
        let nothing = || Self { incarnation: [0; 16], heads: Vec::new(), rows: Vec::new(), is_cut: false };
        let mut read = readers.each(namespace, statement, nothing, Self::take).await?;
        read.heads.sort_unstable_by_key(|head| head.partition);
        Ok(read)
    }

    fn take(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let Some(incarnation) = row.try_get::<Option<&[u8]>, _>(0)? else {
            if !self.is_cut {
                match scanned(row)? {
                    Some(event) => self.rows.push(event),
                    None => self.is_cut = true,
                }
            }
            return Ok(());
        };
        self.incarnation = incarnation.try_into().map_err(CorruptRow::because)?;
        if let Some(partition) = row.try_get(1)? {
            let swept = swept::decode(row.try_get(3)?)?;
            self.heads.push(Head { partition, end: position(row)?, swept });
        }
        Ok(())
    }

    /// The index of an event's log.
    pub(super) fn log(&self, event: &Scanned) -> Result<usize, Error> {
        let log = self.heads.iter().position(|head| head.partition == event.partition);
        log.ok_or_else(|| translate(CorruptRow::because("an event is in no log")))
    }

    /// The ends of the logs.
    pub(super) fn ends(&self) -> Vec<u64> {
        self.heads.iter().map(|head| head.end).collect()
    }

    /// A position in these logs.
    pub(super) fn at(&self, partitions: Vec<u64>) -> Position {
        LogPosition { incarnation: self.incarnation, partitions }.encode()
    }

    /// Checks a position in the logs: whether it is of this incarnation, and not beyond their `ends`.
    pub(super) fn check(&self, position: &Position, ends: &[u64]) -> Result<Vec<u64>, Error> {
        Ok(LogPosition::decode(position, &self.incarnation, ends)?.partitions)
    }
}

/// An event; `None` if its payload is missing.
fn scanned(row: &PgRow) -> Result<Option<Scanned>, sqlx::Error> {
    let key = EventKey { time: timestamp(row.try_get(4)?)?, id: id(row.try_get(5)?)? };
    let event = if row.try_get::<bool, _>(6)? {
        let Some(payload) = row.try_get::<Option<&[u8]>, _>(9)? else { return Ok(None) };
        let event = Event {
            time: key.time,
            id: key.id.clone(),
            content_type: text(row.try_get(7)?)?.to_owned(),
            tags: stored_tags::decode(row.try_get(8)?).map_err(CorruptRow::because)?,
            payload: Bytes::copy_from_slice(payload),
        };
        let name: Option<&[u8]> = row.try_get(10)?;
        Some((event, name.map(series).transpose()?))
    } else {
        None
    };
    Ok(Some(Scanned { partition: row.try_get(1)?, position: position(row)?, key, event }))
}

/// A series' name.
pub(super) fn series(name: &[u8]) -> Result<Series, sqlx::Error> {
    Series::new(text(name)?).map_err(CorruptRow::because)
}

/// An event's id.
pub(super) fn id(bytes: &[u8]) -> Result<EventId, sqlx::Error> {
    EventId::new(Bytes::copy_from_slice(bytes)).map_err(CorruptRow::because)
}

/// A time in microseconds.
pub(super) fn timestamp(micros: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_micros(micros).map_err(CorruptRow::because)
}

fn position(row: &PgRow) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(2)?).map_err(CorruptRow::because)
}

/// Text that is stored as bytes.
fn text(bytes: &[u8]) -> Result<&str, sqlx::Error> {
    std::str::from_utf8(bytes).map_err(CorruptRow::because)
}
