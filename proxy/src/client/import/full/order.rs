//! Keeping the order of versions: items are written several at once, and the versions they are given say whether the order
//! came out.
//!
//! No backend promises in which order it does writes that wait together, and waiting for each one alone would cost a
//! commit each. So a window of items is written at once; an item whose new version is not above that of the item before
//! it is written again. A backend that takes writes as they come never has to; for one that does not, the window shrinks
//! until it hardly has to.

use futures::future::join_all;
use prism_contract::Error;
use prism_contract::keyvalue::Entry;

use super::place::{Places, Trouble};

/// Writes items in the order of their versions.
pub(super) struct Restore<'a> {
    places: Places<'a>,
    most: usize,
    width: usize,
    /// The highest version given so far.
    above: i64,
    /// Items written again, since their versions did not rise.
    pub(super) late: u64,
}

impl<'a> Restore<'a> {
    /// Writes to `places`, at most `most` items at once, at least 1.
    pub(super) fn new(places: Places<'a>, most: usize) -> Self {
        Self { places, most, width: most, above: 0, late: 0 }
    }

    /// How many items to write next.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes `entries`, which come in the order of their versions and after those written before; answers what became of
    /// each. The new versions rise in that order.
    pub(super) async fn write(&mut self, entries: &[Entry]) -> Vec<Result<i64, Trouble>> {
        // Apart, so that the last writes of all enter the queue in order, whether or not they needed a first.
        let prepared = join_all(entries.iter().map(|entry| self.places.prepare(entry))).await;
        let finish = entries
            .iter()
            .zip(prepared)
            .map(async |(entry, prepared)| self.places.finish(entry, prepared?).await);
        let mut fates = join_all(finish).await;
        let mut late = 0;
        for (entry, fate) in entries.iter().zip(&mut fates) {
            if let Ok(version) = fate
                && *version <= self.above
            {
                late += 1;
                *fate = self.again(entry, *version).await;
            }
            if let Ok(version) = fate {
                self.above = *version;
            }
        }
        self.late += late;
        self.width = if late == 0 { (self.width + 1).min(self.most) } else { (self.width / 2).max(1) };
        fates
    }

    /// Writes an item alone, once more, so that its version rises above all before.
    async fn again(&self, entry: &Entry, version: i64) -> Result<i64, Trouble> {
        let version = self.places.finish(entry, Some(version)).await?;
        if version > self.above {
            return Ok(version);
        }
        Err(Trouble::Database(Error::internal(
            "versions do not rise from one item to the next here, so their order cannot be kept",
        )))
    }
}
