//! Deciding one write after the other against the rows as the batch has made them.

use prism_contract::keyvalue::row::{self, DeleteOutcome, PutOutcome, Row};
use prism_contract::keyvalue::{Delete, Precondition, Predicate, Put, PutResult};
use prism_contract::{Error, PreconditionFailure, Timestamp};

use super::{Change, Overlay};
use crate::keyvalue::Request;

/// What is to be done about a write.
pub(crate) enum Decision<'a> {
    /// A Put is decided; its changes are pending.
    Put(Result<Vec<PutResult>, Error>),
    /// A Delete is decided: how many live items it removed. Its changes are pending.
    Delete(Result<u64, Error>),
    /// The store must do this one itself: its predicate is not a list of keys. The changes pending come first.
    ByStore(&'a Delete),
}

impl<'a> Overlay<'a> {
    /// Decides the write with this number; all before it have been decided. A write that fails leaves no trace (PUT-6).
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

    /// All of a write's preconditions hold, or all that do not (COND-1).
    fn check(&self, preconditions: &[Precondition], guarded: &[usize], now: Timestamp) -> Result<(), Error> {
        let said = preconditions.iter().zip(guarded);
        let failures: Vec<_> = said
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
                    let version = version.ok_or_else(|| Error::internal("too few versions were drawn"))?;
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

    /// A Delete of named keys.
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
