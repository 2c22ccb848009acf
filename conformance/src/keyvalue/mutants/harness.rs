//! In-process harness of a mutant, with every ability.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::Lifecycle;
use prism_contract::keyvalue::Capabilities;

use super::edge::FlawedStore;
use super::flawed::Disk;
use super::{Bug, Flaw};
use crate::core::{Abilities, Ability, Failure, Harness, Instance, ManualClock, OpenError, Restart};
use crate::keyvalue::{KeyValue, Store};

/// Number of gateways on one disk.
const GATEWAYS: u8 = 2;

/// Opens stores with these flaws.
pub struct MutantHarness {
    name: &'static str,
    flaw: Flaw,
}

impl MutantHarness {
    pub(super) const fn new(name: &'static str, flaw: Flaw) -> Self {
        Self { name, flaw }
    }

    /// A fresh store on `clock`.
    pub fn open_at(&self, clock: Arc<ManualClock>) -> MutantInstance {
        let disk: Arc<Disk> = Arc::default();
        let instance = MutantInstance {
            flaw: self.flaw,
            clock,
            disk,
            processes: AtomicU8::new(0),
            gateways: Mutex::default(),
        };
        instance.start();
        instance
    }
}

#[async_trait]
impl Harness<KeyValue> for MutantHarness {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.flaw.capabilities()
    }

    fn abilities(&self) -> Abilities {
        Ability::ALL.into_iter().fold(Abilities::NONE, Abilities::with)
    }

    async fn open(&self) -> Result<Box<dyn Instance<KeyValue>>, OpenError> {
        Ok(Box::new(self.open_at(Arc::default())))
    }
}

/// A running mutant: two gateways on one disk and one manual clock.
pub struct MutantInstance {
    flaw: Flaw,
    clock: Arc<ManualClock>,
    disk: Arc<Disk>,
    processes: AtomicU8,
    gateways: Mutex<Vec<Arc<FlawedStore>>>,
}

impl MutantInstance {
    fn start(&self) {
        let start = |_| {
            let process = self.processes.fetch_add(1, Ordering::SeqCst);
            Arc::new(FlawedStore::start(self.flaw, Arc::clone(&self.disk), Arc::clone(&self.clock), process))
        };
        *self.running() = (0..GATEWAYS).map(start).collect();
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Arc<FlawedStore>>> {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Instance<KeyValue> for MutantInstance {
    fn store(&self) -> Arc<dyn Store> {
        self.gateways().swap_remove(0)
    }

    fn gateways(&self) -> Vec<Arc<dyn Store>> {
        self.running().iter().map(|gateway| Arc::clone(gateway) as Arc<dyn Store>).collect()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let gateway = Arc::clone(&self.running()[0]);
        gateway.edge().directory().sweep(gateway.now()).await?;
        Ok(())
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.disk.stop();
        self.disk.reopen(self.flaw, how).await;
        self.start();
        Ok(())
    }

    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        self.disk.set_unavailable(unavailable);
        Ok(())
    }

    /// Memory held besides the data.
    fn resident_bytes(&self) -> Option<u64> {
        Some(self.disk.prefetched_bytes())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        let safe = !self.flaw.has(Bug::RunsOnUnsafeSettings);
        Ok((safe, format!("synchronous = {}", if safe { "FULL" } else { "OFF" })))
    }
}
