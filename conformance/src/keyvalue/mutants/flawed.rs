//! A small, independent store that keeps the whole contract, except for at most one flaw.
//!
//! Each flaw is one wrong branch, `if flaw.has(Bug::X)`, where the rule it breaks is implemented. No code is shared with
//! the reference backend: the rules about a key are implemented a second time, because they are broken here.

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
use disk::{Record, RecordPath};

/// One process that serves a [`Disk`]; several may serve the same one.
pub(super) struct Flawed {
    flaw: Flaw,
    disk: Arc<Disk>,
    /// Boot number of this process. A killed process finds another number on the disk, and stops.
    boot: u64,
    /// Read cache of one flaw.
    cache: Mutex<BTreeMap<RecordPath, Record>>,
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
        self.acquire().await.map(drop)
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut state = self.acquire().await?;
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
        if self.flaw.capabilities() == Capabilities::NONE && !self.flaw.has(Bug::UnclaimedStillAnswers) {
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
