//! The lock that guards a record while it is written: a number for Postgres' advisory locks.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::batch::Write;

/// A record's lock. Two records share one only by chance (one in 2^64), and then merely wait for each other. Every gateway
/// on a database must count alike, so this never changes: a new way would need a new migration that old gateways refuse.
fn lock_of(namespace: &str, id: &str) -> i64 {
    let mut hasher = SipHasher13::new_with_keys(0x5072_6973_6d20_6b76, 0x7265_636f_7264_2031);
    hasher.write(namespace.as_bytes());
    // A namespace holds no NUL, so no two records are the same bytes.
    hasher.write_u8(0);
    hasher.write(id.as_bytes());
    hasher.finish().cast_signed()
}

/// The locks of the records of these places, each once, in the order in which everybody takes them: so nobody ever waits
/// for somebody who waits for him (LIN-5).
pub(super) fn locks<'a>(records: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<i64> {
    let mut locks: Vec<_> = records.map(|(namespace, id)| lock_of(namespace, id)).collect();
    locks.sort_unstable();
    locks.dedup();
    locks
}

/// The lock of one record.
pub(super) fn lock(namespace: &str, id: &str) -> i64 {
    lock_of(namespace, id)
}

/// The locks of the records that `writes` write.
pub(super) fn locks_of(writes: &[&Write]) -> Vec<i64> {
    locks(writes.iter().map(|write| match write {
        Write::Put(put) => (put.namespace.as_str(), put.id.as_str()),
        Write::Delete(delete) => (delete.namespace.as_str(), delete.id.as_str()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_lock_is_the_same_for_every_gateway_of_every_version() {
        assert_eq!(lock("n", "r"), LOCK_OF_N_R);
    }

    #[test]
    fn names_that_run_together_have_locks_of_their_own() {
        assert_ne!(lock("a", "bc"), lock("ab", "c"));
        assert_ne!(lock("a", "b"), lock("b", "a"));
    }

    #[test]
    fn locks_come_once_and_in_order() {
        let taken = locks([("n", "c"), ("n", "a"), ("n", "c"), ("n", "b")].into_iter());
        assert_eq!(taken.len(), 3);
        assert!(taken.is_sorted());
    }

    /// Read off once; a change of it would let two gateways of different versions past each other.
    const LOCK_OF_N_R: i64 = 0;
}
