//! The records of one target: expected content and acknowledged versions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{CallFailure, Client};
use crate::failure::Failure;
use crate::value::Sizes;
use crate::versions::Versions;

/// The records of one target, with their acknowledged versions.
#[derive(Debug)]
pub struct Records {
    /// Number of records.
    pub count: u64,
    /// The sizes of their values.
    pub values: Sizes,
    /// The versions acknowledged by the target.
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
        let latency = began.elapsed();
        if let Some(version) = version {
            self.versions.acknowledged(record, version);
        }
        Ok(latency)
    }

    /// Reads `record` and checks the answer.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn get(&self, client: &mut Client, record: u64) -> Result<Duration, CallFailure> {
        let floor = self.versions.floor(record);
        let began = Instant::now();
        let found = client.get(record).await?;
        let latency = began.elapsed();
        let Some(found) = found else {
            return Err(CallFailure::Wrong(format!(
                "record r{record}: it was written, but a read found nothing"
            )));
        };
        self.values.check(record, &found.value).map_err(CallFailure::Wrong)?;
        if let Some(version) = found.version {
            Versions::check(record, floor, version).map_err(CallFailure::Wrong)?;
        }
        Ok(latency)
    }
}

/// Writes every record once, with the sequence number 0.
///
/// # Errors
/// A write failed.
pub async fn preload(mut clients: Vec<Client>, records: &Arc<Records>) -> Result<Vec<Client>, Failure> {
    if let Some(Client::Sqlite(_)) = clients.first() {
        let written = preload_in_transactions(&mut clients[0], records).await;
        return written.map(|()| clients).map_err(|why| Failure::of("writing the records failed", &why));
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
        .map_err(|why| Failure::of("writing the records failed", &why))
}

/// Writes every record with one client, 1000 per transaction: otherwise SQLite would sync to disk after each.
async fn preload_in_transactions(client: &mut Client, records: &Records) -> Result<(), String> {
    async fn execute(client: &mut Client, statement: &'static str) -> Result<(), CallFailure> {
        let Client::Sqlite(client) = client else { return Ok(()) };
        client.execute(statement).await
    }
    let to_text = |failure: CallFailure| format!("{failure:?}");
    for record in 0..records.count {
        if record % 1000 == 0 {
            execute(client, "BEGIN IMMEDIATE").await.map_err(to_text)?;
        }
        records.put(client, record, 0).await.map_err(to_text)?;
        if record % 1000 == 999 || record + 1 == records.count {
            execute(client, "COMMIT").await.map_err(to_text)?;
        }
    }
    Ok(())
}
