//! The highest version of each record that a server has acknowledged: what a later read must not fall behind.

use std::sync::atomic::{AtomicI64, Ordering};

/// One version for each record; 0 where none was acknowledged.
#[derive(Debug)]
pub struct Versions(Box<[AtomicI64]>);

impl Versions {
    /// None acknowledged yet, for records `0..records`.
    pub fn new(records: u64) -> Self {
        Self((0..records).map(|_| AtomicI64::new(0)).collect())
    }

    /// The highest version acknowledged so far. To be asked before a read begins.
    pub fn floor(&self, record: u64) -> i64 {
        self.slot(record).map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    /// A write was acknowledged with this version.
    pub fn acknowledged(&self, record: u64, version: i64) {
        if let Some(slot) = self.slot(record) {
            slot.fetch_max(version, Ordering::AcqRel);
        }
    }

    /// Whether a read that began when the floor was `floor` may answer `version` (rule LIN-1).
    ///
    /// # Errors
    /// Says how far behind it is.
    pub fn check(record: u64, floor: i64, version: i64) -> Result<(), String> {
        if version < floor {
            return Err(format!(
                "record r{record}: a stale answer: version {version}, and {floor} was acknowledged before the read began"
            ));
        }
        Ok(())
    }

    fn slot(&self, record: u64) -> Option<&AtomicI64> {
        self.0.get(usize::try_from(record).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_below_the_floor_is_stale_and_the_floor_itself_is_not() {
        assert_eq!(Versions::check(3, 5, 5), Ok(()));
        assert_eq!(Versions::check(3, 5, 6), Ok(()));
        let why = Versions::check(3, 5, 4).unwrap_err();
        assert!(why.contains("stale") && why.contains("r3"), "{why}");
    }

    #[test]
    fn acknowledgements_that_overtake_each_other_leave_the_highest() {
        let versions = Versions::new(2);
        versions.acknowledged(1, 9);
        versions.acknowledged(1, 4);
        assert_eq!((versions.floor(0), versions.floor(1)), (0, 9));
    }
}
