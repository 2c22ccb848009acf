//! Writing one item as it was: a Put at the moment that made it, and one at the moment that last wrote it.
//!
//! `now` is an argument of the backend, so both times, the token and the expiry come out exactly, by the contract's own
//! rules and through any backend. Only the version is new: the database gives it (VER-2).

use std::time::Duration;

use prism_contract::keyvalue::{
    Entry, Get, Item, KeyValueBackend, NewItem, Precondition, Predicate, Put, PutResult, Selection,
};
use prism_contract::{Error, Namespace, Timestamp};

use crate::client::bytes::escape;
use crate::client::import::patience::Patience;
use crate::client::time;

/// How often an item is tried whose state in the database changes between two looks.
const TRIES: usize = 4;

/// Why an item was not written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database holds something that stands against it; the others can be written.
    Item(String),
    /// The database fails.
    Database(Error),
}

/// Writes items of a namespace.
pub(super) struct Places<'a> {
    pub(super) backend: &'a dyn KeyValueBackend,
    pub(super) namespace: Namespace,
    /// How long to try again what fails for a while.
    pub(super) retry_for: Duration,
}

/// A Put of an item.
#[derive(Clone, Copy)]
struct Step {
    now: Timestamp,
    token: i64,
    expires_at: Option<Timestamp>,
    /// The version it must have; 0: it must be absent (COND-2).
    version: i64,
}

impl Places<'_> {
    /// Makes the item at the moment that made it, where its last write came at another; answers its version. `None`: the
    /// last write makes it.
    pub(super) async fn prepare(&self, entry: &Entry) -> Result<Option<i64>, Trouble> {
        if last_write(&entry.item) == entry.item.created_at {
            return Ok(None);
        }
        let step = creation(&entry.item);
        match self.put(entry, step).await? {
            Some(version) => Ok(Some(version)),
            None => self.own(entry, step.now).await,
        }
    }

    /// Writes the item at the moment of its last write; answers its version. `prepared` is the version it has; `None`: it
    /// is absent.
    pub(super) async fn finish(&self, entry: &Entry, prepared: Option<i64>) -> Result<i64, Trouble> {
        let mut prepared = prepared;
        for _ in 0..TRIES {
            if prepared.is_none() {
                prepared = self.prepare(entry).await?;
            }
            let step = last_step(&entry.item, prepared);
            match self.put(entry, step).await? {
                Some(version) => return Ok(version),
                None => prepared = self.own(entry, step.now).await?,
            }
        }
        Err(Trouble::Item(
            "others are writing this item; import into a namespace that nobody writes to".to_owned(),
        ))
    }

    /// One Put, tried again while the database is away; answers the version. `None`: the item's version is not the one
    /// that was asked for.
    async fn put(&self, entry: &Entry, step: Step) -> Result<Option<i64>, Trouble> {
        let mut patience = Patience::new(self.retry_for);
        loop {
            let error = match self.backend.put(self.request(entry, step)?).await.as_deref() {
                Ok([PutResult { applied: true, version }]) => return Ok(Some(*version)),
                Ok([PutResult { applied: false, .. }]) => {
                    return Err(Trouble::Item(format!(
                        "the database remembers a priority token of {} that is not lower than {}: it holds a later \
                         write or delete of this item",
                        name(entry),
                        entry.item.priority_token
                    )));
                }
                Ok(results) => Error::internal(format!("a Put of one item had {} results", results.len())),
                Err(Error::PreconditionFailed(_)) => return Ok(None),
                Err(error) => error.clone(),
            };
            // A write that was done although it was not answered is met again by its version.
            self.wait(&mut patience, error).await?;
        }
    }

    fn request(&self, Entry { id, item }: &Entry, step: Step) -> Result<Put, Trouble> {
        let guard = Precondition::new(item.key.clone(), step.version).map_err(|why| {
            Trouble::Database(Error::internal(format!("a version that was answered {why}")))
        })?;
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

    /// The version of the item that stands in the way, where it is this very item, from an import that was stopped or
    /// from a write whose answer was lost. `None`: nothing stands there.
    async fn own(&self, entry: &Entry, now: Timestamp) -> Result<Option<i64>, Trouble> {
        let Some(found) = self.look(entry, now).await? else { return Ok(None) };
        if is_same(&found, &entry.item) {
            return Ok(Some(found.version));
        }
        Err(Trouble::Item(format!(
            "the database holds another {} already (version {}, written {}); delete it there, or leave it alone with \
             --on-error skip",
            name(entry),
            found.version,
            time::format(found.updated_at)
        )))
    }

    async fn look(&self, entry: &Entry, now: Timestamp) -> Result<Option<Item>, Trouble> {
        let predicate = Predicate::keys(vec![entry.item.key.clone()])
            .map_err(|why| Trouble::Database(Error::internal(format!("one key {why}"))))?;
        let mut patience = Patience::new(self.retry_for);
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
                Err(error) => self.wait(&mut patience, error).await?,
            }
        }
    }

    /// Waits before another try; fails where there is none.
    async fn wait(&self, patience: &mut Patience, error: Error) -> Result<(), Trouble> {
        let least = match &error {
            Error::Unavailable { retry_after, .. } => *retry_after,
            Error::ResourceExhausted(after) => *after,
            Error::DeadlineExceeded => Duration::ZERO,
            Error::InvalidArgument(_)
            | Error::PreconditionFailed(_)
            | Error::Unauthenticated
            | Error::PermissionDenied(_)
            | Error::DeleteTooLarge
            | Error::Unimplemented(_)
            | Error::Internal(_) => return Err(Trouble::Database(error)),
        };
        match patience.pause(least) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            None => Err(Trouble::Database(error)),
        }
    }
}

/// The `now` of the last write: its time, or, where it came through a gateway whose clock was behind, a moment at which
/// the item had not expired; updated_at then comes out as created_at, as it did (PUT-5).
fn last_write(item: &Item) -> Timestamp {
    let before = item.expires_at.map(|at| at.saturating_sub(Duration::from_micros(1)));
    before.map_or(item.updated_at, |before| before.min(item.updated_at))
}

/// The token comes with the first Put of an item: the second then needs none to leave it there (TOK-2).
fn creation(item: &Item) -> Step {
    let expires_at = item.expires_at.filter(|at| *at > item.created_at);
    Step { now: item.created_at, token: item.priority_token, expires_at, version: 0 }
}

fn last_step(item: &Item, prepared: Option<i64>) -> Step {
    let (token, version) = prepared.map_or((item.priority_token, 0), |version| (0, version));
    Step { now: last_write(item), token, expires_at: item.expires_at, version }
}

/// Whether `found` is `item`, written in whole or made only.
fn is_same(found: &Item, item: &Item) -> bool {
    let in_whole = found.updated_at == item.updated_at && found.expires_at == item.expires_at;
    let made_only = found.updated_at == item.created_at && found.expires_at == creation(item).expires_at;
    (in_whole || made_only)
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
