//! The steps of a load: one or two requests each, with verification of the answers.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::mix::Step;
use super::state::State;
use crate::client::{CallFailure, Grpc, Written, item_of};
use crate::drive::{Done, Sample, Work};
use crate::value::number_of;
use crate::versions::Versions;

/// Maximum number of items per scan.
const MAX_SCAN_ITEMS: u64 = 100;

impl State {
    async fn read(&self, client: &mut Grpc, record: u64, item: u32) -> Result<i64, CallFailure> {
        let slot = self.slot(record, item);
        let floor = self.versions.floor(slot);
        let Some(found) = client.read(record, item).await? else {
            return Err(CallFailure::Wrong(format!(
                "record r{record} item {item}: it was written, but a read found nothing"
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

    async fn insert(&self, client: &mut Grpc, record: u64) -> Result<(), CallFailure> {
        let outcome = self.store(client, record).await;
        match &outcome {
            Ok(()) => self.frontier.acknowledged(record),
            Err(_) => self.frontier.failed(record),
        }
        outcome
    }

    async fn page(&self, client: &mut Grpc, record: u64, first: u32) -> Result<(), CallFailure> {
        let limit = u32::try_from(MAX_SCAN_ITEMS).unwrap_or(u32::MAX);
        let found = client.page(record, first, limit).await?;
        let expected = limit.min(self.items.saturating_sub(first));
        if found.len() < expected as usize || found.len() > limit as usize {
            let why = format!(
                "record r{record}: a page from item {first} returned {} items of {expected}",
                found.len()
            );
            return Err(CallFailure::Wrong(why));
        }
        self.check_items(record, found)
    }

    async fn scan(&self, client: &mut Grpc, record: u64, limit: u64) -> Result<(), CallFailure> {
        let found = client.scan(record, limit).await?;
        let expected = limit.min(u64::from(self.items));
        if (found.len() as u64) < expected || found.len() as u64 > limit {
            let why = format!(
                "record r{record}: a scan of at most {limit} items returned {} of {expected}",
                found.len()
            );
            return Err(CallFailure::Wrong(why));
        }
        self.check_items(record, found)
    }

    /// Verifies values and order of a record's items.
    fn check_items(&self, record: u64, found: Vec<(Bytes, Bytes)>) -> Result<(), CallFailure> {
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
                let limit = random.random_range(1..=MAX_SCAN_ITEMS);
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
