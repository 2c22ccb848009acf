//! Where a series is in the file, and where its namespace's log ends.

use prism_contract::timeseries::log::LogPosition;
use prism_contract::timeseries::{Position, Series};
use prism_contract::{Error, Namespace};
use sqlx::{Row, SqliteConnection};

use super::{TimeSeries, sql};
use crate::engine::{CorruptRow, Lease};
use crate::sqlite::engine::{Connections, discard, translate};

/// The place of a series or of a namespace.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// `None`: nothing was appended to it.
    pub(super) namespace: Option<i64>,
    /// `None`: nothing was appended to it, or none was asked for.
    pub(super) series: Option<i64>,
    /// The last position of the namespace's log; 0: none.
    pub(super) end: i64,
}

impl Place {
    /// Finds it. What was acknowledged before is at or before its end, and what is read later is not missing there.
    pub(super) async fn find(
        connection: &mut SqliteConnection,
        namespace: &Namespace,
        series: Option<&Series>,
    ) -> Result<Self, sqlx::Error> {
        let query = sqlx::query(sql::PLACE)
            .bind(namespace.as_str().as_bytes())
            .bind(series.map(|series| series.as_str().as_bytes()));
        let Some(row) = query.fetch_optional(connection).await? else { return Ok(Self::default()) };
        Ok(Self { namespace: Some(row.try_get(0)?), end: row.try_get(1)?, series: row.try_get(2)? })
    }

    /// Reads a position of a token, which must not be beyond the end.
    pub(super) fn read(&self, store: &TimeSeries, position: &Position) -> Result<i64, Error> {
        let position = LogPosition::decode(position, &store.incarnation, &[self.end.cast_unsigned()])?;
        Ok(position.partitions[0].cast_signed())
    }
}

/// Why a read failed.
pub(super) enum Failure {
    /// The driver's error: the connection is not used again.
    Driver(sqlx::Error),
    /// Another error.
    Error(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What was read, and whether its statements have ended: otherwise they are interrupted.
pub(super) type Read<T> = Result<(T, bool), Failure>;

/// Returns or drops the connection of a read.
pub(super) fn finish<T>(lease: Lease<Connections>, read: Read<T>) -> Result<T, Error> {
    match read {
        Ok((done, has_ended)) => {
            if has_ended {
                lease.give_back();
            }
            Ok(done)
        }
        Err(Failure::Error(error)) => Err(error),
        Err(Failure::Driver(error)) => {
            discard(lease);
            Err(translate(error))
        }
    }
}

/// The connection of a lease.
pub(super) fn connection(lease: &mut Lease<Connections>) -> Result<&mut SqliteConnection, Error> {
    Ok(lease.connection()?.connection())
}

/// The names after this one: the next name in byte order.
pub(super) fn next_name(name: &[u8]) -> Vec<u8> {
    [name, &[0]].concat()
}

/// A series' name in a row.
pub(super) fn series(name: &[u8]) -> Result<Series, sqlx::Error> {
    let text = std::str::from_utf8(name).map_err(CorruptRow::because)?;
    Series::new(text).map_err(CorruptRow::because)
}
