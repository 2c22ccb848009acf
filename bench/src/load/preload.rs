//! Preloading of the records.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::state::State;
use crate::client::{CallFailure, Grpc};
use crate::failure::Failure;

/// Writes all records concurrently.
///
/// # Errors
/// A write failed.
pub async fn preload(clients: &[Grpc], state: &Arc<State>) -> Result<(), Failure> {
    const CONCURRENCY: u64 = 64;
    let clients = clients.iter().cycle();
    let mut tasks = JoinSet::new();
    for (first, client) in (0..CONCURRENCY).zip(clients) {
        let (state, mut client) = (Arc::clone(state), client.clone());
        tasks.spawn(async move {
            let mut record = first;
            while record < state.records {
                match state.store(&mut client, record).await {
                    Ok(()) => record += CONCURRENCY,
                    Err(CallFailure::Shed) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(CallFailure::Error(why) | CallFailure::Wrong(why)) => return Err(why),
                }
            }
            Ok(())
        });
    }
    for written in tasks.join_all().await {
        written.map_err(|why| Failure::of("writing the records failed", &why))?;
    }
    Ok(())
}
