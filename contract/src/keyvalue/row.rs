//! The rules about a single key, as pure functions: the outcome of a write, given the store's row of the key.
//!
//! A store keeps a [`Row`] for every live key, and for every dead key whose token must be kept (TOK-4). Backends share
//! these functions; the suite's model deliberately does not.

use std::time::Duration;

use crate::Timestamp;

/// Default retention of tombstones (TOK-4).
pub const DEFAULT_RETENTION: Duration = Duration::from_hours(24);

/// A store's row of a key, without the value and the client's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Version of the last applied write.
    pub version: i64,
    /// Highest token the key has seen; 0: none.
    pub token: i64,
    /// When the item was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it expires; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was deleted; `None`: it was not. Separate from `expires_at`, so that a gateway whose clock is behind does not
    /// see a deleted item again (DEL-1).
    pub deleted_at: Option<Timestamp>,
}

impl Row {
    /// When the key died, as of `now`; `None`: it is live (TTL-1).
    pub fn dead_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.deleted_at.or_else(|| self.expires_at.filter(|at| *at <= now))
    }

    /// Whether the key holds a live item at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.dead_since(now).is_none()
    }

    /// The token that counts at `now`: the highest seen, or 0 once the key has been dead for `retention`.
    pub fn remembered_token(&self, now: Timestamp, retention: Duration) -> i64 {
        match self.dead_since(now) {
            Some(since) if since.saturating_add(retention) <= now => 0,
            Some(_) | None => self.token,
        }
    }

    /// Whether a sweep may drop the row at `now`.
    pub fn is_forgotten(&self, now: Timestamp, retention: Duration) -> bool {
        !self.is_live(now) && self.remembered_token(now, retention) == 0
    }
}

/// The version a precondition compares with: the live item's, or 0 (COND-2).
pub fn current_version(row: Option<&Row>, now: Timestamp) -> i64 {
    row.filter(|row| row.is_live(now)).map_or(0, |row| row.version)
}

/// The outcome of a Put for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Write the item with these values and a new version.
    Apply {
        /// That of the live item that is replaced, else `now` (PUT-5).
        created_at: Timestamp,
        /// `now`, never before `created_at` (PUT-5).
        updated_at: Timestamp,
        /// The highest token seen, this write's included (TOK-2).
        token: i64,
    },
    /// Leave the key unchanged; it has seen this token or a higher one (TOK-1).
    Superseded {
        /// The live item's version; 0: absent.
        version: i64,
    },
}

/// The outcome of a Put with `token` for a key with this row.
pub fn put(row: Option<&Row>, token: i64, now: Timestamp, retention: Duration) -> PutOutcome {
    let seen = row.map_or(0, |row| row.remembered_token(now, retention));
    if token > 0 && token <= seen {
        return PutOutcome::Superseded { version: current_version(row, now) };
    }
    let created_at = row.filter(|row| row.is_live(now)).map_or(now, |row| row.created_at);
    PutOutcome::Apply { created_at, updated_at: now.max(created_at), token: token.max(seen) }
}

/// The outcome of a Delete for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// Leave the key unchanged, and do not count it.
    Keep,
    /// Remove the live item and count it; with a token above 0, leave a tombstone with it (TOK-4).
    Remove {
        /// The tombstone's token; 0: no tombstone.
        token: i64,
    },
    /// There is no live item, but the token must be kept (TOK-4); not counted.
    Remember {
        /// The tombstone's token; above 0.
        token: i64,
    },
}

/// The outcome of a Delete for a matching key. `named`: `match_keys` named the key; only then does a Delete leave a
/// tombstone where there is no live item (TOK-4).
pub fn delete(
    row: Option<&Row>,
    token: i64,
    named: bool,
    now: Timestamp,
    retention: Duration,
) -> DeleteOutcome {
    let seen = row.map_or(0, |row| row.remembered_token(now, retention));
    if token > 0 && token <= seen {
        return DeleteOutcome::Keep;
    }
    if row.is_some_and(|row| row.is_live(now)) {
        DeleteOutcome::Remove { token: token.max(seen) }
    } else if named && token > 0 {
        DeleteOutcome::Remember { token }
    } else {
        DeleteOutcome::Keep
    }
}

