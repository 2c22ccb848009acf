//! In-process harness of a mutant: two gateways on one disk and one manual clock.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use super::edge::FlawedStore;
use super::flawed::Flawed;
use super::{Bug, Flaw};
use crate::core::{InProcess, Opener};
use crate::timeseries::{Governed, Store, TimeSeries};

/// Opens stores with these flaws.
pub type MutantHarness = InProcess<TimeSeries, MutantDisk, MutantProcess>;

/// The storage of a mutant.
#[derive(Default)]
pub struct MutantDisk(Arc<Disk>);

/// A running mutant.
pub struct MutantProcess(Governed<Flawed>);

impl prism_contract::Lifecycle for MutantProcess {
    prism_contract::forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

impl MutantProcess {
    fn set_retention(&self, namespace: &str, retention: Duration) {
        if !self.0.backend().has(Bug::KeepsTheOldRetention) {
            self.0.set_retention(namespace, retention);
        }
    }
}

/// A restart drops the process, while calls to it may still run.
impl Drop for MutantProcess {
    fn drop(&mut self) {
        self.0.backend().disk().stop();
    }
}

pub(super) fn open(name: &str, flaw: Flaw) -> MutantHarness {
    let opener = Opener {
        location: Arc::new(|| Ok(MutantDisk::default())),
        open: Arc::new(move |disk: Arc<MutantDisk>| {
            Box::pin(async move {
                Ok(MutantProcess(Governed::new(Flawed::start(flaw, Arc::clone(&disk.0)).await)))
            })
        }),
        store: |process: Arc<MutantProcess>, clock| {
            Arc::new(FlawedStore::new(&process.0, clock)) as Arc<dyn Store>
        },
    };
    let harness = InProcess::opened(name, flaw.capabilities(), opener)
        .with_policies(MutantProcess::set_retention)
        .reopening();
    harness.with_gateways(NonZero::<usize>::MIN.saturating_add(1))
}
