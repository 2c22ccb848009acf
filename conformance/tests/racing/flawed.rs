//! Stores that keep every rule without concurrency.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Delete, Expected, Get, ItemPage, KeyValueBackend, Memory, Precondition, Predicate, Put, PutResult,
    Selection,
};
use prism_contract::{Error, Lifecycle, PreconditionFailure, forward};

/// A flaw of a store that is visible only under concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Answers some Gets with the previous Get's page.
    StaleReads,
    /// Writes the items of a Put one by one.
    TornPuts,
    /// Removes the items of a Delete one by one.
    TornDeletes,
    /// Reads the items of a Get one by one.
    TornGets,
    /// Checks preconditions, and then writes.
    RacingCheck,
    /// Compares tokens, and then writes.
    RacingTokens,
    /// Acknowledges a Put during another one, and discards it.
    LostUpdates,
    /// Continues a page by item offset, not after the last item.
    PagesByOffset,
    /// Locks the keys of a Put one by one, in the order of the request.
    LocksInRequestOrder,
    /// Holds one lock for all records during a Put.
    OneLock,
    /// Acknowledges a Delete before it is applied.
    EarlyDelete,
}

/// A correct store behind a flaw.
pub(crate) struct Flawed {
    inner: Memory,
    flaw: Flaw,
    count: AtomicUsize,
    last: Mutex<HashMap<String, ItemPage>>,
    pending: Mutex<VecDeque<Delete>>,
    locks: Vec<tokio::sync::Mutex<()>>,
}

impl Flawed {
    pub(crate) fn new(flaw: Flaw) -> Self {
        let locks = (0..=255).map(|_| tokio::sync::Mutex::new(())).collect();
        Self {
            inner: Memory::default(),
            flaw,
            count: AtomicUsize::new(0),
            last: Mutex::default(),
            pending: Mutex::default(),
            locks,
        }
    }

    async fn check(&self, put: &Put) -> Result<(), Error> {
        let mut failures = Vec::new();
        for Precondition { key, expected } in &put.preconditions {
            let current_version = self.version(put, key.clone()).await?.0;
            let holds = match expected {
                Expected::Absent => current_version == 0,
                Expected::At(version) => current_version == version.get(),
            };
            if !holds {
                failures.push(PreconditionFailure { key: key.clone().into_bytes(), current_version });
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Error::PreconditionFailed(failures)) }
    }

    /// The version and the token of a key.
    async fn version(&self, put: &Put, key: prism_contract::keyvalue::Key) -> Result<(i64, i64), Error> {
        let predicate = Predicate::keys([key]).expect("one key");
        let (namespace, id, now) = (put.namespace.clone(), put.id.clone(), put.now);
        let page = self
            .inner
            .get(&Get { namespace, id, predicate, selection: Selection::default(), after: None, now })
            .await?;
        Ok(page.items.first().map_or((0, 0), |item| (item.version, item.priority_token)))
    }
}

/// Lets other clients run.
async fn pause() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
    std::thread::yield_now();
}

