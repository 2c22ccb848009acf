//! Writes one line: its Puts, each retried on transient failures.

use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::keyvalue::NewItem;
use prism_contract::keyvalue::request::{ItemInput, PutRequest, Ttl};
use prism_wire::channel::CallError;
use prism_wire::clock::Clock;
use prism_wire::keyvalue::Client;
use tonic::Code;

use super::backoff::Backoff;
use crate::client::jsonl::Line;

/// The destination of lines.
pub(super) trait Sink {
    /// Writes items of a record.
    fn put(&self, request: PutRequest) -> impl Future<Output = Result<(), CallError>>;
}

impl Sink for Client {
    async fn put(&self, request: PutRequest) -> Result<(), CallError> {
        Client::put(self, request).await.map(drop)
    }
}

/// Discards all items: the sink of `--check`.
pub(super) struct NullSink;

impl Sink for NullSink {
    async fn put(&self, _request: PutRequest) -> Result<(), CallError> {
        Ok(())
    }
}

/// Counts of a line's items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Items written.
    pub(super) items: u64,
    /// Items left out because they had expired.
    pub(super) expired: u64,
}

/// Writes a line, with one Put per expiry time.
pub(super) async fn write(
    sink: &impl Sink,
    clock: &impl Clock,
    namespace: &str,
    line: &Line,
    retry_for: Duration,
) -> Result<Written, CallError> {
    let mut written = Written::default();
    let mut backoff = Backoff::new(retry_for);
    for (expires_at, items) in line.by_expiry() {
        let count = items.len() as u64;
        loop {
            // Computed again for each try: an item may expire while the server is unavailable.
            let Ok(ttl) = expires_at.map(|at| remaining_ttl(clock.now(), at).ok_or(())).transpose() else {
                written.expired += count;
                break;
            };
            match sink.put(request(namespace, line, &items, ttl)).await {
                Ok(()) => {
                    written.items += count;
                    break;
                }
                Err(error) => match retry_delay(&error).and_then(|min| backoff.next_delay(min)) {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => return Err(error),
                },
            }
        }
    }
    Ok(written)
}

/// The remaining ttl of an item that expires at `at`; `None`: it has expired (TTL-1).
fn remaining_ttl(now: Timestamp, at: Timestamp) -> Option<Ttl> {
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

/// The minimum delay before a retry; `None`: not retryable.
fn retry_delay(error: &CallError) -> Option<Duration> {
    let status = error.status().filter(|status| is_transient(status.code))?;
    Some(status.retry_after.unwrap_or_default())
}

/// Whether the same call may succeed a little later. The outcome of the failed call may be unknown: repeating a Put of the
/// import is safe, since it writes the same items.
fn is_transient(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

/// Whether the server refused this line's content, as opposed to every call.
pub(super) fn is_line_error(error: &CallError) -> bool {
    error.status().is_some_and(|status| matches!(status.code, Code::InvalidArgument | Code::Unimplemented))
}
