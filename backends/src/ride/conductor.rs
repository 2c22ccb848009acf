//! Who lets riders on: each time a connection can be had, it carries whoever waits.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::Error;
use prism_contract::keyvalue::Get;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Ride, Riders, Rode, may_ride, take};
use crate::queue::{closed, shed};
use crate::slots::Slots;

/// How many statements with riders run at the same time, each on a connection of its own beside those that are lent: small
/// reads do not wait behind scans. One more, and each carries fewer.
const RIDES: u32 = 2;

/// Who carries riders.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Reads for the riders, lets all of them off, and gives the right to do so back.
    fn carry(&self, ride: Ride, right: OwnedSemaphorePermit) -> impl Future<Output = ()> + Send;
}

/// The riders that wait, and their conductor.
pub(crate) struct Line {
    riders: Arc<Riders>,
    /// One permit for each statement with riders that may run.
    rides: Arc<Semaphore>,
    conductor: Mutex<Option<JoinHandle<()>>>,
    wait: Duration,
}

impl Line {
    /// A line of at most `length`, in which nobody waits longer than `wait`.
    pub(crate) fn new(carrier: Arc<impl Carrier>, length: usize, wait: Duration) -> Self {
        let riders = Arc::new(Riders::new(length, usize::MAX));
        let rides = Arc::new(Semaphore::new(RIDES as usize));
        let conductor = tokio::spawn(conduct(carrier, Arc::clone(&riders), Arc::clone(&rides)));
        Self { riders, rides, conductor: Mutex::new(Some(conductor)), wait }
    }

    /// Waits for a batched read, and for its answer; sheds the request if too many wait, or if it waits too long. A Get that no
    /// batched read is for, or that is the only read, with all of `slots` free, is to be read alone.
    pub(crate) async fn ride(&self, get: &Get, slots: &Slots) -> Result<Rode, Error> {
        if !may_ride(get) || (slots.is_idle() && self.is_idle()) {
            return Ok(Rode::Alone);
        }
        let answered = self.riders.enter(&get.namespace, get.clone(), 0)?;
        timeout(self.wait, answered).await.map_err(|_| shed())?.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether nobody waits, and nobody rides.
    fn is_idle(&self) -> bool {
        self.rides.available_permits() == RIDES as usize && self.riders.is_empty()
    }

    /// Lets nobody in any more, and waits until everybody has been let off.
    pub(crate) async fn close(&self) {
        self.riders.close();
        let conductor = self.conductor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(conductor) = conductor {
            // One that panicked carries nobody any more.
            let _ = conductor.await;
        }
        // Nobody closes this semaphore.
        let _all = self.rides.acquire_many(RIDES).await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.riders.abandon();
    }
}

async fn conduct(carrier: Arc<impl Carrier>, riders: Arc<Riders>, rides: Arc<Semaphore>) {
    loop {
        // Asked first: what comes in between is seen.
        let closed = riders.is_closed();
        if riders.is_empty() {
            if closed {
                return;
            }
            riders.changed().await;
            continue;
        }
        let Ok(right) = Arc::clone(&rides).acquire_owned().await else { return };
        // Those who were just answered get a turn to ask again, so that they ride with these and not with the next.
        tokio::task::yield_now().await;
        let taken = take(&riders);
        if !taken.is_empty() {
            let carrier = Arc::clone(&carrier);
            tokio::spawn(async move { carrier.carry(Ride::new(taken), right).await });
        }
    }
}