/// The tombstone of a Delete, which keeps `token`; `row` is the row before the Delete.
pub fn tombstone(row: Option<&Row>, token: i64, now: Timestamp) -> Row {
    Row {
        version: row.map_or(0, |row| row.version),
        token,
        created_at: row.map_or(now, |row| row.created_at),
        updated_at: row.map_or(now, |row| row.updated_at),
        expires_at: None,
        deleted_at: Some(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn live(token: i64) -> Row {
        Row {
            version: 7,
            token,
            created_at: at(100),
            updated_at: at(200),
            expires_at: None,
            deleted_at: None,
        }
    }

    #[test]
    fn an_item_is_live_strictly_before_expires_at() {
        let row = Row { expires_at: Some(at(500)), ..live(0) };
        assert!(row.is_live(at(499)));
        assert!(!row.is_live(at(500)));
    }

    #[test]
    fn a_deleted_item_is_dead_even_for_an_earlier_now() {
        let row = tombstone(Some(&live(3)), 3, at(500));
        assert!(!row.is_live(at(400)));
    }

    #[test]
    fn a_token_applies_only_above_the_highest_seen_and_zero_always() {
        let apply = |token| matches!(put(Some(&live(5)), token, at(900), HOUR), PutOutcome::Apply { .. });
        assert!(!apply(4));
        assert!(!apply(5));
        assert!(apply(6));
        assert!(apply(0));
        assert_eq!(put(Some(&live(5)), 5, at(900), HOUR), PutOutcome::Superseded { version: 7 });
    }

    #[test]
    fn token_zero_leaves_the_highest_token_unchanged() {
        let outcome = put(Some(&live(5)), 0, at(900), HOUR);
        let kept = PutOutcome::Apply { created_at: at(100), updated_at: at(900), token: 5 };
        assert_eq!(outcome, kept);
    }

    #[test]
    fn created_at_survives_an_overwrite_and_never_passes_updated_at() {
        let outcome = put(Some(&live(0)), 0, at(50), HOUR);
        let kept = PutOutcome::Apply { created_at: at(100), updated_at: at(100), token: 0 };
        assert_eq!(outcome, kept);
    }

    #[test]
    fn created_at_is_new_after_a_delete_and_after_expiry() {
        let expired = Row { expires_at: Some(at(300)), ..live(0) };
        let fresh = PutOutcome::Apply { created_at: at(900), updated_at: at(900), token: 0 };
        assert_eq!(put(Some(&expired), 0, at(900), HOUR), fresh);
        let fresh = PutOutcome::Apply { created_at: at(900), updated_at: at(900), token: 5 };
        assert_eq!(put(Some(&tombstone(None, 5, at(300))), 0, at(900), HOUR), fresh);
    }

    #[test]
    fn a_tombstone_is_honoured_strictly_before_its_retention_ends() {
        let row = tombstone(None, 5, at(1_000));
        let end = at(1_000).saturating_add(HOUR);
        assert_eq!(row.remembered_token(at(end.as_micros() - 1), HOUR), 5);
        assert_eq!(row.remembered_token(end, HOUR), 0);
        assert!(row.is_forgotten(end, HOUR));
    }

    #[test]
    fn expiry_keeps_the_token_for_the_retention() {
        let row = Row { expires_at: Some(at(1_000)), ..live(5) };
        assert_eq!(put(Some(&row), 5, at(1_001), HOUR), PutOutcome::Superseded { version: 0 });
    }

    #[test]
    fn a_delete_remembers_its_token_for_absent_keys_only_where_it_named_them() {
        assert_eq!(delete(None, 5, true, at(1), HOUR), DeleteOutcome::Remember { token: 5 });
        assert_eq!(delete(None, 5, false, at(1), HOUR), DeleteOutcome::Keep);
        assert_eq!(delete(None, 0, true, at(1), HOUR), DeleteOutcome::Keep);
    }

    #[test]
    fn a_delete_without_a_token_keeps_the_token_the_item_had() {
        assert_eq!(delete(Some(&live(5)), 0, false, at(900), HOUR), DeleteOutcome::Remove { token: 5 });
        assert_eq!(delete(Some(&live(0)), 0, false, at(900), HOUR), DeleteOutcome::Remove { token: 0 });
    }

    #[test]
    fn a_delete_whose_token_is_not_greater_leaves_item_and_tombstone_alone() {
        assert_eq!(delete(Some(&live(5)), 5, true, at(900), HOUR), DeleteOutcome::Keep);
        let row = tombstone(None, 5, at(800));
        assert_eq!(delete(Some(&row), 4, true, at(900), HOUR), DeleteOutcome::Keep);
        assert_eq!(delete(Some(&row), 6, true, at(900), HOUR), DeleteOutcome::Remember { token: 6 });
    }
}
