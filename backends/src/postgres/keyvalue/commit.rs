//! The writes of KeyValue: the fast path if possible, otherwise a transaction; and the handling of batches that take long or
//! fail.

use std::collections::HashSet;
use std::time::Duration;

use prism_contract::keyvalue::PutResult;
use prism_contract::{Error, Swept, Timestamp};

use super::locks::Locks;
use super::sweep::sweep;
use super::transaction::{commit, covers_many};
use super::unconditional::Unconditional;
use crate::engine::Entry;
use crate::keyvalue::{Answers, Request, Write, Writes, unanswered, whole_micros};
use crate::postgres::Options;
use crate::postgres::engine::{
    Attempts, Commit, Session, Sessions, TxFailure, is_timeout, translate, tx_failure,
};

/// Maximum records of one batch for which a lock wait may time out.
const MAX_BLOCKED: usize = 2;

/// Statement timeout in a batch with a Delete by range, prefix or all. A Delete that takes longer is committed alone.
const QUICK: Duration = Duration::from_millis(250);

/// The outcomes of the writes of a batch. `None` for a Delete: it must be committed alone.
#[derive(Default)]
pub(in crate::postgres) struct Outcomes {
    puts: Vec<Result<Vec<PutResult>, Error>>,
    deletes: Vec<Option<Result<u64, Error>>>,
}

impl From<Answers> for Outcomes {
    fn from(Answers { puts, deletes }: Answers) -> Self {
        Self { puts, deletes: deletes.into_iter().map(Some).collect() }
    }
}

impl Outcomes {
    /// Adds the outcome of one request; `Err(None)`: it took too long.
    fn push(&mut self, request: Request<'_>, outcome: Result<Answers, Option<Error>>) {
        match (request, outcome) {
            (Request::Put(_), Ok(answers)) => self.puts.extend(answers.puts),
            (Request::Put(_), Err(error)) => self.puts.push(Err(error.unwrap_or_else(unanswered))),
            (Request::Delete(_), Ok(answers)) => self.deletes.extend(answers.deletes.into_iter().map(Some)),
            (Request::Delete(_), Err(error)) => self.deletes.push(error.map(Err)),
        }
    }
}

/// The writes of a KeyValue store.
pub(in crate::postgres) struct KeyValueCommit {
    locks: Locks,
    retention: Duration,
    /// Statement timeout of a Delete that is committed alone.
    longest: Duration,
}

impl KeyValueCommit {
    /// For a schema with these record locks.
    pub(in crate::postgres) fn new(locks: Locks, options: &Options) -> Self {
        Self {
            locks,
            retention: whole_micros(options.retention),
            // It has already spent time in a batch, and must fail with its reason before the call's deadline.
            longest: options.statement_timeout.mul_f64(0.875),
        }
    }
}

impl Commit for KeyValueCommit {
    type Group = Writes;
    type Outcomes = Outcomes;

    /// A Delete of unknown size is tried with the others for a short time, then alone.
    async fn commit(&self, sessions: &Sessions, group: &Writes, alone: bool) -> Outcomes {
        let writes: Vec<&Write> = group.0.iter().collect();
        let longest = match (alone, writes.iter().any(|write| write.request().unbounded().is_some())) {
            (true, _) => Some(self.longest),
            (false, true) => Some(QUICK.min(self.longest)),
            (false, false) => None,
        };
        match self.attempt(sessions, &writes, longest).await {
            Ok(outcomes) => outcomes,
            Err(error) if alone => self.timed_out(sessions, &group.requests(), error).await,
            Err(_) => self.without_large(sessions, &writes).await,
        }
    }

    fn cancelled(group: &Writes) -> Outcomes {
        Answers::all(&group.requests(), &cancelled()).into()
    }

    fn answer(group: Writes, outcomes: Outcomes) -> Vec<Writes> {
        let (mut puts, mut deletes) = (outcomes.puts.into_iter(), outcomes.deletes.into_iter());
        let mut alone = Vec::new();
        for write in group.0 {
            match write {
                Write::Put(job) => job.answer(puts.next().unwrap_or_else(|| Err(unanswered()))),
                Write::Delete(job) => match deletes.next() {
                    Some(Some(answer)) => job.answer(answer),
                    Some(None) => alone.push(Writes(vec![Write::Delete(job)])),
                    None => job.answer(Err(unanswered())),
                },
            }
        }
        alone
    }

    /// Writes to the same record.
    fn hold_back(running: &Writes, alone: bool, later: &mut Writes) -> Vec<Write> {
        let blocking = running.0.iter().filter(|write| alone || write.is_abandoned());
        let records: HashSet<_> = blocking.map(|write| write.request().record()).collect();
        if records.is_empty() {
            return Vec::new();
        }
        later.0.extract_if(.., |write| records.contains(&write.request().record())).collect()
    }

    async fn sweep(&self, session: &mut Session, now: Timestamp) -> Result<Swept, sqlx::Error> {
        sweep(session, now, self.locks, self.retention).await
    }
}

impl KeyValueCommit {
    /// A failure that is not an outage may be caused by one write: then each is retried alone, so that it fails alone.
    /// Returns an error only if a statement took longer than `longest`.
    async fn attempt(
        &self,
        sessions: &Sessions,
        writes: &[&Write],
        longest: Option<Duration>,
    ) -> Result<Outcomes, sqlx::Error> {
        let requests: Vec<_> = writes.iter().map(|write| write.request()).collect();
        let error = match self.commit_together(sessions, &requests, longest).await {
            Ok(answers) => return Ok(answers.into()),
            Err(error) if longest.is_some() && is_timeout(&error) => return Err(error),
            Err(error) => error,
        };
        let separately = match tx_failure(&error) {
            TxFailure::Rejected | TxFailure::LockTimeout | TxFailure::Conflict => writes.len() > 1,
            TxFailure::Unavailable => false,
        };
        if separately {
            return Ok(self.commit_separately(sessions, writes, longest).await);
        }
        Ok(Answers::all(&requests, &translate(error)).into())
    }

