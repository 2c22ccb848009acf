//! Deletion of namespaces: the data goes in bounded steps, then the definition.
//!
//! The gateway that was asked deletes; another one continues if it sees the same deletion for longer than that one may need,
//! which does no harm if both do.

use std::time::Duration;

use prism_backends::wrap::encrypt::KeyUse;
use prism_contract::keyvalue::{Delete, Predicate, RecordId, Scan, Selection};
use prism_contract::timeseries::{
    Capability, DeleteEvents, ListSeries, Query, Series, Tags, TimeRange, TimeSeriesBackend,
};
use prism_contract::{Error, Namespace as Name, PageSize};
use prism_mutants::seeded;
use prism_proto::control::v1::{ChangeKind, Namespace, NamespaceStatus};
use tokio::time::{Instant, sleep};

use super::store::{Edit, Stored};
use super::{Arc, Control, Fault, SPREAD, catalog, definition};

/// Time after which a gateway continues a deletion that another one began.
const TAKE_OVER: Duration = Duration::from_secs(30);
/// Time until the next try, after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum series of one step.
const SERIES: usize = 100;

/// A deletion that this gateway knows of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    at: Instant,
    /// Whether this gateway does it.
    is_mine: bool,
}

/// How a deletion went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// The data is being removed.
    Removing,
    /// The namespace was not empty, and is served again.
    NotEmpty,
}

