//! A small, independent store that keeps the whole contract, unless it is told to forget one thing.
//!
//! Each flaw is one wrong line, `if flaw.has(Bug::X)`, at the place where the rule it breaks is kept. It shares no code
//! with the reference backend: the rules about a key are said again here, because that is where they are broken.

mod disk;
mod names;
mod read;
mod reopen;
mod rules;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Capability, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

pub(super) use disk::Disk;

use super::{Bug, Flaw};
use disk::{Place, Record};

/// One process that serves a [`Disk`]; others may serve the same.
pub(super) struct Flawed {
    flaw: Flaw,
    disk: Arc<Disk>,
    /// Which start of the process this is. A process that was killed finds another number on the disk, and stops.
    boot: u64,
    /// What one flaw remembers of its own reads.
    cache: Mutex<BTreeMap<Place, Record>>,
}

impl Flawed {
    /// A process that serves `disk` from now on.
    pub(super) fn start(flaw: Flaw, disk: Arc<Disk>) -> Self {
        let boot = disk.boot();
        Self { flaw, disk, boot, cache: Mutex::default() }
    }
}

#[async_trait]
impl Lifecycle for Flawed {
    async fn check(&self) -> Result<(), Error> {
        self.reach().await.map(drop)
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut state = self.reach().await?;
        Ok(state.sweep(self.flaw, now))
    }

    async fn close(&self) {}
}

#[async_trait]
impl KeyValueBackend for Flawed {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        if self.flaw.has(Bug::ClaimsReverseWithoutIt) {
            return Capabilities::ALL.without(Capability::Reverse);
        }
        if self.flaw.claims() == Capabilities::NONE && !self.flaw.has(Bug::UnclaimedStillAnswers) {
            return Capabilities::NONE;
        }
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.write_items(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.read_record(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.remove_items(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.read_namespace(scan).await
    }
}
