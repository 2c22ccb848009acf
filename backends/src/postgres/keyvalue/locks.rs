//! The advisory lock of a record, which is held while it is written.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The lock ids of one schema's records. Advisory locks are per database, which several schemas may share, so each schema
/// has its own seed.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) struct Locks {
    /// The schema's random seed, drawn at its creation.
    seed: u64,
}

impl Locks {
    pub(in crate::postgres) fn new(seed: i64) -> Self {
        Self { seed: seed.cast_unsigned() }
    }

    /// A record's lock id. Two records share one only by chance (one in 2^64), and then merely wait for each other. All
    /// gateways on a database must compute the same ids, so this never changes: a new scheme would need a migration, which
    /// old gateways refuse.
    pub(in crate::postgres) fn of(self, namespace: &str, id: &str) -> i64 {
        self.hash(&[namespace.as_bytes(), id.as_bytes()])
    }

    /// The lock id of the sweep. No record hashes the same bytes: a record's namespace is not empty.
    pub(in crate::postgres) fn of_sweep(self) -> i64 {
        self.hash(&[b"", b"sweep"])
    }

    /// The lock ids of these records, each once, in the order in which every process takes them, which prevents deadlocks
    /// (LIN-5).
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
        // A namespace has no NUL, so no two records hash the same bytes.
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
        // A recorded value: with another one, two gateways of different versions would not exclude each other.
        assert_eq!(LOCKS.of("n", "r"), 4_771_427_963_266_526_584);
    }

    #[test]
    fn records_of_another_schema_have_other_locks() {
        assert_ne!(LOCKS.of("n", "r"), Locks::new(8).of("n", "r"));
        assert_ne!(LOCKS.of_sweep(), Locks::new(8).of_sweep());
    }

    #[test]
    fn names_with_the_same_concatenation_have_different_locks() {
        assert_ne!(LOCKS.of("a", "bc"), LOCKS.of("ab", "c"));
        assert_ne!(LOCKS.of("a", "b"), LOCKS.of("b", "a"));
    }

    #[test]
    fn locks_are_unique_and_sorted() {
        let taken = LOCKS.of_all([("n", "c"), ("n", "a"), ("n", "c"), ("n", "b")].into_iter());
        assert_eq!(taken.len(), 3);
        assert!(taken.is_sorted());
    }
}
