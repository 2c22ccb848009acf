//! Measures appends and queries of one target for one round.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::Options;
use super::events::{Batch, Layout};
use super::store::{Kind, Store};
use crate::cpu::CpuMeter;
use crate::failure::Failure;

/// The figures of one round.
#[derive(Debug)]
pub(super) struct Round {
    /// Events, or requests, a second.
    pub(super) rate: f64,
    /// Latencies in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// This process' share of all cores.
    pub(super) cpu: f64,
}

pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

pub(super) fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    // The histogram resizes itself.
    let _ = latencies.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1));
}

#[expect(clippy::cast_precision_loss, reason = "no round has 2^52 events")]
pub(super) fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(f64::EPSILON)
}

/// Sends these Appends, a fixed number in flight.
pub(super) async fn appends(
    store: &Store,
    layout: &Layout,
    appends: Range<u64>,
    options: &Options,
) -> Result<Round, Failure> {
    // A whole share of the round is one batch.
    let is_bulk = store.kind == Kind::PostgresBulk;
    let (connections, in_flight) = if is_bulk { (1, 2) } else { (options.connections, options.in_flight) };
    let size = if is_bulk { (appends.end - appends.start).div_ceil(2).max(1) } else { 1 };
    let writers = store.writers(connections, in_flight).await?;
    let next = Arc::new(AtomicU64::new(appends.start));
    let (cpu, began) = (CpuMeter::start(), Instant::now());
    let mut clients = JoinSet::new();
    for mut writer in writers {
        let (next, layout, end) = (Arc::clone(&next), layout.clone(), appends.end);
        clients.spawn(async move {
            let mut latencies = histogram();
            loop {
                let first = next.fetch_add(size, Ordering::Relaxed);
                if first >= end {
                    return Ok(latencies);
                }
                let count = size.min(end - first) * layout.batch;
                let began = Instant::now();
                writer.append(&layout, Batch { first: layout.batch(first).first, count }).await?;
                record(&mut latencies, began.elapsed());
            }
        });
    }
    let mut latencies = histogram();
    while let Some(client) = clients.join_next().await {
        let of_client: Result<_, Failure> = client.map_err(|why| Failure::of("a client", &why))?;
        let _ = latencies.add(of_client?);
    }
    let count = (appends.end - appends.start) * layout.batch;
    Ok(Round { rate: rate(count, began.elapsed()), latencies, cpu: cpu.share() })
}

/// Queries the last events of one series after the other.
pub(super) async fn queries(
    store: &Store,
    layout: &Layout,
    series: u64,
    options: &Options,
    round: usize,
) -> Result<Round, Failure> {
    /// A prime: consecutive queries are of series that were not written together.
    const STRIDE: u64 = 104_729;
    let mut reader = store.reader().await?;
    let (mut latencies, count) = (histogram(), u64::from(options.queries));
    // A statement is prepared once per connection.
    layout.check_last(0, &reader.last(layout, 0).await?).map_err(Failure::Failed)?;
    let (cpu, began) = (CpuMeter::start(), Instant::now());
    for number in 0..count {
        let of = (round as u64 * count + number) * STRIDE % series;
        let sent = Instant::now();
        let numbers = reader.last(layout, of).await?;
        record(&mut latencies, sent.elapsed());
        layout.check_last(of, &numbers).map_err(Failure::Failed)?;
    }
    Ok(Round { rate: rate(count, began.elapsed()), latencies, cpu: cpu.share() })
}
