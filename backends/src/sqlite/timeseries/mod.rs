//! TimeSeries in a SQLite file: its schema, its statements, its write transactions, and the wake-ups of Tails.

mod append;
mod backend;
mod check;
mod commit;
mod expire;
mod histogram;
mod list;
mod place;
#[cfg(test)]
mod plans;
mod query;
mod remove;
mod rows;
mod sql;
mod swept;
mod tail;
mod tails;
mod writes;

use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::timeseries::Position;
use prism_contract::timeseries::log::LogPosition;
use sqlx::{Row, SqliteConnection};
use tokio::task::JoinHandle;

use super::engine::Connections;
use crate::engine::CorruptRow;
use expire::SweepCursor;
use tails::Tails;

pub(in crate::sqlite) use check::CHECKS;
pub(in crate::sqlite) use commit::TimeSeriesCommit;
pub(in crate::sqlite) use writes::{Answers, Requests, TimeSeriesWrite, TimeSeriesWrites};

/// The migrations of TimeSeries.
pub(in crate::sqlite) const EVENTS: &str =
    include_str!("../../../../migrations/sqlite/timeseries/0001_events.sql");

/// Gives a copy of a store another incarnation: tokens of the time after the copy must not be continued (TAIL-6).
pub(in crate::sqlite) const RENEW: &str = "UPDATE ts_store SET incarnation = randomblob(16)";

/// What TimeSeries keeps of an open file.
pub(in crate::sqlite) struct TimeSeries {
    /// In every token; another one after a backup was restored.
    incarnation: [u8; 16],
    tails: Arc<Tails>,
    cursor: SweepCursor,
    poll: Mutex<Option<JoinHandle<()>>>,
}

impl TimeSeries {
    /// Of a file that `writer` has opened. Must be called within a tokio runtime.
    pub(in crate::sqlite) fn new(incarnation: [u8; 16], connections: Arc<Connections>) -> Self {
        let tails = Arc::new(Tails::default());
        let poll = Mutex::new(Some(tokio::spawn(tails::poll(Arc::clone(&tails), connections))));
        Self { incarnation, tails, cursor: SweepCursor::default(), poll }
    }

    /// Its write transactions.
    pub(in crate::sqlite) fn commit(&self) -> TimeSeriesCommit {
        TimeSeriesCommit::new(Arc::clone(&self.tails))
    }

    /// Ends the waits of Tails.
    pub(in crate::sqlite) async fn close(&self) {
        if let Some(poll) = self.stop() {
            // It was cancelled.
            let _ = poll.await;
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.tails.close();
        let poll = self.poll.lock().unwrap_or_else(PoisonError::into_inner).take();
        poll.inspect(JoinHandle::abort)
    }

    /// The token of a position in a namespace's log.
    fn at(&self, position: i64) -> Position {
        let partitions = vec![position.cast_unsigned()];
        LogPosition { incarnation: self.incarnation, partitions }.encode()
    }
}

impl Drop for TimeSeries {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads the incarnation of a store.
pub(in crate::sqlite) async fn incarnation(
    connection: &mut SqliteConnection,
) -> Result<[u8; 16], sqlx::Error> {
    let row = sqlx::query("SELECT incarnation FROM ts_store").fetch_one(connection).await?;
    let bytes: &[u8] = row.try_get(0)?;
    bytes.try_into().map_err(|_| CorruptRow::because("an incarnation is not 16 bytes"))
}
