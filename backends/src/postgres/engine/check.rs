//! Whether the database answers and takes writes, asked on a session that serves nothing else: reads and writes that wait
//! neither delay the answer nor wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prism_contract::Error;
use sqlx::Row;
use tokio::sync::Mutex;

use super::error::{TxFailure, is_broken, is_full, is_read_only, takes_no_writes, translate, tx_failure};
use super::pool::{Pool, Use};
use super::session::Session;

/// Asks one question at a time. A question that is given up leaves nothing behind.
pub(in crate::postgres) struct Check {
    pool: Arc<Pool>,
    /// Whether the last transaction that wrote failed because the database was away.
    away: Arc<AtomicBool>,
    turn: Mutex<()>,
}

impl Check {
    pub(in crate::postgres) fn new(pool: Arc<Pool>, away: Arc<AtomicBool>) -> Self {
        Self { pool, away, turn: Mutex::default() }
    }

    /// Asks; once more on a new session if one that has rested broke meanwhile.
    pub(in crate::postgres) async fn run(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        loop {
            let (mut session, used) = match self.pool.take(Use::Check).await {
                Ok(taken) => taken,
                // Busy is not away: all sessions that Postgres lets us have are at work.
                Err(error) if is_full(&error) && self.pool.live() > 0 && !self.is_away() => return Ok(()),
                Err(error) => return Err(translate(error)),
            };
            let answer = self.query(&mut session).await;
            match answer {
                Err(error) if is_broken(&error) || is_read_only(&error) => {
                    session.give_up();
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

    /// After an outage it changes something, because only a change that is committed shows that the disk is back.
    async fn query(&self, session: &mut Session) -> Result<(), sqlx::Error> {
        let read_only = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
        if session.row(sqlx::query(read_only)).await?.try_get(0)? {
            return Err(takes_no_writes());
        }
        if self.is_away() {
            let touched = session.run("UPDATE prism_schema SET version = version").await;
            let away = touched.as_ref().is_err_and(|error| tx_failure(error) == TxFailure::Unavailable);
            self.away.store(away, Ordering::Relaxed);
            touched?;
        }
        Ok(())
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
}
