//! The lock that guards a record while it is written: a number for Postgres' advisory locks.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// How the records of one schema are numbered. Advisory locks belong to a database, which several schemas may share, so
/// each schema counts by a number of its own.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) struct Locks {
    /// The schema's own number, drawn when it was made.
    seed: u64,
}

impl Locks {
    pub(in crate::postgres) fn new(seed: i64) -> Self {
        Self { seed: seed.cast_unsigned() }
    }

    /// A record's lock. Two records share one only by chance (one in 2^64), and then merely wait for each other. Every
    /// gateway on a database must count alike, so this never changes: a new way would need a new migration, which old
    /// gateways refuse.
    pub(in crate::postgres) fn of(self, namespace: &str, id: &str) -> i64 {
        self.hash(&[namespace.as_bytes(), id.as_bytes()])
    }

    /// The lock of a sweep. No record has it: a record's namespace is not empty.
    pub(in crate::postgres) fn of_sweep(self) -> i64 {
        self.hash(&[b"", b"sweep"])
    }

    /// The locks of these records, each once, in the order in which every process takes them, so that no
    /// two processes ever wait for each other (LIN-5).
    pub(in crate::postgres) fn of_all<'a>(
        self,
        records: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Vec<i64> {
        let mut locks: Vec<_> = records.map(|(namespace, id)| self.of(namespace, id)).collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    fn hash(self, parts: &[&[u8]; 2]) -> i64 {
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0x5072_6973_6d20_6b76);
        hasher.write(parts[0]);
        // A namespace holds no NUL, so no two records are the same bytes.
        hasher.write_u8(0);
        hasher.write(parts[1]);
        hasher.finish().cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: Locks = Locks { seed: 7 };

    #[test]
    fn a_records_lock_is_the_same_for_every_gateway_of_every_version() {
        // Read off once; another number would let two gateways of different versions past each other.
        assert_eq!(LOCKS.of("n", "r"), 4_771_427_963_266_526_584);
    }

    #[test]
    fn records_of_another_schema_have_other_locks() {
        assert_ne!(LOCKS.of("n", "r"), Locks::new(8).of("n", "r"));
        assert_ne!(LOCKS.of_sweep(), Locks::new(8).of_sweep());
    }

    #[test]
    fn names_that_run_together_have_locks_of_their_own() {
        assert_ne!(LOCKS.of("a", "bc"), LOCKS.of("ab", "c"));
        assert_ne!(LOCKS.of("a", "b"), LOCKS.of("b", "a"));
    }

    #[test]
    fn locks_come_once_and_in_order() {
        let taken = LOCKS.of_all([("n", "c"), ("n", "a"), ("n", "c"), ("n", "b")].into_iter());
        assert_eq!(taken.len(), 3);
        assert!(taken.is_sorted());
    }
}
