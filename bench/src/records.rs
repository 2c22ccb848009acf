//! The records of one target: what they must hold, and what is known of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{CallFailure, Client};
use crate::failure::Failure;
use crate::value::Sizes;
use crate::versions::Versions;

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
