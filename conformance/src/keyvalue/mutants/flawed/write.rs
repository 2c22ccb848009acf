//! Put and Delete: atomic, and guarded by preconditions.

use prism_contract::keyvalue::{Delete, Expected, Key, Precondition, Predicate, Put, PutResult};
use prism_contract::{Error, PreconditionFailure, Timestamp};

use super::Flawed;
use super::disk::Record;
use crate::keyvalue::mutants::{Bug, Flaw};

impl Flawed {
    /// Writes all items of a Put atomically (PUT-3).
    pub(super) async fn write_items(&self, mut put: Put) -> Result<Vec<PutResult>, Error> {
        let flaw = self.flaw;
        let path = flaw.path(&put.namespace, &put.id);
        let keys: Vec<Key> = put.items.iter().map(|item| item.key.clone()).collect();
        let _locks = if flaw.has(Bug::DeadlocksOnOpposedKeys) {
            Some(self.lock_in_request_order(&keys).await?)
        } else {
            None
        };
        let mut state = self.acquire().await?;
        let refused = flaw.check(&state.record(&path), &put.preconditions, &keys, put.now);
        if flaw.has(Bug::RacingCompareAndSet) && !put.preconditions.is_empty() {
            state = self.open_race_window(state).await?;
        }
        if !flaw.has(Bug::WritesDespiteAFailedPrecondition) {
            refused.clone()?;
        }
        if flaw.has(Bug::StaleReadAfterWrite) {
            let before = state.record(&path);
            state.stale.insert(path.clone(), before);
        }
        let mut record = state.record(&path);
        if flaw.has(Bug::WritesTheWholeRecordBack) {
            state = self.open_race_window(state).await?;
        }
        if flaw.has(Bug::ReplacesTheRecord) {
            record.clear();
        }
        if flaw.has(Bug::SupersededItemFailsTheWholePut) && flaw.is_any_superseded(&record, &put) {
            let unchanged = |item: &_| flaw.unchanged_result(&record, item, put.now);
            return Ok(put.items.iter().map(unchanged).collect());
        }
        if flaw.has(Bug::AppliesHalfABatch) {
            put.items.truncate(put.items.len().div_ceil(2));
        }
        let mut results = Vec::with_capacity(keys.len());
        for item in std::mem::take(&mut put.items) {
            if flaw.has(Bug::LooksUp256ItemsOfAPut) && results.len() >= 256 {
                record.remove(&flaw.slot(&item.key));
            }
            results.push(flaw.put_item(&mut record, &mut state.last_version, item, &put));
            if flaw.has(Bug::TornPut) && results.len() == keys.len() / 2 {
                state.records.insert(path.clone(), record);
                state = self.open_race_window(state).await?;
                record = state.record(&path);
            }
            if flaw.has(Bug::CrashLeavesHalfAPut) && results.len() == keys.len() / 2 {
                state.unfinished = Some((path.clone(), record));
                state = self.open_race_window(state).await?;
                record = state.unfinished.take().map_or_else(Record::new, |(_, half)| half);
            }
        }
        results.resize(keys.len(), PutResult { applied: true, version: state.last_version });
        state.records.insert(path, record);
        refused?;
        Ok(results)
    }

    /// Removes all items that a Delete selects, atomically (DEL-5).
    pub(super) async fn remove_items(&self, delete: Delete) -> Result<u64, Error> {
        let flaw = self.flaw;
        let Delete { namespace, id, predicate, token, preconditions, now } = delete;
        let path = flaw.path(&namespace, &id);
        let mut state = self.acquire().await?;
        if !flaw.has(Bug::DeleteIgnoresPreconditions) {
            flaw.check(&state.record(&path), &preconditions, &[], now)?;
        }
        if flaw.has(Bug::RacingConditionalDelete) && !preconditions.is_empty() {
            state = self.open_race_window(state).await?;
        }
        let mut selected = flaw.selected(&state.record(&path), &predicate);
        if flaw.has(Bug::Deletes256NamedKeys) && matches!(predicate, Predicate::Keys(_)) {
            selected.truncate(256);
        }
        let mut removed = 0;
        for (at, (slot, named)) in selected.iter().enumerate() {
            let halfway = at + 1 == selected.len() / 2;
            let old = state.record(&path).remove(slot);
            let record = state.records.entry(path.clone()).or_default();
            let counts = flaw.delete_item(record, slot, named.as_ref(), token, now);
            removed += u64::from(counts);
            if flaw.has(Bug::DeletesComeBackAfterACrash) {
                state.undeleted.extend(old.map(|old| (path.clone(), old)));
            }
            if flaw.has(Bug::DeleteStopsAtFirst) && counts {
                break;
            }
            let is_range = matches!(predicate, Predicate::Range { .. } | Predicate::Prefix(_));
            if (flaw.has(Bug::TornDelete) || flaw.has(Bug::RangeDeleteTearsPut) && is_range) && halfway {
                state = self.open_race_window(state).await?;
            }
        }
        Ok(removed)
    }
}

impl Flaw {
    /// Checks all preconditions; the error lists each failing one with the key's current version (COND-1).
    fn check(
        self,
        record: &Record,
        preconditions: &[Precondition],
        written: &[Key],
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.has(Bug::ForgetsPreconditions) {
            return Ok(());
        }
        let mut failed = Vec::new();
        for Precondition { key, expected } in preconditions {
            if self.has(Bug::IgnoresPreconditionsOfOtherKeys) && !written.is_empty() && !written.contains(key)
            {
                continue;
            }
            let current = self.current_version(record.get(&self.slot(key)), now);
            let holds = match expected {
                Expected::Absent => current == 0 || self.has(Bug::VersionZeroDemandsNothing),
                Expected::At(version) if self.has(Bug::VersionAtLeastInsteadOfEqual) => {
                    current >= version.get()
                }
                Expected::At(version) => current == version.get(),
            };
            if !holds {
                let current_version =
                    if self.has(Bug::FailedPreconditionWithoutVersions) { 0 } else { current };
                failed.push(PreconditionFailure { key: key.clone().into_bytes(), current_version });
            }
        }
        if self.has(Bug::AnyPreconditionSuffices) && failed.len() < preconditions.len() {
            failed.clear();
        }
        if self.has(Bug::NamesOnlyTheFirstFailingPrecondition) {
            failed.truncate(1);
        }
        if failed.is_empty() { Ok(()) } else { Err(Error::PreconditionFailed(failed)) }
    }

    /// The slots that a Delete affects, each with its key if match_keys named it (DEL-3).
    fn selected(self, record: &Record, predicate: &Predicate) -> Vec<(Vec<u8>, Option<Key>)> {
        if let Predicate::Keys(keys) = predicate {
            return keys.iter().map(|key| (self.slot(key), Some(key.clone()))).collect();
        }
        if self.has(Bug::DeletesTheWholeRecord) {
            return record.keys().map(|slot| (slot.clone(), None)).collect();
        }
        let wider = match predicate {
            Predicate::Prefix(prefix) if self.has(Bug::PrefixDeleteTakesSiblings) => {
                prefix.strip_suffix(b"/").map(|stem| Predicate::Prefix(prefix.slice_ref(stem)))
            }
            _ => None,
        };
        let predicate = wider.as_ref().unwrap_or(predicate);
        let selected = record.iter().filter(|(_, cell)| self.selects(predicate, &cell.key));
        selected.map(|(slot, _)| (slot.clone(), None)).collect()
    }
}
