//! Rules about a single key: liveness, remembered token, and the effect of a write.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::{Key, NewItem, Put, PutResult};

use super::disk::{Cell, Record};
use crate::keyvalue::mutants::{Bug, Flaw};

/// Tombstone retention (TOK-4).
const RETENTION: Duration = Duration::from_hours(24);

/// Clock resolution.
pub(super) const TICK: Duration = Duration::from_micros(1);

impl Flaw {
    /// Whether `cell` has expired at `now` (TTL-1).
    pub(super) fn is_expired(self, cell: &Cell, now: Timestamp) -> bool {
        let Some(end) = cell.expires_at else { return false };
        if self.has(Bug::ExpiresATickEarly) {
            return end <= now.saturating_add(TICK);
        }
        if self.has(Bug::ExpiresThreeSecondsEarly) {
            return end <= now.saturating_add(Duration::from_secs(3));
        }
        if self.has(Bug::ExpiresATickLate) {
            return end < now;
        }
        if self.has(Bug::ExpiresOnlyWhenSwept) {
            return false;
        }
        end <= now
    }

    /// Whether `cell` holds a live item at `now` (TTL-1, TOK-5).
    pub(super) fn is_live(self, cell: &Cell, now: Timestamp) -> bool {
        cell.deleted_at.is_none() && !self.is_expired(cell, now)
    }

    /// The highest token of the key that is still remembered at `now` (TOK-4).
    pub(super) fn remembered(self, cell: &Cell, now: Timestamp) -> i64 {
        let expired = cell.expires_at.filter(|_| self.is_expired(cell, now));
        let Some(dead_since) = cell.deleted_at.or(expired) else { return cell.token };
        if self.has(Bug::ForgetsTombstones) {
            return 0;
        }
        if self.has(Bug::ExpiryForgetsTheToken) && cell.deleted_at.is_none() {
            return 0;
        }
        let a_second = self.has(Bug::ForgetsTombstonesAfterASecond);
        let retention = if a_second { Duration::from_secs(1) } else { RETENTION };
        let end = dead_since.saturating_add(retention);
        let remembered = if self.has(Bug::RemembersATickTooLong) {
            now <= end
        } else if self.has(Bug::ForgetsATickEarly) {
            now.saturating_add(TICK) < end
        } else if self.has(Bug::NeverForgetsTombstones) {
            true
        } else {
            now < end
        };
        if remembered { cell.token } else { 0 }
    }

    /// The version a precondition compares with; 0: the item is absent (COND-2).
    pub(super) fn current_version(self, cell: Option<&Cell>, now: Timestamp) -> i64 {
        let Some(cell) = cell else { return 0 };
        let counts = if self.has(Bug::ExpiredItemBlocksPutIfAbsent) {
            cell.deleted_at.is_none()
        } else if self.has(Bug::TombstoneBlocksPutIfAbsent) || self.has(Bug::PreconditionSeesDeletedItems) {
            !self.is_expired(cell, now)
        } else {
            self.is_live(cell, now)
        };
        if counts { cell.version } else { 0 }
    }

    /// Whether a write with `token` is superseded by the key's highest token `seen` (TOK-1, TOK-2).
    fn is_superseded(self, token: i64, seen: i64) -> bool {
        if self.has(Bug::IgnoresTokens) {
            return false;
        }
        if self.has(Bug::TokenZeroIsCompared) && token == 0 {
            return seen > 0;
        }
        if self.has(Bug::TokenAtLeastInsteadOfGreater) {
            return token > 0 && token < seen;
        }
        token > 0 && token <= seen
    }

    /// The highest token after an applied write with `token` (TOK-2).
    fn highest(self, token: i64, seen: i64) -> i64 {
        if self.has(Bug::TokenZeroClears) && token == 0 {
            return 0;
        }
        if self.has(Bug::TokenZeroRaises) && token == 0 {
            return seen + i64::from(seen > 0);
        }
        token.max(seen)
    }

