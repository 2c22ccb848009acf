//! What a load knows of its records, and its steps: each does a request or two and checks the answers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use super::frontier::Frontier;
use super::keys::Keys;
use super::mix::{Mix, Step};
use crate::client::{CallFailure, Grpc, Written, item_of};
use crate::drive::{Done, Sample, Work};
use crate::failure::Failure;
use crate::value::{Sizes, number_of};
use crate::versions::Versions;

/// Items of a record that go into one Put: below its limits, with values up to 1 MiB.
const CHUNK: usize = 500;
const CHUNK_BYTES: usize = 2 << 20;
/// Versions are kept of at most so many items; of others only the value is checked.
const MOST_VERSIONS: u64 = 20_000_000;
/// Scans are of 1 to so many items.
const LONGEST_SCAN: u64 = 100;

/// The records of a load.
#[derive(Debug)]
pub struct State {
    mix: RwLock<Mix>,
    keys: Keys,
    values: Sizes,
    records: u64,
    /// Of each record at first.
    items: u32,
    versions: Versions,
    frontier: Frontier,
    appended: AtomicU32,
    sequence: AtomicU64,
    /// Steps that have ended, for whoever watches.
    pub ended: AtomicU64,
}

impl State {
    /// Of `records` with `items` each.
    pub fn new(mix: Mix, keys: Keys, values: Sizes, records: u64, items: u32) -> Self {
        let tracked = records * u64::from(items);
        Self {
            mix: RwLock::new(mix),
            keys,
            values,
            records,
            items,
            versions: Versions::new(if tracked <= MOST_VERSIONS { tracked } else { 0 }),
            frontier: Frontier::new(records),
            appended: AtomicU32::new(0),
            sequence: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// From now on one kind of step alone is taken.
    pub fn only(&self, step: Step) {
        *self.mix.write().unwrap_or_else(PoisonError::into_inner) = Mix::only(step);
    }

    fn mix(&self) -> Mix {
        *self.mix.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Where an item's version is kept; beyond all for what was added later.
    fn slot(&self, record: u64, item: u32) -> u64 {
        if record < self.records && item < self.items {
            record * u64::from(self.items) + u64::from(item)
        } else {
            u64::MAX
        }
    }

    fn random_item(&self, random: &mut SmallRng) -> (u64, u32) {
        let record = self.keys.choose(random, self.frontier.reached());
        (record, random.random_range(0..self.items))
    }

    fn value(&self, record: u64, item: u32) -> Bytes {
        self.values.make(number_of(record, item), self.sequence())
    }

    async fn read(&self, client: &mut Grpc, record: u64, item: u32) -> Result<i64, CallFailure> {
        let slot = self.slot(record, item);
        let floor = self.versions.floor(slot);
        let Some(found) = client.read(record, item).await? else {
            return Err(CallFailure::Wrong(format!(
                "record r{record} item {item}: it was written, and a read found nothing"
            )));
        };
        self.values.check(number_of(record, item), &found.value).map_err(CallFailure::Wrong)?;
        let version = found.version.unwrap_or_default();
        Versions::check(record, floor, version).map_err(CallFailure::Wrong)?;
        Ok(version)
    }

    async fn write(
        &self,
        client: &mut Grpc,
        (record, item): (u64, u32),
        value: Bytes,
        only_if: Option<i64>,
    ) -> Result<Written, CallFailure> {
        let written = client.write(record, vec![(item, value)], only_if).await?;
        if let Written::At(version) = written {
            if version <= only_if.unwrap_or(0) {
                let why =
                    format!("record r{record} item {item}: version {version} was written over {only_if:?}");
                return Err(CallFailure::Wrong(why));
            }
            self.versions.acknowledged(self.slot(record, item), version);
        }
        Ok(written)
    }

    /// Whether a value is one that was written there.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self, record: u64, item: u32, value: &[u8]) -> Result<(), String> {
        self.values.check(number_of(record, item), value).map(drop)
    }

    /// Writes a record with all its items.
    pub(super) async fn store(&self, client: &mut Grpc, record: u64) -> Result<(), CallFailure> {
        let mut item = 0;
        while item < self.items {
            let (first, mut chunk, mut bytes) = (item, Vec::new(), 0);
            while item < self.items && chunk.len() < CHUNK && bytes < CHUNK_BYTES {
                let value = self.value(record, item);
                bytes += value.len();
                chunk.push((item, value));
                item += 1;
            }
            if let Written::At(version) = client.write(record, chunk, None).await? {
                // All items of a Put may have versions of their own, of which this is the first.
                self.versions.acknowledged(self.slot(record, first), version);
            }
        }
        Ok(())
    }

    async fn insert(&self, client: &mut Grpc, record: u64) -> Result<(), CallFailure> {
        let outcome = self.store(client, record).await;
        match &outcome {
            Ok(()) => self.frontier.acknowledged(record),
            Err(_) => self.frontier.failed(record),
        }
        outcome
    }

    async fn page(&self, client: &mut Grpc, record: u64, first: u32) -> Result<(), CallFailure> {
        let limit = u32::try_from(LONGEST_SCAN).unwrap_or(u32::MAX);
        let found = client.page(record, first, limit).await?;
        let there = limit.min(self.items.saturating_sub(first));
        if found.len() < there as usize || found.len() > limit as usize {
            let why = format!(
                "record r{record}: a page from item {first} brought {} items, of {there} there",
                found.len()
            );
            return Err(CallFailure::Wrong(why));
        }
        self.in_order(record, found)
    }

    async fn scan(&self, client: &mut Grpc, record: u64, limit: u64) -> Result<(), CallFailure> {
        let found = client.scan(record, limit).await?;
        let least = limit.min(u64::from(self.items));
        if (found.len() as u64) < least || found.len() as u64 > limit {
            let why = format!(
                "record r{record}: a scan of at most {limit} items brought {}, of {least} there",
                found.len()
            );
            return Err(CallFailure::Wrong(why));
        }
        self.in_order(record, found)
    }

    /// Whether items of a record have the right values and the right order.
    fn in_order(&self, record: u64, found: Vec<(Bytes, Bytes)>) -> Result<(), CallFailure> {
        let mut before = None;
        for (key, value) in found {
            let item = item_of(&key).filter(|&item| before.is_none_or(|before| item > before));
            let Some(item) = item else {
                return Err(CallFailure::Wrong(format!("record r{record}: the keys are not in order")));
            };
            self.values.check(number_of(record, item), &value).map_err(CallFailure::Wrong)?;
            before = Some(item);
        }
        Ok(())
    }
}

impl Work for State {
    type Client = Grpc;

    fn classes(&self) -> usize {
        self.mix().classes().len()
    }

    async fn step(&self, client: &mut Grpc, random: &mut SmallRng) -> Sample {
        let mix = self.mix();
        let class = mix.choose(random);
        let (record, item) = self.random_item(random);
        let outcome = match mix.classes()[class] {
            Step::Read => {
                let began = Instant::now();
                self.read(client, record, item).await.map(|_| Done::After(began.elapsed()))
            }
            Step::Update => {
                let value = self.value(record, item);
                let began = Instant::now();
                self.write(client, (record, item), value, None).await.map(|_| Done::After(began.elapsed()))
            }
            Step::Insert => {
                let record = self.frontier.take();
                let began = Instant::now();
                self.insert(client, record).await.map(|()| Done::After(began.elapsed()))
            }
            Step::Append => {
                let item = self.items + self.appended.fetch_add(1, Ordering::Relaxed);
                let value = self.value(record, item);
                let began = Instant::now();
                self.write(client, (record, item), value, None).await.map(|_| Done::After(began.elapsed()))
            }
            Step::Scan => {
                let limit = random.random_range(1..=LONGEST_SCAN);
                let began = Instant::now();
                self.scan(client, record, limit).await.map(|()| Done::After(began.elapsed()))
            }
            Step::Page => {
                let began = Instant::now();
                self.page(client, record, item).await.map(|()| Done::After(began.elapsed()))
            }
            Step::ReadModifyWrite => {
                let value = self.value(record, item);
                let began = Instant::now();
                let written = match self.read(client, record, item).await {
                    Ok(version) => self.write(client, (record, item), value, Some(version)).await,
                    Err(failure) => Err(failure),
                };
                written.map(|written| match written {
                    Written::At(_) => Done::After(began.elapsed()),
                    Written::LostRace => Done::LostRace(began.elapsed()),
                })
            }
        };
        self.ended.fetch_add(1, Ordering::Relaxed);
        Sample { class, outcome }
    }
}

/// Writes all records, many at a time.
///
/// # Errors
/// A write failed.
pub async fn preload(clients: &[Grpc], state: &Arc<State>) -> Result<(), Failure> {
    const AT_A_TIME: u64 = 64;
    let clients = clients.iter().cycle();
    let mut tasks = JoinSet::new();
    for (first, client) in (0..AT_A_TIME).zip(clients) {
        let (state, mut client) = (Arc::clone(state), client.clone());
        tasks.spawn(async move {
            let mut record = first;
            while record < state.records {
                match state.store(&mut client, record).await {
                    Ok(()) => record += AT_A_TIME,
                    Err(CallFailure::Shed) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                    Err(CallFailure::Error(why) | CallFailure::Wrong(why)) => return Err(why),
                }
            }
            Ok(())
        });
    }
    for written in tasks.join_all().await {
        written.map_err(|why| Failure::of("the records cannot be written", &why))?;
    }
    Ok(())
}
