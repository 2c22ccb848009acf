//! The record of which master keys have sealed data of which namespaces. It is in the store itself, so that a gateway that
//! lacks one of these keys, or has another one under its id, does not start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hashlink::LruCache;
use prism_contract::keyvalue::{Expected, Key, KeyValueBackend, Precondition, Predicate};
use prism_contract::{Error, Namespace, Timestamp};
use prism_mutants::seeded;

use super::key_ring::{KeyError, KeyRing};
use crate::internal::{Internal, one};

/// The record's id.
const RECORD: &str = "encryption";
/// Between the namespace and the id of the master key; neither has one.
const SEPARATOR: char = '/';
/// Maximum namespaces that are remembered as recorded; others are looked up again at their next Put.
const REMEMBERED: usize = 4_096;
/// Time for which a use is remembered as recorded. It is looked up again then, since `prism rekey` forgets the uses of a key
/// under which a gateway may still seal.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// A master key that has sealed data of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The namespace.
    pub namespace: Namespace,
    /// The id of the master key.
    pub key_id: String,
    check_value: Bytes,
}

impl KeyUse {
    /// All uses in a store, by namespace and id.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Internal`] if the record is damaged.
    pub async fn all(store: Arc<dyn KeyValueBackend>, now: Timestamp) -> Result<Vec<Self>, Error> {
        let items = Internal::new(store, RECORD).list(Predicate::All, now).await?;
        items.into_iter().map(|item| Self::parse(&item.key, item.value)).collect()
    }

    fn parse(key: &[u8], check_value: Bytes) -> Result<Self, Error> {
        let parts = std::str::from_utf8(key).ok().and_then(|key| key.split_once(SEPARATOR));
        let parsed = parts.and_then(|(namespace, id)| Some((Namespace::new(namespace).ok()?, id.to_owned())));
        let (namespace, key_id) =
            parsed.ok_or_else(|| Error::internal("the record of master keys is damaged"))?;
        Ok(Self { namespace, key_id, check_value })
    }

    /// Checks that `ring` has this master key.
    ///
    /// # Errors
    /// [`KeyError::Missing`] or [`KeyError::Wrong`].
    pub fn verify(&self, ring: Option<&KeyRing>) -> Result<(), KeyError> {
        match ring {
            Some(ring) => ring.verify(&self.key_id, &self.check_value),
            None => Err(KeyError::Missing(self.key_id.clone())),
        }
    }

    /// Forgets that master keys have sealed data of `namespace`: all, or those other than `except`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget(
        store: Arc<dyn KeyValueBackend>,
        namespace: &Namespace,
        except: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let record = Internal::new(store, RECORD);
        let prefix = Bytes::from(format!("{}{SEPARATOR}", namespace.as_str()));
        let predicate = Predicate::prefix(prefix).map_err(Error::internal)?;
        for item in record.list(predicate, now).await? {
            let kept = except.is_some_and(|id| *item.key == *key(namespace, id));
            if !kept {
                record.delete(one(item.key), now).await?;
            }
        }
        Ok(())
    }
}

/// The key of the item that records a use.
fn key(namespace: &Namespace, id: &str) -> Key {
    Key::new(format!("{}{SEPARATOR}{id}", namespace.as_str()))
        .expect("a namespace and an id are shorter than a key")
}

/// Records uses of the active master key, before the first seal.
pub(super) struct Recorder {
    record: Internal,
    /// Until when.
    recorded: Mutex<LruCache<Namespace, Instant>>,
}

impl Recorder {
    pub(super) fn new(store: Arc<dyn KeyValueBackend>) -> Self {
        Self { record: Internal::new(store, RECORD), recorded: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Records that the active key of `ring` seals data of `namespace`. A store that knows another key by its id refuses.
    pub(super) async fn record(
        &self,
        namespace: &Namespace,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<(), Error> {
        let recorded = || self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the record is read: it may be forgotten while the answer is on its way.
        let began = Instant::now();
        let remembered = recorded().get(namespace).is_some_and(|until| began < *until);
        if remembered || seeded("encrypt/does-not-record-its-master-key") {
            return Ok(());
        }
        let id = ring.active().id();
        let key = key(namespace, id);
        let mut known = self.record.get(key.clone(), now).await?;
        if known.is_none() {
            let value = ring.active().check_value().map_err(Error::unavailable)?;
            let absent = Precondition { key: key.clone(), expected: Expected::Absent };
            match self.record.put([(key.clone(), value)], vec![absent], now).await {
                Ok(()) => {}
                // Another gateway was first.
                Err(Error::PreconditionFailed(_)) => known = self.record.get(key, now).await?,
                Err(error) => return Err(error),
            }
        }
        if let Some(known) = known
            && !seeded("encrypt/seals-under-another-key-of-a-known-id")
        {
            ring.verify(id, &known.value).map_err(Error::unavailable)?;
        }
        recorded().insert(namespace.clone(), began + REMEMBERED_FOR);
        Ok(())
    }
}
