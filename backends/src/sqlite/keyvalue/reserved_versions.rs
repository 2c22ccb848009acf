//! Versions that were drawn from the database's counter ahead of the writes that they are for, so that a write changes no row
//! but its items'.
//!
//! They are good for as long as the counter stands where drawing them left it: then no process has drawn
//! since, and each is higher than any version that was given to an item (VER-1). Who finds the counter elsewhere draws anew.
//! What is left is put back when the store is closed; where its process is killed, nothing ever has those versions (VER-2).

/// Most versions that are drawn ahead.
const MOST: i64 = 1_024;

/// The versions that a writer has drawn.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct ReservedVersions {
    held: Option<Held>,
    /// How many versions were given to items: it draws no more ahead, so that the numbers of a small store stay small.
    given: i64,
}

/// Versions that may still be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Held {
    /// The version before the first that can be given.
    pub(in crate::sqlite) before: i64,
    /// The last that can be given, where the counter stood.
    pub(in crate::sqlite) last: i64,
}

/// What a transaction drew and gave; of use once it is committed.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Drawn {
    /// How many versions it gave to items.
    pub(in crate::sqlite) given: i64,
    /// The last of them, or the one before those that it could have given.
    pub(in crate::sqlite) before: i64,
    /// Where it left the counter.
    pub(in crate::sqlite) last: i64,
}

impl ReservedVersions {
    /// Versions for `count` items, if there are as many.
    pub(in crate::sqlite) fn with(&self, count: i64) -> Option<Held> {
        self.held.filter(|held| held.last - held.before >= count)
    }

    /// The version before those that can be given where the counter stands at `last`.
    pub(in crate::sqlite) fn before(&self, last: i64) -> i64 {
        match self.held {
            Some(held) if held.last == last => held.before,
            _ => last,
        }
    }

    /// What is left.
    pub(in crate::sqlite) fn left(&self) -> Option<Held> {
        self.with(1)
    }

    /// How many versions to draw ahead, beside those that are needed.
    pub(in crate::sqlite) fn ahead(&self) -> i64 {
        self.given.min(MOST)
    }

    /// A transaction was committed.
    pub(in crate::sqlite) fn put_back(&mut self, Drawn { given, before, last }: Drawn) {
        self.held = Some(Held { before, last });
        self.given = self.given.saturating_add(given);
    }

    /// A transaction begins: until it is committed, it is not known which of the versions are still to be given.
    pub(in crate::sqlite) fn take_out(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_range_gives_what_it_has_and_only_where_the_counter_stands_as_it_left_it() {
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
    fn no_more_is_drawn_ahead_than_was_given() {
        let mut reserved_versions = ReservedVersions::default();
        assert_eq!(reserved_versions.ahead(), 0);
        reserved_versions.put_back(Drawn { given: 3, before: 3, last: 3 });
        assert_eq!(reserved_versions.ahead(), 3);
        reserved_versions.put_back(Drawn { given: i64::MAX, before: 3, last: 3 });
        assert_eq!(reserved_versions.ahead(), MOST);
    }
}
