//! Tails: the delay of an event from its Append to its arrival, and the memory of idle ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Options;
use super::events::{Batch, Layout};
use super::gateway::{Gateway, number_of};
use super::measure::{Round, histogram, rate, record};
use super::report::Row;
use super::store::Store;
use crate::cpu::CpuMeter;
use crate::failure::Failure;

/// Number of tails, each of another series and on another connection.
const TAILS: u64 = 8;
/// The first event: further than the others.
const FIRST: u64 = 1 << 30;
/// Maximum time for an event.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections of idle tails.
const CONNECTIONS: usize = 4;

/// When each event was sent.
type Sent = Arc<Mutex<Vec<Instant>>>;

fn series(number: u64) -> String {
    format!("tail/{}", number % TAILS)
}

/// Appends single events at a fixed rate, and reads them by tails. A delay runs from before its Append is sent, so it includes
/// the commit.
pub(super) async fn delays(
    store: &Store,
    layout: &Layout,
    options: &Options,
    (level, round): (u64, usize),
) -> Result<Round, Failure> {
    let sent = Sent::default();
    // Other events in each round at each level; the idle tails have those before.
    let first = FIRST + ((level + (round as u64 + 1)) << 24);
    let mut tails = JoinSet::new();
    let rate_of_all = f64::from(options.tail_rate);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand events")]
    let count = ((options.seconds * rate_of_all) as u64).max(TAILS);
    for tail in 0..TAILS {
        let mut gateway = store.connect().await?;
        let mut messages = gateway.tail(series(first + tail)).await?;
        let (sent, layout) = (Arc::clone(&sent), layout.clone());
        tails.spawn(async move {
            let mut latencies = histogram();
            let mut expected = first + tail;
            while expected < first + count {
                let message = timeout(LONGEST, messages.message()).await;
                let message = message.map_err(|_| Failure::Failed(format!("event {expected} never came")))?;
                let message = message.map_err(|status| Failure::of("Tail", &status))?.unwrap_or_default();
                let now = Instant::now();
                for event in message.events {
                    let number = number_of(&layout, &event.event.unwrap_or_default())?;
                    if number != expected {
                        return Err(Failure::Failed(format!("a Tail has event {number} for {expected}")));
                    }
                    expected += TAILS;
                    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                    let at = usize::try_from(number - first).ok().and_then(|at| sent.get(at).copied());
                    record(&mut latencies, at.map_or(LONGEST, |sent| now - sent));
                }
            }
            Ok(latencies)
        });
    }
    let cpu = CpuMeter::start();
    let began = Instant::now();
    send(store.connect().await?, layout, first..first + count, rate_of_all, &sent).await?;
    let mut latencies: Histogram<u64> = histogram();
    while let Some(tail) = tails.join_next().await {
        let _ = latencies.add(tail.map_err(|why| Failure::of("a tail", &why))??);
    }
    Ok(Round { rate: rate(count, began.elapsed()), latencies, cpu: cpu.share() })
}

/// Sends Appends of one event each when they are due.
async fn send(
    gateway: Gateway,
    layout: &Layout,
    numbers: std::ops::Range<u64>,
    rate: f64,
    sent: &Sent,
) -> Result<(), Failure> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut appends = JoinSet::new();
    // A series' events are appended one after the other, so that their order is known.
    let lines: Vec<_> = (0..TAILS).map(|_| Arc::new(tokio::sync::Mutex::new(()))).collect();
    for number in numbers {
        ticks.tick().await;
        sent.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        let (mut gateway, layout) = (gateway.clone(), layout.clone());
        let line = Arc::clone(&lines[usize::try_from(number % TAILS).unwrap_or_default()]).lock_owned().await;
        appends.spawn(async move {
            let appended = gateway.append(&layout, Batch { first: number, count: 1 }, series).await;
            drop(line);
            appended
        });
    }
    while let Some(append) = appends.join_next().await {
        append.map_err(|why| Failure::of("an Append", &why))??;
    }
    Ok(())
}

/// The memory of a gateway that has just started, without and with `count` tails that wait, each of another series.
pub(super) async fn idle(store: &Store, layout: &Layout, count: usize) -> Result<Row, Failure> {
    let memory = || {
        let server = store.gateway.as_ref().and_then(|gateway| gateway.server.as_ref());
        server.map(|server| server.memory().0).unwrap_or_default()
    };
    let mut gateways = Vec::new();
    for _ in 0..CONNECTIONS {
        gateways.push(store.connect().await?);
    }
    // The first calls make tables, connections and caches.
    let warm = Batch { first: FIRST - layout.batch, count: layout.batch };
    gateways[0].append(layout, warm, series).await?;
    drop(gateways[0].tail("warm".to_owned()).await?);
    let before = memory();
    let mut open = Vec::new();
    for tail in 0..count {
        open.push(gateways[tail % CONNECTIONS].tail(format!("idle/{tail}")).await?);
    }
    // Until each has had a heartbeat.
    for messages in &mut open {
        let heartbeat = timeout(LONGEST, messages.message()).await;
        let heartbeat = heartbeat.map_err(|_| Failure::Failed("a heartbeat never came".to_owned()))?;
        heartbeat.map_err(|status| Failure::of("Tail", &status))?;
    }
    Ok(Row::idle(store.kind, count, before, memory()))
}
