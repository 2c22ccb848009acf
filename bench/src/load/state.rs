//! State of a load: its records with their acknowledged versions.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::frontier::Frontier;
use super::keys::Keys;
use super::mix::{Mix, Step};
use crate::client::{CallFailure, Grpc, Written};
use crate::value::{Sizes, number_of};
use crate::versions::Versions;

/// Items of a record per Put: within the limits of Put, with values up to 1 MiB.
const CHUNK_ITEMS: usize = 500;
const CHUNK_BYTES: usize = 2 << 20;
/// Maximum number of items with tracked versions; beyond it, only values are checked.
const MAX_VERSIONS: u64 = 20_000_000;

/// The records of a load.
#[derive(Debug)]
pub struct State {
    mix: RwLock<Mix>,
    pub(super) keys: Keys,
    pub(super) values: Sizes,
    pub(super) records: u64,
    /// Initial items per record.
    pub(super) items: u32,
    pub(super) versions: Versions,
    pub(super) frontier: Frontier,
    pub(super) appended: AtomicU32,
    pub(super) sequence: AtomicU64,
    /// Number of completed steps, for the progress display.
    pub ended: AtomicU64,
}

impl State {
    /// A state of `records` with `items` each.
    pub fn new(mix: Mix, keys: Keys, values: Sizes, records: u64, items: u32) -> Self {
        let tracked = records * u64::from(items);
        Self {
            mix: RwLock::new(mix),
            keys,
            values,
            records,
            items,
            versions: Versions::new(if tracked <= MAX_VERSIONS { tracked } else { 0 }),
            frontier: Frontier::new(records),
            appended: AtomicU32::new(0),
            sequence: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Restricts the mix to one kind of step from now on.
    pub fn only(&self, step: Step) {
        *self.mix.write().unwrap_or_else(PoisonError::into_inner) = Mix::only(step);
    }

    pub(super) fn mix(&self) -> Mix {
        *self.mix.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Index of an item's version; out of range for items added later.
    pub(super) fn slot(&self, record: u64, item: u32) -> u64 {
        if record < self.records && item < self.items {
            record * u64::from(self.items) + u64::from(item)
        } else {
            u64::MAX
        }
    }

    pub(super) fn random_item(&self, random: &mut SmallRng) -> (u64, u32) {
        let record = self.keys.choose(random, self.frontier.reached());
        (record, random.random_range(0..self.items))
    }

    pub(super) fn value(&self, record: u64, item: u32) -> Bytes {
        self.values.make(number_of(record, item), self.sequence())
    }

    /// Verifies the value of an item.
    ///
    /// # Errors
    /// The defect of the value.
    pub fn check(&self, record: u64, item: u32, value: &[u8]) -> Result<(), String> {
        self.values.check(number_of(record, item), value).map(drop)
    }

    /// Writes a record with all its items.
    pub(super) async fn store(&self, client: &mut Grpc, record: u64) -> Result<(), CallFailure> {
        let mut item = 0;
        while item < self.items {
            let (first, mut chunk, mut bytes) = (item, Vec::new(), 0);
            while item < self.items && chunk.len() < CHUNK_ITEMS && bytes < CHUNK_BYTES {
                let value = self.value(record, item);
                bytes += value.len();
                chunk.push((item, value));
                item += 1;
            }
            if let Written::At(version) = client.write(record, chunk, None).await? {
                // Each item of a Put may have a separate version; this is the first item's.
                self.versions.acknowledged(self.slot(record, first), version);
            }
        }
        Ok(())
    }
}
