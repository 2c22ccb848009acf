//! A store in memory with a journal that outlives it, kept as it should be or not.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prism_contract::keyvalue::{Delete, KeyValueBackend, Memory, Put, PutResult};
use prism_contract::{Error, Lifecycle, forward};

/// What a crash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgets {
    Nothing,
    /// The last writes, which were answered before they were in the journal.
    TheLast,
    /// Some items of the write that is under way.
    Half,
}

/// A write in the journal.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Put(Put),
    Delete(Delete),
}

/// A store that can be opened again on its journal.
pub(crate) struct Journaled {
    inner: Memory,
    journal: Arc<Mutex<Vec<Line>>>,
    behind: Mutex<Vec<Line>>,
    turn: tokio::sync::Mutex<()>,
    forgets: Forgets,
}

impl Journaled {
    /// Plays the journal, in which every write once succeeded.
    pub(crate) async fn open(journal: Arc<Mutex<Vec<Line>>>, forgets: Forgets) -> Self {
        let inner = Memory::default();
        let lines = journal.lock().unwrap().clone();
        for line in lines {
            match line {
                Line::Put(put) => drop(inner.put(put).await),
                Line::Delete(delete) => drop(inner.delete(delete).await),
            }
        }
        Self { inner, journal, behind: Mutex::default(), turn: tokio::sync::Mutex::new(()), forgets }
    }

    fn write(&self, line: Line) {
        let mut journal = self.journal.lock().unwrap();
        if self.forgets == Forgets::TheLast {
            let mut behind = self.behind.lock().unwrap();
            behind.push(line);
            if behind.len() > 3 {
                journal.push(behind.remove(0));
            }
        } else {
            journal.push(line);
        }
    }
}

/// A moment in which the store may be killed.
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
        let _turn = self.turn.lock().await;
        pause().await;
        let results = self.inner.put(put.clone()).await?;
        if self.forgets == Forgets::Half {
            for item in put.items.clone() {
                self.write(Line::Put(Put { items: vec![item], preconditions: Vec::new(), ..put.clone() }));
                // As long as a disk takes: most kills come here.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        } else {
            self.write(Line::Put(put));
        }
        Ok(results)
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let _turn = self.turn.lock().await;
        pause().await;
        let count = self.inner.delete(delete.clone()).await?;
        self.write(Line::Delete(delete));
        Ok(count)
    }
}