    /// Applies a Put to one key (PUT, VER, TOK and TTL rules).
    pub(super) fn put_item(
        self,
        record: &mut Record,
        last_version: &mut i64,
        item: NewItem,
        put: &Put,
    ) -> PutResult {
        let slot = self.slot(&item.key);
        let old = record.get(&slot);
        let live = old.filter(|cell| self.is_live(cell, put.now));
        let seen = old.map_or(0, |cell| self.remembered(cell, put.now));
        if self.is_superseded(put.token, seen) {
            let version = live.map_or(0, |cell| cell.version);
            if self.has(Bug::SupersededPutTouchesUpdatedAt) {
                record.entry(slot).and_modify(|cell| cell.updated_at = put.now);
            }
            return PutResult {
                applied: self.has(Bug::SupersededPutSaysApplied),
                version: if self.has(Bug::SupersededPutHasNoVersion) { 0 } else { version },
            };
        }
        let version = self.next_version(record, old, live, last_version);
        let cell = self.written(item, old, live, version, self.highest(put.token, seen), put);
        record.insert(slot, cell);
        PutResult { applied: true, version }
    }

    /// Whether any item of `put` is superseded.
    pub(super) fn is_any_superseded(self, record: &Record, put: &Put) -> bool {
        let mut seen = put.items.iter().filter_map(|item| record.get(&self.slot(&item.key)));
        seen.any(|cell| self.is_superseded(put.token, self.remembered(cell, put.now)))
    }

    /// Result of a Put for a key that it leaves unchanged (TOK-1).
    pub(super) fn unchanged_result(self, record: &Record, item: &NewItem, now: Timestamp) -> PutResult {
        let live = record.get(&self.slot(&item.key)).filter(|cell| self.is_live(cell, now));
        PutResult { applied: false, version: live.map_or(0, |cell| cell.version) }
    }

    /// A new version of the key (VER-1, VER-2).
    fn next_version(self, record: &Record, old: Option<&Cell>, live: Option<&Cell>, last: &mut i64) -> i64 {
        *last += 1;
        if self.has(Bug::OverwriteKeepsTheVersion) {
            return live.map_or(*last, |cell| cell.version);
        }
        if self.has(Bug::ReusesVersionAfterDelete) {
            return old.map_or(1, |cell| cell.version + 1);
        }
        if self.has(Bug::ReusesVersionAfterExpiry) && old.is_some() && live.is_none() {
            return 1;
        }
        if self.has(Bug::VersionPerRecordStartsOver) {
            return record.values().map(|cell| cell.version).max().unwrap_or(0) + 1;
        }
        *last
    }

    /// The cell that an applied Put stores (PUT-1, PUT-5, RT-5, TTL-2).
    fn written(
        self,
        item: NewItem,
        old: Option<&Cell>,
        live: Option<&Cell>,
        version: i64,
        token: i64,
        put: &Put,
    ) -> Cell {
        let NewItem { key, mut value, mut content_type, mut compression } = item;
        let mut created_at = live.map_or(put.now, |cell| cell.created_at);
        if self.has(Bug::ResetsCreatedAt) {
            created_at = put.now;
        }
        if self.has(Bug::CreatedAtSurvivesDelete) {
            created_at = old.map_or(put.now, |cell| cell.created_at);
        }
        let mut updated_at = put.now.max(created_at);
        if self.has(Bug::OverwriteKeepsUpdatedAt) {
            updated_at = live.map_or(put.now, |cell| cell.updated_at);
        }
        let mut expires_at = put.expires_at;
        if self.has(Bug::KeepsTtlOnOverwrite) {
            expires_at = put.expires_at.or_else(|| live.and_then(|cell| cell.expires_at));
        }
        if self.has(Bug::RoundsTimesToMillis) {
            let millis = |at: Timestamp| Timestamp::from_micros(at.as_micros() / 1_000 * 1_000).unwrap_or(at);
            (created_at, updated_at) = (millis(created_at), millis(updated_at));
        }
        if self.has(Bug::KeepsOldContentType) && content_type.is_empty() {
            content_type = live.map_or_else(String::new, |cell| cell.content_type.clone());
        }
        if self.has(Bug::DropsContentType) {
            content_type.clear();
        }
        if self.has(Bug::DropsCompression) {
            compression = 0;
        }
        if self.has(Bug::ForgetsUnknownCompressions) && !(0..=4).contains(&compression) {
            compression = 0;
        }
        if self.has(Bug::TruncatesAtNul) {
            value.truncate(value.iter().position(|&byte| byte == 0).unwrap_or(value.len()));
        }
        if self.has(Bug::ReadsValuesAsUtf8) {
            value = String::from_utf8_lossy(&value).into_owned().into();
        }
        if self.has(Bug::CutsLongValues) {
            value.truncate((1 << 20) - 1);
        }
        Cell {
            key,
            value,
            content_type,
            compression,
            version,
            token,
            created_at,
            updated_at,
            expires_at,
            deleted_at: None,
        }
    }

