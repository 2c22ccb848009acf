//! The sessions that read.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::{is_broken, is_read_only};
use super::pool::{Pool, Use};
use super::session::Session;
use crate::engine::{Lease, Right, Source};

/// Where the sessions that read come from; they are opened when they are needed.
pub(in crate::postgres) struct ReadSessions(Arc<Pool>);

/// A session that reads.
pub(in crate::postgres) struct ReadSession {
    pub(in crate::postgres) session: Session,
    /// Whether it was there before this request.
    used: bool,
}

impl ReadSessions {
    /// Of this pool.
    pub(in crate::postgres) fn of(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// A session for the holder of a right.
    pub(in crate::postgres) async fn lease(
        self: &Arc<Self>,
        right: Right,
    ) -> Result<Lease<Self>, sqlx::Error> {
        let (session, used) = self.0.take(Use::Read).await?;
        Ok(Lease::new(self, ReadSession { session, used }, right))
    }
}

impl Source for ReadSessions {
    type Connection = ReadSession;

    fn give_back(&self, read: ReadSession) {
        self.0.give_back(read.session, Use::Read);
    }

    /// The statement runs on until it ends or times out, and its session comes back when it has: to open another would cost
    /// more than that, and an impatient client could then make the gateway do little else.
    fn abandon(self: &Arc<Self>, mut read: ReadSession, right: Right) {
        let Ok(runtime) = Handle::try_current() else { return };
        let source = Arc::clone(self);
        runtime.spawn(async move {
            if read.session.settle().await.is_ok() {
                source.give_back(read);
            }
            drop(right);
        });
    }
}

/// Ends a lease after `error`. Answers whether a read may be tried once more: the session was an old one, which can have broken
/// long ago, and a read changes nothing.
pub(in crate::postgres) fn failed(mut lease: Lease<ReadSessions>, error: &sqlx::Error) -> bool {
    let Some((read, _right)) = lease.take() else { return false };
    if is_broken(error) || is_read_only(error) {
        read.session.give_up();
        return read.used;
    }
    lease.source().give_back(read);
    false
}
