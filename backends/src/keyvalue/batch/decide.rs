//! Decides the writes of a batch in order, each against the rows as left by those before it.

use prism_contract::keyvalue::row::{self, DeleteOutcome, PutOutcome, Row};
use prism_contract::keyvalue::{Delete, Precondition, Predicate, Put, PutResult};
use prism_contract::{Error, PreconditionFailure, Timestamp};

use super::{Change, Overlay};
use crate::keyvalue::Request;

/// The decision about a write.
pub(crate) enum Decision<'a> {
    /// The result of a Put; its changes are pending.
    Put(Result<Vec<PutResult>, Error>),
    /// The result of a Delete, the number of live items removed; its changes are pending.
    Delete(Result<u64, Error>),
    /// The store must execute this Delete: its predicate is not a list of keys. Pending changes must be written first.
    ByStore(&'a Delete),
}

impl<'a> Overlay<'a> {
    /// Decides the write with this index, after all before it. A write that fails changes nothing (PUT-6).
    pub(crate) fn decide(&mut self, number: usize) -> Decision<'a> {
        let touched = std::mem::take(&mut self.touched[number]);
        match self.requests[number] {
            Request::Put(put) => {
                let (items, guarded) = touched.split_at(put.items.len());
                let checked = self.check(&put.preconditions, guarded, put.now);
                Decision::Put(checked.and_then(|()| self.put(put, items)))
            }
            Request::Delete(delete) => {
                let (keys, guarded) = touched.split_at(touched.len() - delete.preconditions.len());
                match (self.check(&delete.preconditions, guarded, delete.now), &delete.predicate) {
                    (Err(error), _) => Decision::Delete(Err(error)),
                    (Ok(()), Predicate::Keys(_)) => Decision::Delete(Ok(self.delete(delete, keys))),
                    (Ok(()), Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_)) => {
                        Decision::ByStore(delete)
                    }
                }
            }
        }
    }

    /// Checks a write's preconditions; the error lists all that fail (COND-1).
    fn check(&self, preconditions: &[Precondition], guarded: &[usize], now: Timestamp) -> Result<(), Error> {
        let failures: Vec<_> = preconditions
            .iter()
            .zip(guarded)
            .filter_map(|(precondition, &slot)| {
                let current_version = row::current_version(self.slots[slot].row.as_ref(), now);
                (!precondition.holds(current_version)).then(|| PreconditionFailure {
                    key: precondition.key.clone().into_bytes(),
                    current_version,
                })
            })
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(Error::PreconditionFailed(failures)) }
    }

    fn put(&mut self, put: &'a Put, items: &[usize]) -> Result<Vec<PutResult>, Error> {
        let results = put.items.iter().zip(items).map(|(item, &slot)| {
            let slot = &mut self.slots[slot];
            Ok(match row::put(slot.row.as_ref(), put.token, put.now, self.retention) {
                PutOutcome::Superseded { version } => PutResult { applied: false, version },
                PutOutcome::Apply { created_at, updated_at, token } => {
                    let version = self.versions.next();
                    let version = version.ok_or_else(|| Error::internal("too few versions were reserved"))?;
                    let expires_at = put.expires_at;
                    let row = Row { version, token, created_at, updated_at, expires_at, deleted_at: None };
                    slot.row = Some(row);
                    slot.pending = Some(Change::Item(row, item));
                    PutResult { applied: true, version }
                }
            })
        });
        results.collect()
    }

    /// A Delete by `match_keys`.
    fn delete(&mut self, delete: &Delete, keys: &[usize]) -> u64 {
        let mut removed = 0;
        for &slot in keys {
            let slot = &mut self.slots[slot];
            let seen = slot.row.as_ref();
            let remember = match row::delete(seen, delete.token, true, delete.now, self.retention) {
                DeleteOutcome::Keep => continue,
                DeleteOutcome::Remove { token } => {
                    removed += 1;
                    token
                }
                DeleteOutcome::Remember { token } => token,
            };
            if remember > 0 {
                let row = row::tombstone(seen, remember, delete.now);
                slot.row = Some(row);
                slot.pending = Some(Change::Tombstone(row));
            } else {
                slot.row = None;
                slot.pending = Some(Change::Remove);
            }
        }
        removed
    }
}
