//! The availability check: whether the database answers and accepts writes. It has a separate session, so it neither waits
//! for reads and writes nor delays them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prism_contract::Error;
use sqlx::Row;
use tokio::sync::Mutex;

use super::error::{TxFailure, is_broken, is_full, is_read_only, read_only_server, translate, tx_failure};
use super::pool::{Pool, Use};
use super::session::Session;

/// Runs one check at a time. A cancelled check leaves nothing behind.
pub(in crate::postgres) struct Check {
    pool: Arc<Pool>,
    /// Whether the last write transaction failed because the database was unavailable.
    unavailable: Arc<AtomicBool>,
    running: Mutex<()>,
}

impl Check {
    pub(in crate::postgres) fn new(pool: Arc<Pool>, unavailable: Arc<AtomicBool>) -> Self {
        Self { pool, unavailable, running: Mutex::default() }
    }

    /// Runs the check; once more on a new session if an idle one has broken.
    pub(in crate::postgres) async fn run(&self) -> Result<(), Error> {
        let _running = self.running.lock().await;
        loop {
            let (mut session, used) = match self.pool.take(Use::Check).await {
                Ok(taken) => taken,
                // All sessions that Postgres allows us are in use: busy, but available.
                Err(error) if is_full(&error) && self.pool.live() > 0 && !self.is_unavailable() => {
                    return Ok(());
                }
                Err(error) => return Err(translate(error)),
            };
            let answer = self.query(&mut session).await;
            match answer {
                Err(error) if is_broken(&error) || is_read_only(&error) => {
                    session.invalidate();
                    if used && !is_read_only(&error) {
                        continue;
                    }
                    return Err(translate(error));
                }
                answer => {
                    self.pool.give_back(session, Use::Check);
                    return answer.map_err(translate);
                }
            }
        }
    }

    /// After an outage it also writes, because only a committed change shows that the disk works again.
    async fn query(&self, session: &mut Session) -> Result<(), sqlx::Error> {
        let read_only = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
        if session.row(sqlx::query(read_only)).await?.try_get(0)? {
            return Err(read_only_server());
        }
        if self.is_unavailable() {
            let touched = session.run("UPDATE prism_schema SET version = version").await;
            let unavailable =
                touched.as_ref().is_err_and(|error| tx_failure(error) == TxFailure::Unavailable);
            self.unavailable.store(unavailable, Ordering::Relaxed);
            touched?;
        }
        Ok(())
    }

    fn is_unavailable(&self) -> bool {
        self.unavailable.load(Ordering::Relaxed)
    }
}