    /// Commits a batch that took too long without the Deletes that may be the cause: these are committed alone.
    async fn without_large(&self, sessions: &Sessions, writes: &[&Write]) -> Outcomes {
        let is_large = |write: &Write| write.request().unbounded().is_some();
        let others: Vec<_> = writes.iter().copied().filter(|write| !is_large(write)).collect();
        let mut answered = Outcomes::default();
        if !others.is_empty() {
            answered = self.attempt(sessions, &others, None).await.unwrap_or_default();
        }
        let mut deletes = answered.deletes.into_iter();
        answered.deletes = Vec::new();
        for write in writes.iter().filter(|write| matches!(write, Write::Delete(_))) {
            answered.deletes.push(if is_large(write) {
                None
            } else {
                deletes.next().unwrap_or_else(|| Some(Err(unanswered())))
            });
        }
        answered
    }

    /// The outcome of a Delete that was committed alone and timed out: too large if it covers many rows; otherwise the
    /// database is unavailable.
    async fn timed_out(&self, sessions: &Sessions, requests: &[Request<'_>], error: sqlx::Error) -> Outcomes {
        let mut large = false;
        if let Some(delete) = requests.iter().find_map(|request| request.unbounded()) {
            let covers_many = sessions.with(async |session| covers_many(session, delete).await);
            large = covers_many.await.unwrap_or(false);
        }
        let error = if large { Error::DeleteTooLarge } else { translate(error) };
        Answers::all(requests, &error).into()
    }

    /// Commits each write in a separate transaction. At most one lock wait per record times out, and only for few records,
    /// since all other writes wait meanwhile.
    async fn commit_separately(
        &self,
        sessions: &Sessions,
        writes: &[&Write],
        longest: Option<Duration>,
    ) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let mut blocked = HashSet::new();
        for write in writes {
            let request = write.request();
            if write.is_abandoned() {
                outcomes.push(request, Err(Some(cancelled())));
                continue;
            }
            if blocked.contains(&request.record()) || blocked.len() == MAX_BLOCKED {
                let locked = Error::unavailable("the record, or the table, is locked by another session");
                outcomes.push(request, Err(Some(locked)));
                continue;
            }
            let longest = longest.filter(|_| request.unbounded().is_some());
            let answer = match self.commit_together(sessions, &[request], longest).await {
                Err(error) if longest.is_some() && is_timeout(&error) => Err(None),
                Err(error) => {
                    if tx_failure(&error) == TxFailure::LockTimeout {
                        blocked.insert(request.record());
                    }
                    Err(Some(translate(error)))
                }
                Ok(answers) => Ok(answers),
            };
            outcomes.push(request, answer);
        }
        outcomes
    }

    /// Commits by the fast path if possible, and by a transaction what that leaves.
    async fn commit_together(
        &self,
        sessions: &Sessions,
        requests: &[Request<'_>],
        longest: Option<Duration>,
    ) -> Result<Answers, sqlx::Error> {
        let Some(unconditional) = Unconditional::of(requests, self.locks) else {
            return self.commit_transaction(sessions, requests, longest).await;
        };
        let done = self.commit_unconditional(sessions, &unconditional).await?;
        // The fast path is for Puts only.
        let puts = requests.iter().zip(&done);
        let left: Vec<_> = puts.filter_map(|(put, done)| done.is_none().then_some(*put)).collect();
        let mut slow = Vec::new();
        if !left.is_empty() {
            // The committed Puts stay committed, whatever the outcome of these.
            let answers = self.commit_transaction(sessions, &left, longest).await;
            slow = answers.unwrap_or_else(|error| Answers::all(&left, &translate(error))).puts;
        }
        let mut slow = slow.into_iter();
        let puts = done.into_iter().map(|done| match done {
            Some(results) => Ok(results),
            None => slow.next().unwrap_or_else(|| Err(unanswered())),
        });
        Ok(Answers { puts: puts.collect(), deletes: Vec::new() })
    }

    /// Commits unconditional Puts; retries after a conflict with another transaction.
    async fn commit_unconditional(
        &self,
        sessions: &Sessions,
        unconditional: &Unconditional<'_>,
    ) -> Result<Vec<Option<Vec<PutResult>>>, sqlx::Error> {
        let retention = self.retention;
        let mut attempts = Attempts::default();
        loop {
            match sessions.with(async |session| unconditional.commit(session, retention).await).await {
                Err(error) if attempts.should_retry(&error) => {}
                ended => return ended,
            }
        }
    }

    /// Commits by a transaction that reads before it writes; retries after a conflict with another transaction.
    async fn commit_transaction(
        &self,
        sessions: &Sessions,
        requests: &[Request<'_>],
        longest: Option<Duration>,
    ) -> Result<Answers, sqlx::Error> {
        let (locks, retention) = (self.locks, self.retention);
        let mut attempts = Attempts::default();
        loop {
            let work =
                async |session: &mut Session| commit(session, requests, locks, retention, longest).await;
            match sessions.with(work).await {
                Err(error) if attempts.should_retry(&error) => {}
                ended => return ended,
            }
        }
    }
}

fn cancelled() -> Error {
    Error::unavailable("call cancelled")
}
