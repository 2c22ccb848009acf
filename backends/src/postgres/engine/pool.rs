//! The pool of idle sessions. Each purpose has separate ones, because a session keeps its prepared statements; it takes
//! those of other purposes if Postgres is out of connection slots.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::connector::Connector;
use super::error::{is_full, no_slot};
use super::session::Session;

/// How long a request waits for a pooled session before it tries again to open a new one.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The purpose of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Use {
    Read,
    Write,
    Check,
}

/// The idle sessions of one backend. Its callers bound the number of open sessions.
pub(in crate::postgres) struct Pool {
    connector: Connector,
    state: Mutex<State>,
    /// How long a request waits for a session while Postgres is out of connection slots.
    wait: Duration,
}

#[derive(Default)]
struct State {
    /// By [`Use`]; last in, first out.
    idle: [Vec<Session>; 3],
    /// Requests for which no session could be opened, oldest first.
    waiting: VecDeque<oneshot::Sender<Session>>,
    /// Postgres was out of connection slots: no new session is tried before this time.
    full_until: Option<Instant>,
    closed: bool,
}

impl Pool {
    pub(in crate::postgres) fn new(connector: Connector, wait: Duration) -> Self {
        Self { connector, state: Mutex::default(), wait }
    }

    /// A usable, responsive session, and whether it was open before.
    pub(in crate::postgres) async fn take(&self, purpose: Use) -> Result<(Session, bool), sqlx::Error> {
        if self.state().closed {
            return Err(sqlx::Error::PoolClosed);
        }
        match self.first_responsive(|state| state.idle[purpose as usize].pop()).await {
            Some(session) => Ok((session, true)),
            None => self.open().await,
        }
    }

    /// A session for a write: from here on, no write that was cancelled before can take effect.
    pub(in crate::postgres) async fn take_for_write(&self) -> Result<Session, sqlx::Error> {
        let (mut session, _) = self.take(Use::Write).await?;
        match self.connector.end_orphans(&mut session).await {
            Ok(()) => Ok(session),
            Err(error) => {
                self.give_back(session, Use::Write);
                Err(error)
            }
        }
    }

    /// Returns a session whose statements have ended. An unusable one is dropped.
    pub(in crate::postgres) fn give_back(&self, mut session: Session, purpose: Use) {
        if !session.is_usable() {
            return;
        }
        let mut state = self.state();
        if state.closed {
            return;
        }
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(session) {
                Ok(()) => return,
                Err(returned) => session = returned,
            }
        }
        state.idle[purpose as usize].push(session);
    }

    /// Number of open sessions, in use or idle.
    pub(in crate::postgres) fn live(&self) -> usize {
        self.connector.live()
    }

    /// Refuses further requests, and closes idle sessions.
    pub(in crate::postgres) async fn close(&self) {
        let idle = {
            let mut state = self.state();
            state.closed = true;
            state.waiting.clear();
            std::mem::take(&mut state.idle)
        };
        for session in idle.into_iter().flatten() {
            session.close().await;
        }
    }

    /// The first session that is usable and responds; the others are dropped.
    async fn first_responsive(&self, pop: impl Fn(&mut State) -> Option<Session>) -> Option<Session> {
        loop {
            let mut session = pop(&mut self.state())?;
            if !session.is_usable() {
                continue;
            }
            if session.is_responsive().await {
                return Some(session);
            }
            // The others have probably broken as well.
            session.invalidate();
        }
    }

    /// Opens a session; if Postgres is out of connection slots, takes the next pooled session that becomes free.
    async fn open(&self) -> Result<(Session, bool), sqlx::Error> {
        let until = Instant::now() + self.wait;
        loop {
            let full_until = self.state().full_until.filter(|until| *until > Instant::now());
            let full = match full_until {
                Some(_) if self.live() > 0 => no_slot(),
                _ => match self.connector.open().await {
                    Ok(session) => return Ok((session, false)),
                    Err(error) if is_full(&error) => {
                        self.state().full_until = Some(Instant::now() + RETRY_INTERVAL);
                        error
                    }
                    Err(error) => return Err(error),
                },
            };
            let any = |state: &mut State| state.idle.iter_mut().find_map(Vec::pop);
            if let Some(session) = self.first_responsive(any).await {
                return Ok((session, true));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.live() == 0 {
                return Err(full);
            }
            if let Some(session) = self.next(left.min(RETRY_INTERVAL)).await {
                return Ok((session, true));
            }
        }
    }

    /// The next session that is returned, if one is within the time limit.
    async fn next(&self, time_limit: Duration) -> Option<Session> {
        let (sender, mut receiver) = oneshot::channel();
        {
            let mut state = self.state();
            if let Some(session) = state.idle.iter_mut().find_map(Vec::pop) {
                return Some(session).filter(Session::is_usable);
            }
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.waiting.push_back(sender);
        }
        let session = if let Ok(session) = timeout(time_limit, &mut receiver).await {
            session.ok()
        } else {
            // One may have been sent at the last moment.
            receiver.close();
            receiver.try_recv().ok()
        };
        session.filter(Session::is_usable)
    }

    /// A std mutex: never held across an await, and no panic can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
