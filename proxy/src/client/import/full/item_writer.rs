//! Writes one item with its original times: one Put at its creation time, and one at the time of its last write.
//!
//! `now` is an argument of the backend, so both times, the token and the expiry are restored exactly, by the contract's
//! rules and with any backend. Only the version is new: the database assigns it (VER-2).

use std::time::Duration;

use prism_contract::keyvalue::{
    Entry, Get, Item, KeyValueBackend, NewItem, Precondition, Predicate, Put, PutResult, Selection,
};
use prism_contract::{Error, Namespace, Timestamp};

use crate::client::bytes::escape;
use crate::client::import::backoff::Backoff;
use crate::client::time;

/// Limit of tries for an item whose state in the database changes between two reads.
const MAX_TRIES: usize = 4;

/// Why an item was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The item conflicts with what the database holds; other items can be written.
    Item(String),
    /// The database fails.
    Database(Error),
}

/// Writes items of a namespace.
pub(super) struct ItemWriter<'a> {
    pub(super) backend: &'a dyn KeyValueBackend,
    pub(super) namespace: Namespace,
    /// How long to retry transient failures.
    pub(super) retry_for: Duration,
}

/// A Put of an item.
#[derive(Clone, Copy)]
struct Step {
    now: Timestamp,
    token: i64,
    expires_at: Option<Timestamp>,
    /// The version the item must have; 0: it must be absent (COND-2).
    version: i64,
}

impl ItemWriter<'_> {
    /// Creates the item at its creation time, if its last write has another time; returns its version. `None`: the last
    /// write creates it.
    pub(super) async fn prepare(&self, entry: &Entry) -> Result<Option<i64>, WriteError> {
        if last_write(&entry.item) == entry.item.created_at {
            return Ok(None);
        }
        let step = creation(&entry.item);
        match self.put(entry, step).await? {
            Some(version) => Ok(Some(version)),
            None => self.existing_version(entry, step.now).await,
        }
    }

    /// Writes the item at the time of its last write; returns its version. `prepared` is its current version; `None`: it is
    /// absent.
    pub(super) async fn finish(&self, entry: &Entry, prepared: Option<i64>) -> Result<i64, WriteError> {
        let mut prepared = prepared;
        for _ in 0..MAX_TRIES {
            if prepared.is_none() {
                prepared = self.prepare(entry).await?;
            }
            let step = last_step(&entry.item, prepared);
            match self.put(entry, step).await? {
                Some(version) => return Ok(version),
                None => prepared = self.existing_version(entry, step.now).await?,
            }
        }
        Err(WriteError::Item(
            "another client is writing this item; import into a namespace without other writers".to_owned(),
        ))
    }

    /// One Put, retried while the database is unavailable; returns the version. `None`: the item's version is not the
    /// required one.
    async fn put(&self, entry: &Entry, step: Step) -> Result<Option<i64>, WriteError> {
        let mut backoff = Backoff::new(self.retry_for);
        loop {
            let error = match self.backend.put(self.request(entry, step)?).await.as_deref() {
                Ok([PutResult { applied: true, version }]) => return Ok(Some(*version)),
                Ok([PutResult { applied: false, .. }]) => {
                    return Err(WriteError::Item(format!(
                        "the database holds a priority token for {} that is not lower than {}, from a later write or \
                         delete of this item",
                        name(entry),
                        entry.item.priority_token
                    )));
                }
                Ok(results) => Error::internal(format!("a Put of one item had {} results", results.len())),
                Err(Error::PreconditionFailed(_)) => return Ok(None),
                Err(error) => error.clone(),
            };
            // If the failed write took effect, the retry finds the new version.
            self.wait(&mut backoff, error).await?;
        }
    }

    fn request(&self, Entry { id, item }: &Entry, step: Step) -> Result<Put, WriteError> {
        let guard = Precondition::new(item.key.clone(), step.version)
            .map_err(|why| WriteError::Database(Error::internal(format!("a returned version {why}"))))?;
        let item = NewItem {
            key: item.key.clone(),
            value: item.value.clone(),
            content_type: item.content_type.clone(),
            compression: item.compression,
        };
        Ok(Put {
            namespace: self.namespace.clone(),
            id: id.clone(),
            items: vec![item],
            token: step.token,
            expires_at: step.expires_at,
            preconditions: vec![guard],
            now: step.now,
        })
    }

    /// The version of the existing item, if it is identical: from a stopped import, or from a write whose response was lost.
    /// `None`: the item is absent. An error: a different item exists.
    async fn existing_version(&self, entry: &Entry, now: Timestamp) -> Result<Option<i64>, WriteError> {
        let Some(found) = self.read(entry, now).await? else { return Ok(None) };
        if is_same(&found, &entry.item) {
            return Ok(Some(found.version));
        }
        Err(WriteError::Item(format!(
            "the database already holds a different {} (version {}, written {}); delete it there, or skip it with \
             --on-error skip",
            name(entry),
            found.version,
            time::format(found.updated_at)
        )))
    }

    async fn read(&self, entry: &Entry, now: Timestamp) -> Result<Option<Item>, WriteError> {
        let predicate = Predicate::keys(vec![entry.item.key.clone()])
            .map_err(|why| WriteError::Database(Error::internal(format!("one key {why}"))))?;
        let mut backoff = Backoff::new(self.retry_for);
        loop {
            let get = Get {
                namespace: self.namespace.clone(),
                id: entry.id.clone(),
                predicate: predicate.clone(),
                selection: Selection::default(),
                after: None,
                now,
            };
            match self.backend.get(&get).await {
                Ok(page) => return Ok(page.items.into_iter().next()),
                Err(error) => self.wait(&mut backoff, error).await?,
            }
        }
    }

    /// Waits before a retry; fails if the error is not transient or the deadline has passed.
    async fn wait(&self, backoff: &mut Backoff, error: Error) -> Result<(), WriteError> {
        let min = match &error {
            Error::Unavailable { retry_after, .. } => *retry_after,
            Error::ResourceExhausted(after) => *after,
            Error::DeadlineExceeded => Duration::ZERO,
            Error::InvalidArgument(_)
            | Error::PreconditionFailed(_)
            | Error::Unauthenticated
            | Error::PermissionDenied(_)
            | Error::NamespaceNotFound
            | Error::WrongAbstraction(_)
            | Error::TokenExpired
            | Error::DeleteTooLarge
            | Error::Unimplemented(_)
            | Error::DataLoss { .. }
            | Error::Internal(_) => return Err(WriteError::Database(error)),
        };
        match backoff.next_delay(min) {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            None => Err(WriteError::Database(error)),
        }
    }
}

