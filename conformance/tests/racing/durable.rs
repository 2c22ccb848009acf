//! An in-memory store with a journal that outlives it, correct or lossy.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prism_contract::keyvalue::{Delete, KeyValueBackend, Memory, Put, PutResult};
use prism_contract::{Error, Lifecycle, forward};

/// The writes that a crash loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashLoss {
    Nothing,
    /// The last writes, which were acknowledged before they were in the journal.
    TheLast,
    /// Some items of the write in progress.
    Half,
}

/// A write in the journal.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Put(Put),
    Delete(Delete),
}

/// A store that can be reopened on its journal.
pub(crate) struct Journaled {
    inner: Memory,
    journal: Arc<Mutex<Vec<Line>>>,
    unwritten: Mutex<Vec<Line>>,
    write_lock: tokio::sync::Mutex<()>,
    loss: CrashLoss,
}

impl Journaled {
    /// Replays the journal of successful writes.
    pub(crate) async fn open(journal: Arc<Mutex<Vec<Line>>>, loss: CrashLoss) -> Self {
        let inner = Memory::default();
        let lines = journal.lock().unwrap().clone();
        for line in lines {
            match line {
                Line::Put(put) => drop(inner.put(put).await),
                Line::Delete(delete) => drop(inner.delete(delete).await),
            }
        }
        Self { inner, journal, unwritten: Mutex::default(), write_lock: tokio::sync::Mutex::new(()), loss }
    }

    fn write(&self, line: Line) {
        let mut journal = self.journal.lock().unwrap();
        if self.loss == CrashLoss::TheLast {
            let mut unwritten = self.unwritten.lock().unwrap();
            unwritten.push(line);
            if unwritten.len() > 3 {
                journal.push(unwritten.remove(0));
            }
        } else {
            journal.push(line);
        }
    }
}

/// A point at which the store may be killed.
async fn pause() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}

impl Lifecycle for Journaled {
    forward!(Lifecycle: self => self.inner, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Journaled {
    forward!(KeyValueBackend: self => self.inner, [capabilities, get, scan]);

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let _guard = self.write_lock.lock().await;
        pause().await;
        let results = self.inner.put(put.clone()).await?;
        if self.loss == CrashLoss::Half {
            for item in put.items.clone() {
                self.write(Line::Put(Put { items: vec![item], preconditions: Vec::new(), ..put.clone() }));
                // Latency of a disk: most kills happen here.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        } else {
            self.write(Line::Put(put));
        }
        Ok(results)
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let _guard = self.write_lock.lock().await;
        pause().await;
        let count = self.inner.delete(delete.clone()).await?;
        self.write(Line::Delete(delete));
        Ok(count)
    }
}
