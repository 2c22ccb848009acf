//! Read sessions.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::{is_broken, is_read_only};
use super::pool::{Pool, Use};
use super::session::Session;
use crate::engine::{Lease, ReadPermit, Source};

/// The source of read sessions, which are opened on demand.
pub(in crate::postgres) struct ReadSessions(Arc<Pool>);

/// A read session.
pub(in crate::postgres) struct ReadSession {
    pub(in crate::postgres) session: Session,
    /// Whether it was open before this request.
    used: bool,
}

impl ReadSessions {
    /// From this pool.
    pub(in crate::postgres) fn of(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// A lease of a session with this permit.
    pub(in crate::postgres) async fn lease(
        self: &Arc<Self>,
        permit: ReadPermit,
    ) -> Result<Lease<Self>, sqlx::Error> {
        let (session, used) = self.0.take(Use::Read).await?;
        Ok(Lease::new(self, ReadSession { session, used }, permit))
    }
}

impl Source for ReadSessions {
    type Connection = ReadSession;

    fn give_back(&self, read: ReadSession) {
        self.0.give_back(read.session, Use::Read);
    }

    /// The statement runs until it ends or times out, and then its session returns to the pool. Opening another session
    /// would cost more, and a client that cancels many calls could keep the gateway busy with that.
    fn abandon(self: &Arc<Self>, mut read: ReadSession, permit: ReadPermit) {
        let Ok(runtime) = Handle::try_current() else { return };
        let source = Arc::clone(self);
        runtime.spawn(async move {
            if read.session.settle().await.is_ok() {
                source.give_back(read);
            }
            drop(permit);
        });
    }
}

/// Ends a lease after `error`. Returns whether the read may be retried: the session was pooled, and may have broken long
/// ago; a read has no side effects.
pub(in crate::postgres) fn failed(mut lease: Lease<ReadSessions>, error: &sqlx::Error) -> bool {
    let Some((read, _permit)) = lease.take() else { return false };
    if is_broken(error) || is_read_only(error) {
        read.session.invalidate();
        return read.used;
    }
    lease.source().give_back(read);
    false
}
