//! A closed loop: each client sends its next request when it has the answer to the last.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use crate::client::{CallFailure, Client};
use crate::cpu::Since;
use crate::failure::Failure;
use crate::tally::{Figures, Tally};
use crate::value::Sizes;
use crate::versions::Versions;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Operation {
    /// Write one item of a random record.
    Put,
    /// Read one item of a random record by its key.
    Get,
}

impl Operation {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// The records of one target, and what is known of them.
#[derive(Debug)]
pub struct Records {
    /// How many there are.
    pub count: u64,
    /// The sizes of their values.
    pub values: Sizes,
    /// What the target has acknowledged.
    pub versions: Versions,
}

impl Records {
    /// Records `0..count`, none written yet.
    pub fn new(count: u64, values: Sizes) -> Self {
        Self { count, values, versions: Versions::new(count) }
    }

    /// Writes the value of `record` with this sequence number.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn put(
        &self,
        client: &mut Client,
        record: u64,
        sequence: u64,
    ) -> Result<Duration, CallFailure> {
        let value = self.values.make(record, sequence);
        let began = Instant::now();
        let version = client.put(record, value).await?;
        let after = began.elapsed();
        if let Some(version) = version {
            self.versions.acknowledged(record, version);
        }
        Ok(after)
    }

    /// Reads `record` and checks the answer.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn get(&self, client: &mut Client, record: u64) -> Result<Duration, CallFailure> {
        let floor = self.versions.floor(record);
        let began = Instant::now();
        let found = client.get(record).await?;
        let after = began.elapsed();
        let Some(found) = found else {
            return Err(CallFailure::Wrong(format!(
                "record r{record}: it was written, and a read found nothing"
            )));
        };
        self.values.check(record, &found.value).map_err(CallFailure::Wrong)?;
        if let Some(version) = found.version {
            Versions::check(record, floor, version).map_err(CallFailure::Wrong)?;
        }
        Ok(after)
    }
}

/// Writes every record once, with the sequence number 0.
///
/// # Errors
/// A write failed.
pub async fn preload(mut clients: Vec<Client>, records: &Arc<Records>) -> Result<Vec<Client>, Failure> {
    if let Some(Client::Sqlite(_)) = clients.first() {
        let written = in_transactions(&mut clients[0], records).await;
        return written.map(|()| clients).map_err(|why| Failure::of("the records cannot be written", &why));
    }
    let stride = clients.len() as u64;
    let mut tasks = JoinSet::new();
    for (first, mut client) in (0..).zip(clients) {
        let records = Arc::clone(records);
        tasks.spawn(async move {
            let mut record = first;
            while record < records.count {
                match records.put(&mut client, record, 0).await {
                    Ok(_) => record += stride,
                    Err(CallFailure::Shed) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(CallFailure::Error(why) | CallFailure::Wrong(why)) => return Err(why),
                }
            }
            Ok(client)
        });
    }
    tasks
        .join_all()
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|why| Failure::of("the records cannot be written", &why))
}

/// Writes every record with one client, a thousand in each transaction: SQLite would wait for the disk after each.
async fn in_transactions(client: &mut Client, records: &Records) -> Result<(), String> {
    async fn say(client: &mut Client, statement: &'static str) -> Result<(), CallFailure> {
        let Client::Sqlite(client) = client else { return Ok(()) };
        client.say(statement).await
    }
    let told = |failure: CallFailure| format!("{failure:?}");
    for record in 0..records.count {
        if record % 1000 == 0 {
            say(client, "BEGIN IMMEDIATE").await.map_err(told)?;
        }
        records.put(client, record, 0).await.map_err(told)?;
        if record % 1000 == 999 || record + 1 == records.count {
            say(client, "COMMIT").await.map_err(told)?;
        }
    }
    Ok(())
}

/// When to count. What ends before `from` is warm-up; no request begins after `until`.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Instant,
    until: Instant,
}

/// Measures: all clients ask for the operation, in random records, until the time is over. Only what is answered between
/// warm-up and end counts.
///
/// # Errors
/// An answer was wrong, or there was none for half a minute after the end.
pub async fn measure(
    clients: Vec<Client>,
    records: &Arc<Records>,
    operation: Operation,
    warm_up: Duration,
    length: Duration,
    sequence: u64,
) -> Result<(Vec<Client>, Figures), Failure> {
    let from = Instant::now() + warm_up;
    let window = Window { from, until: from + length };
    let wrong = Arc::new(OnceLock::new());
    // Few enough to be small, many enough that threads seldom meet.
    let tallies: Arc<[Mutex<Tally>]> = (0..clients.len().min(16)).map(|_| Mutex::default()).collect();
    let mut tasks = JoinSet::new();
    for (number, client) in (0_u64..).zip(clients) {
        let (records, wrong, tallies) = (Arc::clone(records), Arc::clone(&wrong), Arc::clone(&tallies));
        let sequence = sequence + (number << 32);
        tasks.spawn(async move {
            #[expect(clippy::cast_possible_truncation, reason = "clients are few")]
            let tally = &tallies[number as usize % tallies.len()];
            work(client, &records, operation, window, sequence, tally, &wrong).await
        });
    }
    tokio::time::sleep_until(window.from.into()).await;
    let cpu = Since::now();
    tokio::time::sleep_until(window.until.into()).await;
    let cpu = cpu.share();
    let ended = tokio::time::timeout(Duration::from_secs(30), tasks.join_all());
    let clients = ended.await.map_err(|_| {
        Failure::Failed(format!("{}: no answer for half a minute after the end", operation.name()))
    })?;
    if let Some(why) = wrong.get() {
        return Err(Failure::Failed(format!("a wrong answer to a {}: {why}", operation.name())));
    }
    let mut sum = Tally::default();
    for tally in &*tallies {
        sum.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
    Ok((clients, sum.figures(length, cpu)))
}

async fn work(
    mut client: Client,
    records: &Records,
    operation: Operation,
    window: Window,
    mut sequence: u64,
    tally: &Mutex<Tally>,
    wrong: &OnceLock<String>,
) -> Client {
    let mut random = SmallRng::seed_from_u64(crate::value::mixed(sequence));
    while Instant::now() < window.until && wrong.get().is_none() {
        let record = random.random_range(0..records.count);
        sequence += 1;
        let outcome = match operation {
            Operation::Put => records.put(&mut client, record, sequence).await,
            Operation::Get => records.get(&mut client, record).await,
        };
        if let Err(CallFailure::Wrong(why)) = &outcome {
            let _ = wrong.set(why.clone());
        }
        let now = Instant::now();
        if now >= window.from && now < window.until {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(after) => tally.answered(after),
                Err(failure) => tally.failed(failure),
            }
        }
    }
    client
}