    /// Applies a Delete to one selected key; returns whether it counts (DEL-2, TOK-1, TOK-4).
    pub(super) fn delete_item(
        self,
        record: &mut Record,
        slot: &[u8],
        named: Option<&Key>,
        token: i64,
        now: Timestamp,
    ) -> bool {
        let old = record.get(slot);
        let live = old.is_some_and(|cell| self.is_live(cell, now));
        let seen = old.map_or(0, |cell| self.remembered(cell, now));
        let token = if self.has(Bug::DeleteIgnoresItsToken) { 0 } else { token };
        if self.is_superseded(token, seen) {
            if self.has(Bug::SupersededDeleteRenewsTheTombstone) {
                record.entry(slot.to_vec()).and_modify(|cell| cell.deleted_at = cell.deleted_at.map(|_| now));
            }
            return live && self.has(Bug::SupersededDeleteCounts);
        }
        let counts = if self.has(Bug::CountsExpiredItemsAsDeleted) {
            old.is_some_and(|cell| cell.deleted_at.is_none())
        } else if self.has(Bug::CountsTombstonesAsDeleted) {
            old.is_some()
        } else if self.has(Bug::CountsNamedKeys) {
            live || named.is_some()
        } else {
            live
        };
        let leaves_absent_alone = named.is_none() && !self.has(Bug::RangeDeleteRaisesTombstones);
        if !live && (token == 0 || leaves_absent_alone) {
            return counts;
        }
        let mut remembered = self.highest(token, seen);
        if self.has(Bug::ForgetsTombstonesAfterADeleteWithoutToken) {
            remembered = token;
        }
        if self.has(Bug::ForgetsTokensOfAbsentKeys) && !live {
            return counts;
        }
        let keeps = remembered > 0
            || self.has(Bug::ScanShowsDeletedItems)
            || self.has(Bug::PreconditionSeesDeletedItems)
            || self.has(Bug::CreatedAtSurvivesDelete);
        let old = record.remove(slot);
        if keeps {
            let died = |cell: &Cell| match cell.expires_at {
                Some(expiry) if self.has(Bug::TombstoneCountsFromTheExpiry) => expiry,
                Some(_) | None => now,
            };
            let dead = |cell: Cell| Cell {
                token: remembered,
                deleted_at: Some(died(&cell)),
                expires_at: None,
                ..cell
            };
            let cell = old.or_else(|| named.map(|key| empty_cell(key.clone(), now)));
            record.extend(cell.map(|cell| (slot.to_vec(), dead(cell))));
        }
        counts
    }
}

/// Base of a tombstone for a key that was never written.
fn empty_cell(key: Key, now: Timestamp) -> Cell {
    Cell {
        key,
        value: bytes::Bytes::new(),
        content_type: String::new(),
        compression: 0,
        version: 0,
        token: 0,
        created_at: now,
        updated_at: now,
        expires_at: None,
        deleted_at: None,
    }
}
