//! Keeps the order of versions while writing concurrently: the versions assigned by the database show whether the order held.
//!
//! No backend guarantees the order of concurrent writes, and sequential writes would cost a commit each. So a window of items
//! is written concurrently, and an item whose new version is not above that of the item before it is written again. With a
//! first-in, first-out backend there are no rewrites; with others the window shrinks until they are rare.

use futures::future::join_all;
use prism_contract::Error;
use prism_contract::keyvalue::Entry;

use super::item_writer::{ItemWriter, WriteError};

/// Writes items in the order of their versions.
pub(super) struct OrderedWriter<'a> {
    writer: ItemWriter<'a>,
    max_width: usize,
    width: usize,
    /// The highest version assigned so far.
    highest_version: i64,
    /// Items written again because their versions did not increase.
    pub(super) rewritten: u64,
}

impl<'a> OrderedWriter<'a> {
    /// Writes with `writer`, at most `max_width` items concurrently, at least 1.
    pub(super) fn new(writer: ItemWriter<'a>, max_width: usize) -> Self {
        Self { writer, max_width, width: max_width, highest_version: 0, rewritten: 0 }
    }

    /// The number of items to write next.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes `entries`, which come in the order of their versions and after those written before. Returns the outcome of
    /// each. The new versions increase in that order.
    pub(super) async fn write(&mut self, entries: &[Entry]) -> Vec<Result<i64, WriteError>> {
        // Separate from the last writes, so that those enter the queue in order, whether or not an item needs two writes.
        let prepared = join_all(entries.iter().map(|entry| self.writer.prepare(entry))).await;
        let finish = entries
            .iter()
            .zip(prepared)
            .map(async |(entry, prepared)| self.writer.finish(entry, prepared?).await);
        let mut outcomes = join_all(finish).await;
        let mut rewritten = 0;
        for (entry, outcome) in entries.iter().zip(&mut outcomes) {
            if let Ok(version) = outcome
                && *version <= self.highest_version
            {
                rewritten += 1;
                *outcome = self.rewrite(entry, *version).await;
            }
            if let Ok(version) = outcome {
                self.highest_version = *version;
            }
        }
        self.rewritten += rewritten;
        self.width =
            if rewritten == 0 { (self.width + 1).min(self.max_width) } else { (self.width / 2).max(1) };
        outcomes
    }

    /// Writes an item again, alone, so that its version is above all earlier ones.
    async fn rewrite(&self, entry: &Entry, version: i64) -> Result<i64, WriteError> {
        let version = self.writer.finish(entry, Some(version)).await?;
        if version > self.highest_version {
            return Ok(version);
        }
        Err(WriteError::Database(Error::internal(
            "versions in this database do not increase from one item to the next, so their order cannot be kept",
        )))
    }
}
