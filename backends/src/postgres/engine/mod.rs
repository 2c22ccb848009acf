//! A Postgres database: its sessions, its writers, and the handling of outages and failovers. Reads and writes are the
//! abstraction's, through [`Commit`] and the statements that it runs on acquired sessions.

mod attempts;
mod check;
mod commit;
mod connector;
mod error;
mod inspect;
mod open;
mod open_error;
mod pool;
mod pooler;
mod reader;
mod running;
mod schema;
mod session;
mod settings;
mod write_queue;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use prism_contract::Error;
use sqlx::postgres::PgConnectOptions;

use crate::postgres::Options;
use check::Check;
use connector::Connector;
use pool::{Pool, Use};

pub(in crate::postgres) use attempts::Attempts;
pub(in crate::postgres) use commit::Commit;
pub(in crate::postgres) use connector::millis;
pub(in crate::postgres) use error::{TxFailure, is_timeout, translate, tx_failure};
pub(in crate::postgres) use inspect::{Inspection, OfSchema};
pub(in crate::postgres) use open::{Opened, open};
pub use open_error::OpenError;
pub(in crate::postgres) use reader::{ReadSessions, failed};
pub(in crate::postgres) use schema::{MigrateError, Schema, migrate};
pub(in crate::postgres) use session::{Query, Session};
pub use settings::Settings;
pub(in crate::postgres) use write_queue::WriteQueue;
pub(in crate::postgres) use writer::Sessions;

/// An open database: its sessions, which all abstractions share.
pub(in crate::postgres) struct Engine {
    check: Check,
    sessions: Sessions,
    connector: Connector,
    pool: Arc<Pool>,
}

impl Engine {
    /// With the sessions that are open.
    pub(in crate::postgres) fn new(opened: Opened, options: &Options) -> Self {
        let Opened { connector, first, second, .. } = opened;
        let pool = Arc::new(Pool::new(connector.clone(), options.read_wait));
        pool.give_back(first, Use::Read);
        if let Some(second) = second {
            pool.give_back(second, Use::Write);
        }
        let unavailable = Arc::new(AtomicBool::new(false));
        let sessions = Sessions::new(Arc::clone(&pool), Arc::clone(&unavailable));
        Self { check: Check::new(Arc::clone(&pool), unavailable), sessions, connector, pool }
    }

    /// Starts the writers of an abstraction. Must be called within a tokio runtime.
    pub(in crate::postgres) fn start_writers<C: Commit>(
        &self,
        options: &Options,
        commit: C,
    ) -> WriteQueue<C> {
        WriteQueue::start(self.sessions.clone(), options, commit)
    }

    /// The sessions that read.
    pub(in crate::postgres) fn read_sessions(&self) -> ReadSessions {
        ReadSessions::of(Arc::clone(&self.pool))
    }

    /// The sessions that write.
    pub(in crate::postgres) fn write_sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// How sessions connect, for a connection that is none of theirs.
    pub(in crate::postgres) fn connect_options(&self) -> PgConnectOptions {
        self.connector.options().clone()
    }

    /// The settings that durability depends on (DUR-4), as reported by the database on a write connection.
    pub(in crate::postgres) async fn settings(&self, schema: &Schema) -> Result<Settings, Error> {
        self.sessions.with(async |session| Settings::of(session, schema).await).await.map_err(translate)
    }

    /// Runs one statement that writes; returns the number of rows changed.
    pub(in crate::postgres) async fn execute(&self, query: Query) -> Result<u64, Error> {
        self.sessions.with(async |session| session.execute(query).await).await.map_err(translate)
    }

    /// Queries the database on a session reserved for checks.
    pub(in crate::postgres) async fn check(&self) -> Result<(), Error> {
        self.check.run().await
    }

    /// Closes every session, once the readers and writers are closed.
    pub(in crate::postgres) async fn close(&self) {
        self.pool.close().await;
    }
}
