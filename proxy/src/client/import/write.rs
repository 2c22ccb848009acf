//! Writing one line: its Puts, each tried again for as long as trying again may help.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::NewItem;
use prism_contract::keyvalue::request::{ItemInput, PutRequest, Ttl};
use prism_wire::channel::CallError;
use prism_wire::clock::Clock;
use prism_wire::keyvalue::Client;
use tonic::Code;

use super::patience::Patience;
use crate::client::jsonl::Line;

/// Where lines are written to.
pub(super) trait Sink {
    /// Writes items of a record.
    fn put(&self, request: PutRequest) -> impl Future<Output = Result<(), CallError>>;
}

impl Sink for Client {
    async fn put(&self, request: PutRequest) -> Result<(), CallError> {
        Client::put(self, request).await.map(drop)
    }
}

/// Takes everything and keeps nothing: what `--check` writes to.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    async fn put(&self, _request: PutRequest) -> Result<(), CallError> {
        Ok(())
    }
}

/// What became of a line's items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Items written.
    pub(super) items: u64,
    /// Items left out, since they had expired.
    pub(super) expired: u64,
}

/// Writes a line: a Put for all items that expire at one moment, the next for those of another.
pub(super) async fn write(
    sink: &impl Sink,
    clock: &impl Clock,
    namespace: &str,
    line: &Line,
    retry_for: Duration,
) -> Result<Written, CallError> {
    let mut written = Written::default();
    let mut patience = Patience::new(retry_for);
    for (expires_at, items) in line.by_expiry() {
        let count = items.len() as u64;
        loop {
            // Asked again for each try: an item may expire while the server is away.
            let Ok(ttl) = expires_at.map(|at| time_left(clock.now(), at).ok_or(())).transpose() else {
                written.expired += count;
                break;
            };
            match sink.put(request(namespace, line, &items, ttl)).await {
                Ok(()) => {
                    written.items += count;
                    break;
                }
                Err(error) => match asks_to_wait(&error).and_then(|least| patience.pause(least)) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }
    Ok(written)
}

/// The ttl of an item that expires at `at`; `None`: it has expired (TTL-1).
fn time_left(now: Timestamp, at: Timestamp) -> Option<Ttl> {
    let micros = at.as_micros().checked_sub(now.as_micros()).filter(|micros| *micros > 0)?;
    let nanos = i32::try_from(micros % 1_000_000 * 1_000).expect("less than a second of nanoseconds");
    Some(Ttl { seconds: micros / 1_000_000, nanos })
}

fn request(namespace: &str, line: &Line, items: &[&NewItem], ttl: Option<Ttl>) -> PutRequest {
    let items = items.iter().map(|item| ItemInput {
        key: item.key.clone().into_bytes(),
        value: item.value.clone(),
        content_type: item.content_type.clone(),
        compression: item.compression,
    });
    PutRequest {
        namespace: namespace.to_owned(),
        id: line.id.as_str().to_owned(),
        items: items.collect(),
        ttl,
        ..PutRequest::default()
    }
}

/// How long a failure asks to wait before the next try; `None`: another try is no use.
fn asks_to_wait(error: &CallError) -> Option<Duration> {
    let status = error.status().filter(|status| is_transient(status.code))?;
    Some(status.retry_after.unwrap_or_default())
}

/// Whether the same call may succeed a little later. A Put of the import may be repeated although it may have been done:
/// it writes the same items again.
fn is_transient(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

/// Whether the server refused what this line says, rather than everything that is asked of it.
pub(super) fn is_about_the_line(error: &CallError) -> bool {
    error.status().is_some_and(|status| matches!(status.code, Code::InvalidArgument | Code::Unimplemented))
}
