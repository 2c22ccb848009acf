//! Group commit of Appends.

use std::sync::Arc;

use prism_contract::timeseries::Append;
use prism_contract::{Error, Swept, Timestamp};

use super::namespaces::Namespaces;
use super::tails::Tails;
use super::transaction::{self, Answers};
use crate::engine::Entry;
use crate::postgres::engine::{Attempts, Commit, Session, Sessions, TxFailure, translate, tx_failure};
use crate::timeseries::{Appends, Buckets};

/// Maximum lock waits of one group that time out: all other Appends wait meanwhile.
const MAX_BLOCKED: usize = 2;

/// The Appends of a store.
pub(in crate::postgres) struct AppendCommit {
    namespaces: Namespaces,
    tails: Arc<Tails>,
}

impl AppendCommit {
    /// Wakes `tails` after each commit.
    pub(super) fn new(tails: Arc<Tails>) -> Self {
        Self { namespaces: Namespaces::default(), tails }
    }
}

impl Commit for AppendCommit {
    type Group = Appends;
    type Outcomes = Answers;

    /// A failure that is not an outage may be caused by one Append: then each is committed in a separate transaction.
    async fn commit(&self, sessions: &Sessions, group: &Appends, _: bool) -> Answers {
        let appends = group.requests();
        match self.commit_together(sessions, &appends).await {
            Ok(answers) => answers,
            Err(error) => match tx_failure(&error) {
                TxFailure::Rejected | TxFailure::LockTimeout | TxFailure::Conflict if appends.len() > 1 => {
                    self.commit_separately(sessions, group).await
                }
                TxFailure::Rejected
                | TxFailure::LockTimeout
                | TxFailure::Conflict
                | TxFailure::Unavailable => {
                    let error = translate(error);
                    appends.iter().map(|_| Err(error.clone())).collect()
                }
            },
        }
    }

    fn cancelled(group: &Appends) -> Answers {
        group.0.iter().map(|_| Err(cancelled())).collect()
    }

    fn answer(group: Appends, answers: Answers) -> Vec<Appends> {
        group.answer(answers);
        Vec::new()
    }

    /// None: an event never changes, so it does not matter which of two Appends comes first.
    fn hold_back(_: &Appends, _: bool, _: &mut Appends) -> Vec<<Appends as crate::engine::Group>::Entry> {
        Vec::new()
    }

    /// Nothing: events expire by [`TimeSeries::expire`](super::TimeSeries::expire).
    async fn sweep(&self, _: &mut Session, _: Timestamp) -> Result<Swept, sqlx::Error> {
        Ok(Swept::default())
    }
}

impl AppendCommit {
    /// Commits Appends by one transaction; retries after a conflict with another transaction.
    async fn commit_together(
        &self,
        sessions: &Sessions,
        appends: &[&Append],
    ) -> Result<Answers, sqlx::Error> {
        let mut attempts = Attempts::default();
        let answers = loop {
            let work =
                async |session: &mut Session| transaction::commit(session, &self.namespaces, appends).await;
            match sessions.with(work).await {
                Err(error) if attempts.should_retry(&error) => {}
                ended => break ended?,
            }
        };
        let mut written = Buckets::default();
        for (append, answer) in appends.iter().zip(&answers) {
            if answer.as_ref().is_ok_and(|duplicates| duplicates.contains(&false)) {
                written.insert(append);
            }
        }
        self.tails.appended(&written);
        Ok(answers)
    }

    async fn commit_separately(&self, sessions: &Sessions, group: &Appends) -> Answers {
        let mut answers = Answers::default();
        let mut blocked = 0;
        for job in &group.0 {
            if job.is_abandoned() {
                answers.push(Err(cancelled()));
                continue;
            }
            if blocked == MAX_BLOCKED {
                answers.push(Err(Error::unavailable("a partition is locked by another session")));
                continue;
            }
            match self.commit_together(sessions, &[&job.request]).await {
                Ok(answer) => answers.extend(answer),
                Err(error) => {
                    blocked += usize::from(tx_failure(&error) == TxFailure::LockTimeout);
                    answers.push(Err(translate(error)));
                }
            }
        }
        answers
    }
}

fn cancelled() -> Error {
    Error::unavailable("call cancelled")
}
