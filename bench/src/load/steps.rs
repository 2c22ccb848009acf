//! The steps of a load: each does a request or two and checks the answers.

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

/// Scans are of 1 to so many items.
const LONGEST_SCAN: u64 = 100;

impl State {
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
