//! The reserved version range: versions drawn from the database's counter in advance, so that a write changes only the rows
//! of its items.
//!
//! The range is valid while the counter has the value that drawing it left: then no process has drawn since, and each
//! version is higher than any used version (VER-1). If the counter differs, new versions are drawn. Unused versions are
//! returned when the store is closed; if its process is killed, they are never used (VER-2).

/// Maximum versions that are drawn in advance.
const MAX_AHEAD: i64 = 1_024;

/// The reserved range of a writer.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct ReservedVersions {
    held: Option<Held>,
    /// Number of versions used so far: no more are drawn in advance, so that the versions of a small store stay small.
    given: i64,
}

/// A range that may still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Held {
    /// The version before the first unused one.
    pub(in crate::sqlite) before: i64,
    /// The last version of the range, the counter's value after drawing it.
    pub(in crate::sqlite) last: i64,
}

/// The versions drawn and used by a transaction; takes effect once it is committed.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Drawn {
    /// Number of versions used.
    pub(in crate::sqlite) given: i64,
    /// The last version used, or the one before the first unused one.
    pub(in crate::sqlite) before: i64,
    /// The counter's value afterwards.
    pub(in crate::sqlite) last: i64,
}

impl ReservedVersions {
    /// The range, if it has at least `count` versions.
    pub(in crate::sqlite) fn with(&self, count: i64) -> Option<Held> {
        self.held.filter(|held| held.last - held.before >= count)
    }

    /// The version before the next one to use, if the counter's value is `last`.
    pub(in crate::sqlite) fn before(&self, last: i64) -> i64 {
        match self.held {
            Some(held) if held.last == last => held.before,
            _ => last,
        }
    }

    /// The unused rest of the range.
    pub(in crate::sqlite) fn left(&self) -> Option<Held> {
        self.with(1)
    }

    /// Number of versions to draw in advance, in addition to those needed.
    pub(in crate::sqlite) fn ahead(&self) -> i64 {
        self.given.min(MAX_AHEAD)
    }

    /// Sets the range after a commit.
    pub(in crate::sqlite) fn put_back(&mut self, Drawn { given, before, last }: Drawn) {
        self.held = Some(Held { before, last });
        self.given = self.given.saturating_add(given);
    }

    /// Clears the range at the beginning of a transaction: until its commit it is not known which versions are unused.
    pub(in crate::sqlite) fn take_out(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_range_is_used_up_and_valid_only_for_its_counter_value() {
        let mut reserved_versions = ReservedVersions::default();
        assert_eq!((reserved_versions.with(1), reserved_versions.before(7)), (None, 7));
        reserved_versions.put_back(Drawn { given: 3, before: 10, last: 14 });
        assert_eq!(reserved_versions.with(4), Some(Held { before: 10, last: 14 }));
        assert_eq!((reserved_versions.with(5), reserved_versions.left()), (None, reserved_versions.with(4)));
        assert_eq!((reserved_versions.before(14), reserved_versions.before(15)), (10, 15));
        reserved_versions.take_out();
        assert_eq!((reserved_versions.with(1), reserved_versions.before(14)), (None, 14));
    }

    #[test]
    fn no_more_versions_are_drawn_in_advance_than_were_used() {
        let mut reserved_versions = ReservedVersions::default();
        assert_eq!(reserved_versions.ahead(), 0);
        reserved_versions.put_back(Drawn { given: 3, before: 3, last: 3 });
        assert_eq!(reserved_versions.ahead(), 3);
        reserved_versions.put_back(Drawn { given: i64::MAX, before: 3, last: 3 });
        assert_eq!(reserved_versions.ahead(), MAX_AHEAD);
    }
}