impl Control {
    /// Remembers the deletions among all definitions.
    pub(super) fn note_deletions<'a>(&self, all: impl Iterator<Item = &'a Namespace>) {
        let now: Vec<_> = all.filter(|namespace| namespace.status() == NamespaceStatus::Deleting).collect();
        let mut deleting = self.0.deleting();
        deleting.retain(|name, seen| seen.is_mine || now.iter().any(|namespace| namespace.name == *name));
        for namespace in now {
            let seen = Seen { at: Instant::now(), is_mine: false };
            deleting.entry(namespace.name.clone()).or_insert(seen);
        }
    }

    /// Continues deletions that no other gateway has ended.
    pub(super) fn continue_deletions(&self) {
        let overdue: Vec<_> = {
            let mut deleting = self.0.deleting();
            let overdue =
                deleting.iter_mut().filter(|(_, seen)| !seen.is_mine && seen.at.elapsed() > TAKE_OVER);
            overdue
                .map(|(name, seen)| {
                    seen.is_mine = true;
                    name.clone()
                })
                .collect()
        };
        for name in overdue {
            let control = self.clone();
            tokio::spawn(async move { control.delete_until_done(&name, |_| ()).await });
        }
    }

    /// Deletes a namespace whose definition says so. `settled` is told once it is certain that the items go.
    pub(super) async fn delete_until_done(&self, name: &str, settled: impl FnOnce(Settled) + Send) {
        self.0.deleting().insert(name.to_owned(), Seen { at: Instant::now(), is_mine: true });
        let mut settled = Some(settled);
        let mut warned = false;
        loop {
            match self
                .delete(name, &mut |how| {
                    if let Some(settled) = settled.take() {
                        settled(how);
                    }
                })
                .await
            {
                Ok(()) => break,
                Err(Fault::Error(error)) if !warned => {
                    tracing::warn!(namespace = name, %error, "the deletion of a namespace is tried again");
                    warned = true;
                }
                Err(_) => {}
            }
            sleep(RETRY_INTERVAL).await;
        }
        self.0.deleting().remove(name);
    }

    async fn delete(&self, name: &str, settled: &mut (dyn FnMut(Settled) + Send)) -> Result<(), Fault> {
        let inner = &self.0;
        // No gateway serves the namespace from then on.
        sleep(SPREAD).await;
        let Stored { namespace, is_forced } = match inner.store.get(name, inner.clock.now()).await? {
            Some(stored) if stored.namespace.status() == NamespaceStatus::Deleting => stored,
            Some(_) | None => return Ok(()),
        };
        let valid = Name::new(name).map_err(Error::internal)?;
        let unknown = || Error::unavailable("this gateway does not have the namespace's backend");
        let index = inner.index_of(&namespace.backend).ok_or_else(unknown)?;
        let policy = definition::of(&namespace, Some(index)).policy;
        if !is_forced
            && !seeded("control/deletes-items-that-came-late")
            && !inner.is_empty(index, &valid, &policy).await?
        {
            let edit = |current: Option<Namespace>| match current {
                Some(current) if current.status() == NamespaceStatus::Deleting => {
                    let status = NamespaceStatus::Active.into();
                    Ok(Edit::Put(ChangeKind::Updated, Namespace { status, ..current }))
                }
                Some(_) | None => Err(Fault::Error(Error::NamespaceNotFound)),
            };
            inner.store.change(name, inner.clock.now(), edit).await?;
            self.refresh().await?;
            settled(Settled::NotEmpty);
            return Ok(());
        }
        settled(Settled::Removing);
        match policy {
            catalog::Policy::KeyValue(_) => {
                self.remove_items(index, &valid).await?;
                let keyvalue = Arc::clone(&inner.backends[index].keyvalue);
                KeyUse::forget(keyvalue, &valid, None, inner.clock.now()).await?;
            }
            catalog::Policy::TimeSeries(_) => self.remove_events(index, &valid).await?,
        }
        let edit = |current: Option<Namespace>| match current {
            Some(current) if current.status() == NamespaceStatus::Deleting => Ok(Edit::Remove),
            Some(_) | None => Err(Fault::Error(Error::NamespaceNotFound)),
        };
        match inner.store.change(name, inner.clock.now(), edit).await {
            Ok(_) | Err(Fault::Error(Error::NamespaceNotFound)) => {}
            Err(fault) => return Err(fault),
        }
        tracing::info!(namespace = name, "the namespace is deleted");
        Ok(self.refresh().await?)
    }

    /// Removes all items, a page at a time.
    async fn remove_items(&self, index: usize, namespace: &Name) -> Result<(), Error> {
        let backend = &self.0.backends[index].keyvalue;
        let selection = Selection { keys_only: true, ..Selection::default() };
        loop {
            let now = self.0.clock.now();
            let (namespace, predicate) = (namespace.clone(), Predicate::All);
            let page = backend
                .scan(&Scan {
                    namespace: namespace.clone(),
                    id: None,
                    predicate,
                    selection,
                    after: None,
                    now,
                })
                .await?;
            let mut entries = page.entries.into_iter().peekable();
            while let Some(first) = entries.next() {
                let id: RecordId = first.id;
                let mut keys = vec![first.item.key];
                while let Some(next) = entries.next_if(|entry| entry.id == id) {
                    keys.push(next.item.key);
                }
                let predicate = Predicate::keys(keys).map_err(Error::internal)?;
                let (namespace, preconditions) = (namespace.clone(), Vec::new());
                let delete = Delete { namespace, id, predicate, token: 0, preconditions, now };
                backend.delete(delete).await?;
            }
            if !page.more || seeded("control/leaves-items-of-a-deleted-namespace") {
                return Ok(());
            }
        }
    }

    /// Removes all events, series by series. Those that have expired go too: no sweep knows of them once the definition is
    /// gone.
    async fn remove_events(&self, index: usize, namespace: &Name) -> Result<(), Error> {
        self.0.timeseries(index, namespace, Capability::Delete)?;
        let backend = self.0.timeseries(index, namespace, Capability::ListSeries)?;
        let (prefix, limit, expired) = (String::new(), SERIES, None);
        let mut list = ListSeries { namespace: namespace.clone(), prefix, after: None, limit, expired };
        loop {
            let page = backend.list_series(&list).await?;
            for series in page.series {
                remove_series(backend, namespace, &series).await?;
            }
            if page.next.is_none() {
                return Ok(());
            }
            list.after = page.next;
        }
    }
}

/// Removes the events of a series in steps of a page, since a whole series may be too large for one.
async fn remove_series(
    backend: &dyn TimeSeriesBackend,
    namespace: &Name,
    series: &Series,
) -> Result<(), Error> {
    let mut query = Query {
        namespace: namespace.clone(),
        series: series.clone(),
        range: TimeRange::ALL,
        tags: Tags::default(),
        reverse: false,
        page: PageSize::default(),
        without_payload: true,
        snapshot: None,
        after: None,
        expired: None,
    };
    loop {
        let page = backend.query(&query).await?;
        // Up to the last time of the page, and all of the rest if it is the last page.
        let end = page.next.as_ref().map_or(TimeRange::ALL.end, |last| last.time.as_micros() + 1);
        let range = TimeRange { end, ..query.range };
        let (namespace, series) = (namespace.clone(), series.clone());
        backend.delete_events(DeleteEvents { namespace, series, range, expired: None }).await?;
        if page.next.is_none() {
            return Ok(());
        }
        query.range.start = end;
    }
}
