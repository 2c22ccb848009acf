//! The highest acknowledged version of each record: the lower bound for later reads.

use std::sync::atomic::{AtomicI64, Ordering};

/// One version per record; 0: none acknowledged.
#[derive(Debug)]
pub struct Versions(Box<[AtomicI64]>);

impl Versions {
    /// For records `0..records`, none acknowledged yet.
    pub fn new(records: u64) -> Self {
        Self((0..records).map(|_| AtomicI64::new(0)).collect())
    }

    /// The highest version acknowledged so far. Call it before a read begins.
    pub fn floor(&self, record: u64) -> i64 {
        self.slot(record).map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    /// Records a version acknowledged by a write.
    pub fn acknowledged(&self, record: u64, version: i64) {
        if let Some(slot) = self.slot(record) {
            slot.fetch_max(version, Ordering::AcqRel);
        }
    }

    /// Checks the `version` returned by a read that began with the bound `floor` (rule LIN-1).
    ///
    /// # Errors
    /// The version is stale.
    pub fn check(record: u64, floor: i64, version: i64) -> Result<(), String> {
        if version < floor {
            return Err(format!(
                "record r{record}: a stale answer: version {version}, but {floor} was acknowledged before the read began"
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
    fn only_a_version_below_the_floor_is_stale() {
        assert_eq!(Versions::check(3, 5, 5), Ok(()));
        assert_eq!(Versions::check(3, 5, 6), Ok(()));
        let why = Versions::check(3, 5, 4).unwrap_err();
        assert!(why.contains("stale") && why.contains("r3"), "{why}");
    }

    #[test]
    fn out_of_order_acknowledgements_keep_the_highest() {
        let versions = Versions::new(2);
        versions.acknowledged(1, 9);
        versions.acknowledged(1, 4);
        assert_eq!((versions.floor(0), versions.floor(1)), (0, 9));
    }
}
