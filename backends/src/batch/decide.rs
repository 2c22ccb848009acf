//! Deciding one write after the other against the rows as the batch has made them.

use prism_contract::keyvalue::row::{self, DeleteOutcome, PutOutcome, Row};
use prism_contract::keyvalue::{Delete, Predicate, Put, PutResult};
use prism_contract::{Error, PreconditionFailure, Timestamp};

use super::{Change, Overlay, Write, Written};

/// What is to be done about a write.
pub(crate) enum Decision<'a> {
    /// It is decided; its changes are pending.
    Answer(Written),
    /// The store must do this one itself: its predicate is not a list of keys. The changes pending come first.
    ByStore(&'a Delete),
}

impl<'a> Overlay<'a> {
    /// Decides the write with this number; all before it have been decided. A write that fails leaves no trace (PUT-6).
    pub(crate) fn decide(&mut self, number: usize) -> Result<Decision<'a>, Error> {
        let touched = std::mem::take(&mut self.touched[number]);
        let write = self.writes[number];
        let (now, items) = match write {
            Write::Put(put) => (put.now, put.items.len()),
            Write::Delete(delete) => (delete.now, touched.len() - delete.preconditions.len()),
        };
        let (items, guarded) = touched.split_at(items);
        self.check(write, guarded, now)?;
        Ok(match write {
            Write::Put(put) => Decision::Answer(self.put(put, items)?),
            Write::Delete(delete) => match &delete.predicate {
                Predicate::Keys(_) => Decision::Answer(self.delete(delete, items)),
                Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => Decision::ByStore(delete),
            },
        })
    }

    /// All of a write's preconditions hold, or all that do not (COND-1).
    fn check(&self, write: &Write, guarded: &[usize], now: Timestamp) -> Result<(), Error> {
        let said = write.preconditions().iter().zip(guarded);
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

    fn put(&mut self, put: &'a Put, items: &[usize]) -> Result<Written, Error> {
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
        Ok(Written::Put(results.collect::<Result<_, _>>()?))
    }

    /// A Delete of named keys.
    fn delete(&mut self, delete: &Delete, keys: &[usize]) -> Written {
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
        Written::Deleted(removed)
    }
}
