//! The connections that read: lent out one request at a time, or to many small Gets that ride together.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{Get, ItemPage};
use prism_contract::{Error, Namespace};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::Options;
use super::error::{is_broken, is_read_only, translate};
use super::pool::{Pool, Use};
use super::session::Session;
use crate::ride::{Carrier, Line, Ride, Rode};
use crate::slots::{Right, Slots};

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(super) struct Readers {
    lender: Arc<Lender>,
    line: Line,
    wait: Duration,
}

/// The connections.
struct Lender {
    pool: Arc<Pool>,
    /// One for each connection that may be lent.
    slots: Slots,
}

/// A connection on loan. Dropped early, its statement is waited for elsewhere; see [`Lease::give_back`].
pub(super) struct Lease {
    pool: Arc<Pool>,
    /// The session and the right to have it, which travel together.
    lent: Option<(Session, Right)>,
    /// Whether the session was there before this request.
    used: bool,
}

impl Readers {
    /// Sessions are opened when they are needed.
    pub(super) fn new(pool: Arc<Pool>, options: &Options) -> Self {
        let slots = Slots::new(options.readers, options.waiting_reads);
        let lender = Arc::new(Lender { pool, slots });
        let line = Line::new(Arc::clone(&lender), options.waiting_reads, options.read_wait);
        Self { lender, line, wait: options.read_wait }
    }

    /// A page of a record. Alone it is read at once; beside others it rides with them if it may.
    pub(super) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.line.ride(get, &self.lender.slots).await? {
            Rode::Arrived(page) => Ok(page),
            Rode::Alone => self.get_alone(get).await,
        }
    }

    /// Lends a connection; sheds the request if too many wait, or if it waits too long.
    pub(super) async fn lend(&self, namespace: &Namespace) -> Result<Lease, Error> {
        let slot = self.lender.slots.take(namespace, self.wait).await?;
        self.lender.lease(Right::Slot(slot)).await.map_err(translate)
    }

    /// Waits for what is being read.
    pub(super) async fn close(&self) {
        self.line.close().await;
        self.lender.slots.close().await;
    }
}

impl Carrier for Lender {
    async fn carry(&self, mut ride: Ride, right: OwnedSemaphorePermit) {
        let Ok(mut lease) = self.lease(Right::Permit(right)).await else { return ride.get_off() };
        let Ok(session) = lease.session() else { return ride.get_off() };
        match session.read(&mut ride).await {
            Ok(()) => {
                // First, so that whoever asks again meets a connection that is free.
                lease.give_back();
                ride.arrive();
            }
            Err(error) => {
                lease.failed(&error);
                ride.get_off();
            }
        }
    }
}

impl Lender {
    /// A connection for whoever has the right to one.
    async fn lease(&self, right: Right) -> Result<Lease, sqlx::Error> {
        let (session, used) = self.pool.take(Use::Read).await?;
        Ok(Lease { pool: Arc::clone(&self.pool), lent: Some((session, right)), used })
    }
}

impl Lease {
    /// The session.
    pub(super) fn session(&mut self) -> Result<&mut Session, Error> {
        let lent = self.lent.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut lent.0)
    }

    /// Gives a session back whose statement has ended.
    pub(super) fn give_back(mut self) {
        if let Some((session, _right)) = self.lent.take() {
            self.pool.give_back(session, Use::Read);
        }
    }

    /// Ends the loan after `error`. Answers whether a read may be tried once more: the connection was an old one, which can
    /// have broken long ago, and a read changes nothing.
    pub(super) fn failed(mut self, error: &sqlx::Error) -> bool {
        let Some((session, _right)) = self.lent.take() else { return false };
        if is_broken(error) || is_read_only(error) {
            session.give_up();
            return self.used;
        }
        self.pool.give_back(session, Use::Read);
        false
    }
}

impl Drop for Lease {
    /// A statement that nobody waits for any more runs on until it ends or times out. Its connection comes back when it has:
    /// to open another would cost more than that, and an impatient client could then make the gateway do little else.
    fn drop(&mut self) {
        let Some((mut session, right)) = self.lent.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let pool = Arc::clone(&self.pool);
        runtime.spawn(async move {
            if session.settle().await.is_ok() {
                pool.give_back(session, Use::Read);
            }
            drop(right);
        });
    }
}