/// The `now` of the last write: `updated_at`, or, if that write came through a gateway whose clock was behind, a time before
/// the expiry; `updated_at` then equals `created_at` again (PUT-5).
fn last_write(item: &Item) -> Timestamp {
    let before = item.expires_at.map(|at| at.saturating_sub(Duration::from_micros(1)));
    before.map_or(item.updated_at, |before| before.min(item.updated_at))
}

/// The first Put carries the token; the second has none, which leaves the token in place (TOK-2).
fn creation(item: &Item) -> Step {
    let expires_at = item.expires_at.filter(|at| *at > item.created_at);
    Step { now: item.created_at, token: item.priority_token, expires_at, version: 0 }
}

fn last_step(item: &Item, prepared: Option<i64>) -> Step {
    let (token, version) = prepared.map_or((item.priority_token, 0), |version| (0, version));
    Step { now: last_write(item), token, expires_at: item.expires_at, version }
}

/// Whether `found` is `item`, after both writes or only after its creation.
fn is_same(found: &Item, item: &Item) -> bool {
    let complete = found.updated_at == item.updated_at && found.expires_at == item.expires_at;
    let created_only = found.updated_at == item.created_at && found.expires_at == creation(item).expires_at;
    (complete || created_only)
        && found.created_at == item.created_at
        && found.priority_token == item.priority_token
        && found.value == item.value
        && found.content_type == item.content_type
        && found.compression == item.compression
}

/// An item's name for a message.
fn name(entry: &Entry) -> String {
    format!("'{}' of '{}'", escape(&entry.item.key), escape(entry.id.as_str().as_bytes()))
}
