//! TimeSeries in a Postgres database.
//!
//! - Each partition of a namespace is a log, whose row is locked from before positions are drawn until the commit: positions
//!   become visible in their order, through all gateways. `transaction` writes a group of Appends so.
//! - `query` and `tail` read each page by one statement, which is one snapshot of the events, the ends of the logs, and the
//!   incarnation of the store (`read_sql`).
//! - `tails` wakes Tails that wait; `delete` and `expire` remove events in bounded steps.

mod append_queues;
mod check;
mod commit;
mod decode;
mod delete;
mod expire;
mod group;
mod namespaces;
#[cfg(test)]
mod plans;
mod query;
mod read_sql;
mod series;
mod swept;
mod tail;
mod tails;
mod transaction;
mod write_sql;

use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::timeseries::{
    Append, Bucket, DeleteEvents, EventPage, Expired, Histogram, ListSeries, Partitions, Position, Query,
    Series, SeriesPage, Start, Tail, TailPage,
};
use prism_contract::{Error, Namespace, Swept};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::Options;
use super::engine::{Engine, MigrateError, Schema, Session, Sessions, migrate, translate};
use super::keyvalue::Readers;
use crate::engine::Turns;
use crate::observe::Load;
use append_queues::AppendQueues;
use expire::Sweep;
use tails::Tails;

pub(super) use check::CHECKS;

/// The schema of TimeSeries. It is created at the first use: a database that holds KeyValue data only has no other tables.
pub(super) const SCHEMA: Schema = Schema {
    table: "prism_ts_schema",
    migrations: &[include_str!("../../../../migrations/postgres/timeseries/0001_events.sql")],
};

/// Deletions that run at the same time.
const DELETIONS: usize = 2;
/// Maximum deletions that wait besides; further ones are shed.
const DELETIONS_WAITING: usize = 64;

/// The TimeSeries store of a database.
pub(super) struct TimeSeries {
    appends: AppendQueues,
    readers: Arc<Readers>,
    sessions: Sessions,
    tails: Arc<Tails>,
    tasks: Mutex<JoinSet<()>>,
    sweep: Sweep,
    deletions: Turns,
    prepared: OnceCell<()>,
}

impl TimeSeries {
    /// Starts the writers, and what wakes Tails. `seed` is the database's.
    pub(super) fn start(engine: &Engine, readers: &Arc<Readers>, options: &Options, seed: i64) -> Self {
        let tails = Arc::new(Tails::new(Arc::clone(readers), engine.connect_options(), seed));
        Self {
            appends: AppendQueues::start(engine, options, &tails),
            readers: Arc::clone(readers),
            sessions: engine.write_sessions(),
            tasks: Mutex::new(tails.start()),
            tails,
            sweep: Sweep::default(),
            deletions: Turns::new("delete", DELETIONS, DELETIONS_WAITING),
            prepared: OnceCell::new(),
        }
    }

    /// Brings the schema up to date, once.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        let prepare = async || {
            let work = async |session: &mut Session| match migrate(session, &SCHEMA).await {
                Ok(_) => Ok(Ok(())),
                Err(MigrateError::Newer(found)) => Ok(Err(found)),
                Err(MigrateError::Failed(error)) => Err(error),
            };
            let prepared = self.sessions.with(work).await.map_err(translate)?;
            prepared.map_err(|found| {
                let why =
                    format!("the TimeSeries schema has version {found}; use the newer version of Prism");
                Error::internal(why)
            })
        };
        self.prepared.get_or_try_init(prepare).await.copied()
    }

    /// Adds the load of the queues of Appends, and of the deletions.
    pub(super) fn load(&self, namespaces: usize, load: &mut Load) {
        self.appends.load(namespaces, load);
        self.deletions.load(load);
    }

    pub(super) async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.prepare().await?;
        self.appends.append(append).await
    }

    pub(super) async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.prepare().await?;
        query::query(&self.readers, query).await
    }

    pub(super) async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        self.prepare().await?;
        tail::position(&self.readers, namespace, series, start).await
    }

    pub(super) async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.prepare().await?;
        tail::tail(&self.readers, tail).await
    }

    pub(super) async fn appended(&self, tail: &Tail) {
        // After an error, the read that follows has the reason.
        if self.prepare().await.is_ok() {
            self.tails.wait(tail).await;
        }
    }

    pub(super) async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.prepare().await?;
        series::list(&self.readers, list).await
    }

    pub(super) async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.prepare().await?;
        series::histogram(&self.readers, histogram).await
    }

    pub(super) async fn delete_events(&self, delete: &DeleteEvents) -> Result<u64, Error> {
        self.prepare().await?;
        let _place = self.deletions.place()?;
        let _turn = self.deletions.turn().await;
        delete::delete(&self.sessions, delete).await
    }

    pub(super) async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.prepare().await?;
        self.sweep.expire(&self.sessions, expired).await
    }

    pub(super) async fn repartitioned(
        &self,
        configured: Partitions<'_>,
    ) -> Result<Option<(Namespace, u32)>, Error> {
        self.prepare().await?;
        namespaces::repartitioned(&self.sessions, configured).await
    }

    /// Finishes queued Appends.
    pub(super) async fn close(&self) {
        self.appends.close().await;
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// The positions in a token, which are not checked yet.
fn claimed(position: &Position) -> Result<Vec<u64>, Error> {
    let (_, positions) = position.as_bytes().split_first_chunk::<16>().ok_or(Error::TokenExpired)?;
    let (positions, rest) = positions.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Error::TokenExpired);
    }
    Ok(positions.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

/// A position as a column.
fn bound(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// A number of rows or bytes as a parameter.
fn saturated(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
