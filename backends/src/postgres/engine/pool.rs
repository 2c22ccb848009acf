//! The sessions that rest: each purpose has its own, because a session stays quick at what it has prepared, and takes those
//! of the others where Postgres lets no more in.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::connector::Connector;
use super::error::{is_full, no_slot};
use super::session::Session;

/// How long a request waits for a session of ours before it asks Postgres once more for a new one.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Use {
    Read,
    Write,
    Check,
}

/// The sessions of one backend that are not in use. How many are open at once is bounded by those who take them.
pub(in crate::postgres) struct Pool {
    connector: Connector,
    resting: Mutex<Resting>,
    /// How long a request waits for a session where Postgres lets no more in.
    wait: Duration,
}

#[derive(Default)]
struct Resting {
    /// By [`Use`]; the last to come back is the first to go.
    idle: [Vec<Session>; 3],
    /// Requests that no new session could be opened for, the oldest first.
    waiting: VecDeque<oneshot::Sender<Session>>,
    /// Postgres let no more in a moment ago, so it is not asked again before then.
    full_until: Option<Instant>,
    closed: bool,
}

impl Pool {
    pub(in crate::postgres) fn new(connector: Connector, wait: Duration) -> Self {
        Self { connector, resting: Mutex::default(), wait }
    }

    /// A session, and whether it was open before. It is fit and awake.
    pub(in crate::postgres) async fn take(&self, purpose: Use) -> Result<(Session, bool), sqlx::Error> {
        if self.resting().closed {
            return Err(sqlx::Error::PoolClosed);
        }
        match self.awake(|resting| resting.idle[purpose as usize].pop()).await {
            Some(session) => Ok((session, true)),
            None => self.open().await,
        }
    }

    /// A session for a write: no write that was given up before takes effect from here on.
    pub(in crate::postgres) async fn take_to_write(&self) -> Result<Session, sqlx::Error> {
        let (mut session, _) = self.take(Use::Write).await?;
        match self.connector.end_orphans(&mut session).await {
            Ok(()) => Ok(session),
            Err(error) => {
                self.give_back(session, Use::Write);
                Err(error)
            }
        }
    }

    /// Takes a session back whose statements have ended. One that is not fit any more is let go.
    pub(in crate::postgres) fn give_back(&self, mut session: Session, purpose: Use) {
        if !session.is_fit() {
            return;
        }
        let mut resting = self.resting();
        if resting.closed {
            return;
        }
        while let Some(waiting) = resting.waiting.pop_front() {
            match waiting.send(session) {
                Ok(()) => return,
                Err(unwanted) => session = unwanted,
            }
        }
        resting.idle[purpose as usize].push(session);
    }

    /// How many sessions are open, in use or not.
    pub(in crate::postgres) fn live(&self) -> usize {
        self.connector.live()
    }

    /// Lends nothing any more, and closes what rests.
    pub(in crate::postgres) async fn close(&self) {
        let idle = {
            let mut resting = self.resting();
            resting.closed = true;
            resting.waiting.clear();
            std::mem::take(&mut resting.idle)
        };
        for session in idle.into_iter().flatten() {
            session.close().await;
        }
    }

    /// The first session that can be relied on; those that cannot are let go.
    async fn awake(&self, pop: impl Fn(&mut Resting) -> Option<Session>) -> Option<Session> {
        loop {
            let mut session = pop(&mut self.resting())?;
            if !session.is_fit() {
                continue;
            }
            if session.is_awake().await {
                return Some(session);
            }
            // The others have probably broken with it.
            session.give_up();
        }
    }

    /// Opens a session. Where Postgres lets no more in, one of ours that comes free does as well.
    async fn open(&self) -> Result<(Session, bool), sqlx::Error> {
        let until = Instant::now() + self.wait;
        loop {
            let full_until = self.resting().full_until.filter(|until| *until > Instant::now());
            let full = match full_until {
                Some(_) if self.live() > 0 => no_slot(),
                _ => match self.connector.open().await {
                    Ok(session) => return Ok((session, false)),
                    Err(error) if is_full(&error) => {
                        self.resting().full_until = Some(Instant::now() + ASK_AGAIN);
                        error
                    }
                    Err(error) => return Err(error),
                },
            };
            let any = |resting: &mut Resting| resting.idle.iter_mut().find_map(Vec::pop);
            if let Some(session) = self.awake(any).await {
                return Ok((session, true));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.live() == 0 {
                return Err(full);
            }
            if let Some(session) = self.next(left.min(ASK_AGAIN)).await {
                return Ok((session, true));
            }
        }
    }

    /// The next session that comes back, if one does in time.
    async fn next(&self, time_limit: Duration) -> Option<Session> {
        let (sender, mut receiver) = oneshot::channel();
        {
            let mut resting = self.resting();
            if let Some(session) = resting.idle.iter_mut().find_map(Vec::pop) {
                return Some(session).filter(Session::is_fit);
            }
            resting.waiting.retain(|waiting| !waiting.is_closed());
            resting.waiting.push_back(sender);
        }
        let session = if let Ok(session) = timeout(time_limit, &mut receiver).await {
            session.ok()
        } else {
            // One may have come at the last moment.
            receiver.close();
            receiver.try_recv().ok()
        };
        session.filter(Session::is_fit)
    }

    /// A std mutex: nothing awaits while it is held, and no panic can leave it half changed.
    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