impl Lifecycle for Flawed {
    forward!(Lifecycle: self => self.inner, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Flawed {
    forward!(KeyValueBackend: self => self.inner, [capabilities, scan]);

    async fn put(&self, mut put: Put) -> Result<Vec<PutResult>, Error> {
        match self.flaw {
            Flaw::TornPuts => {
                let items = std::mem::take(&mut put.items);
                let mut results = Vec::new();
                for item in items {
                    results.extend(self.inner.put(Put { items: vec![item], ..put.clone() }).await?);
                    put.preconditions.clear();
                    pause().await;
                }
                Ok(results)
            }
            Flaw::RacingCheck => {
                self.check(&put).await?;
                pause().await;
                self.inner.put(Put { preconditions: Vec::new(), ..put }).await
            }
            Flaw::RacingTokens if put.token > 0 => {
                let (version, seen) = self.version(&put, put.items[0].key.clone()).await?;
                pause().await;
                if put.token <= seen {
                    return Ok(vec![PutResult { applied: false, version }; put.items.len()]);
                }
                self.inner.put(Put { token: 0, ..put }).await
            }
            Flaw::LostUpdates => {
                let in_flight = self.count.fetch_add(1, Ordering::SeqCst);
                pause().await;
                let results = self.inner.put(put.clone()).await;
                if in_flight > 0 {
                    let keys = put.items.into_iter().map(|item| item.key);
                    let predicate = Predicate::keys(keys).expect("a Put's keys");
                    let Put { namespace, id, now, .. } = put;
                    self.inner
                        .delete(Delete { namespace, id, predicate, token: 0, preconditions: Vec::new(), now })
                        .await?;
                }
                self.count.fetch_sub(1, Ordering::SeqCst);
                results
            }
            Flaw::LocksInRequestOrder => {
                let mut held = Vec::new();
                for item in &put.items {
                    held.push(self.locks[usize::from(item.key[0])].lock().await);
                    pause().await;
                }
                self.inner.put(put).await
            }
            Flaw::OneLock => {
                let _held = self.locks[0].lock().await;
                pause().await;
                self.inner.put(put).await
            }
            Flaw::EarlyDelete => {
                let pending = self.pending.lock().unwrap().pop_front();
                if let Some(delete) = pending {
                    self.inner.delete(delete).await?;
                }
                self.inner.put(put).await
            }
            Flaw::StaleReads
            | Flaw::TornDeletes
            | Flaw::TornGets
            | Flaw::RacingTokens
            | Flaw::PagesByOffset => self.inner.put(put).await,
        }
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.flaw {
            Flaw::StaleReads => {
                let request = format!("{:?}{:?}{:?}", get.id, get.predicate, get.after);
                let page = self.inner.get(get).await?;
                let last = self.last.lock().unwrap().insert(request, page.clone());
                let is_stale = self.count.fetch_add(1, Ordering::SeqCst).is_multiple_of(5);
                Ok(last.filter(|_| is_stale).unwrap_or(page))
            }
            Flaw::TornGets => {
                let whole = self.inner.get(get).await?;
                let mut torn = ItemPage { items: Vec::new(), more: whole.more };
                for item in whole.items {
                    pause().await;
                    let predicate = Predicate::keys([item.key.clone()]).expect("one key");
                    torn.items
                        .extend(self.inner.get(&Get { predicate, after: None, ..get.clone() }).await?.items);
                }
                Ok(torn)
            }
            Flaw::PagesByOffset => {
                let Some(after) = get.after.clone() else { return self.inner.get(get).await };
                // The end of the last page is taken as an item offset, which concurrent writes have made wrong.
                let all = Get { after: None, selection: Selection::default(), ..get.clone() };
                let items = self.inner.get(&all).await?.items;
                let offset =
                    usize::from((after.first().copied().unwrap_or(b'a') - b'a') / 2 * 2 + 1).min(items.len());
                let size = 2.min(items.len() - offset);
                let page = items[offset..offset + size].to_vec();
                Ok(ItemPage { more: offset + size < items.len(), items: page })
            }
            Flaw::TornPuts
            | Flaw::TornDeletes
            | Flaw::RacingCheck
            | Flaw::RacingTokens
            | Flaw::LostUpdates
            | Flaw::LocksInRequestOrder
            | Flaw::OneLock
            | Flaw::EarlyDelete => self.inner.get(get).await,
        }
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        match self.flaw {
            Flaw::TornDeletes => {
                let (namespace, id, predicate, now) =
                    (delete.namespace.clone(), delete.id.clone(), delete.predicate.clone(), delete.now);
                let get = Get { namespace, id, predicate, selection: Selection::default(), after: None, now };
                let mut count = 0;
                for item in self.inner.get(&get).await?.items {
                    let predicate = Predicate::keys([item.key]).expect("one key");
                    count += self.inner.delete(Delete { predicate, ..delete.clone() }).await?;
                    pause().await;
                }
                Ok(count)
            }
            Flaw::EarlyDelete => {
                let (namespace, id, predicate, now) =
                    (delete.namespace.clone(), delete.id.clone(), delete.predicate.clone(), delete.now);
                let get = Get { namespace, id, predicate, selection: Selection::default(), after: None, now };
                let count = self.inner.get(&get).await?.items.len() as u64;
                self.pending.lock().unwrap().push_back(delete);
                Ok(count)
            }
            Flaw::StaleReads
            | Flaw::TornPuts
            | Flaw::TornGets
            | Flaw::RacingCheck
            | Flaw::RacingTokens
            | Flaw::LostUpdates
            | Flaw::PagesByOffset
            | Flaw::LocksInRequestOrder
            | Flaw::OneLock => self.inner.delete(delete).await,
        }
    }
}
