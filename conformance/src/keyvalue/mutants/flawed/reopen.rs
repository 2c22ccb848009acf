//! Effects of a restart, a crash and a sweep on the data.

use prism_contract::{Swept, Timestamp};

use super::Disk;
use super::disk::{Cell, Record, State};
use super::rules::TICK;
use crate::core::Restart;
use crate::keyvalue::mutants::{Bug, Flaw};

impl Disk {
    /// Reopens the same data after a clean stop or a kill (DUR rules): a correct store keeps all of it.
    pub(in crate::keyvalue::mutants) async fn reopen(&self, flaw: Flaw, how: Restart) {
        let mut state = self.lock().await;
        if flaw.has(Bug::LosesWritesOnReopen) {
            *state = State::default();
        }
        if flaw.has(Bug::LosesTheLastWriteInACrash) && how == Restart::Crash {
            let last = state.last_version;
            state.each_record(|record| record.retain(|_, cell| cell.version != last));
        }
        if flaw.has(Bug::RegressesVersionsOnReopen) {
            let mut highest = 0;
            state.each_record(|record| {
                highest = record.values().map(|cell| cell.version).fold(highest, i64::max);
            });
            state.last_version = highest;
        }
        if flaw.has(Bug::ForgetsTokensOnReopen) {
            state.each_record(|record| record.values_mut().for_each(|cell| cell.token = 0));
        }
        if flaw.has(Bug::ForgetsTombstonesOnReopen) {
            state.each_record(|record| record.retain(|_, cell| cell.deleted_at.is_none()));
        }
        if flaw.has(Bug::ForgetsExpiryOnReopen) {
            state.each_record(|record| record.values_mut().for_each(|cell| cell.expires_at = None));
        }
        let half = state.unfinished.take();
        state.records.extend(half);
        for (path, cell) in std::mem::take(&mut state.undeleted) {
            if how == Restart::Crash {
                state.records.entry(path).or_default().insert(cell.key.to_vec(), cell);
            }
        }
    }
}

impl State {
    fn each_record(&mut self, change: impl FnMut(&mut Record)) {
        self.records.values_mut().for_each(change);
    }

    /// Removes dead cells that are no longer remembered at `now` (TTL-5, TOK-4).
    pub(super) fn sweep(&mut self, flaw: Flaw, now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        self.each_record(|record| {
            record.retain(|_, cell| {
                let dead = !flaw.is_live(cell, now) || flaw.is_swept_too_soon(cell, now);
                let forgotten = flaw.remembered(cell, now) == 0 || flaw.has(Bug::SweepForgetsTombstones);
                let dropped = dead && forgotten;
                swept.tombstones += u64::from(dropped && cell.deleted_at.is_some());
                swept.expired += u64::from(dropped && cell.deleted_at.is_none());
                !dropped
            });
        });
        swept
    }
}

impl Flaw {
    /// Whether a sweep removes an item that is still live (TTL-5: never).
    fn is_swept_too_soon(self, cell: &Cell, now: Timestamp) -> bool {
        let Some(end) = cell.expires_at else { return false };
        if self.has(Bug::SweepsEveryItemWithATtl) {
            return true;
        }
        if self.has(Bug::SweepsATickEarly) {
            return end <= now.saturating_add(TICK);
        }
        self.has(Bug::ExpiresOnlyWhenSwept) && end <= now
    }
}
