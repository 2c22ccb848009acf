//! The state of a server for its metrics: connections, slots, buffers, and each backend with its health, load and sweeps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prism_backends::observe::{Distribution, Histogram, Load, PoolLoad, QueueLoad};
use prism_contract::Swept;
use prism_wire::slots::Slots;

use super::Shutdown;
use super::buffers::Buffers;
use super::connection::Table;
use super::health::HealthOfAll;
use super::services::Store;
use crate::catalog::Catalog;
use crate::metrics::{Page, Source};

/// The state of a server.
pub(super) struct Observed {
    pub(super) stores: Vec<Store>,
    pub(super) sweeps: Vec<Arc<Sweeps>>,
    pub(super) health: HealthOfAll,
    pub(super) catalog: Catalog,
    pub(super) table: Arc<Table>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) slots: Slots,
    pub(super) refused_streams: Arc<AtomicU64>,
    pub(super) shutdown: Shutdown,
    /// Maximum namespaces with series for their waiting requests.
    pub(super) namespaces: usize,
}

/// The sweeps of a backend.
#[derive(Debug)]
pub(super) struct Sweeps {
    expired: AtomicU64,
    tombstones: AtomicU64,
    failed: AtomicU64,
    micros: Histogram,
    /// End of the last complete sweep, in seconds since 1970; 0: none yet.
    completed_at: AtomicU64,
}

impl Default for Sweeps {
    fn default() -> Self {
        Self {
            expired: AtomicU64::default(),
            tombstones: AtomicU64::default(),
            failed: AtomicU64::default(),
            micros: Histogram::new(Histogram::MICROS),
            completed_at: AtomicU64::default(),
        }
    }
}

impl Sweeps {
    /// Counts what a step removed.
    pub(super) fn removed(&self, swept: &Swept) {
        self.expired.fetch_add(swept.expired, Ordering::Relaxed);
        self.tombstones.fetch_add(swept.tombstones, Ordering::Relaxed);
    }

    /// Counts a step that failed.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a sweep that has left nothing to sweep.
    pub(super) fn completed(&self, time: Duration) {
        self.micros.record_time(time);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.completed_at.store(now.as_secs(), Ordering::Relaxed);
    }
}

impl Source for Observed {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let loads: Vec<_> = self
            .stores
            .iter()
            .map(|store| (store.name.as_str(), store.load(self.namespaces).unwrap_or_default()))
            .collect();
        self.write_server(page, &loads)?;
        self.write_health(page)?;
        write_queues(page, &loads)?;
        write_batches(page, &loads)?;
        write_files(page, &loads)?;
        self.write_sweeps(page)
    }

    fn readiness(&self) -> Result<(), String> {
        if self.shutdown.is_draining() {
            return Err("the server is draining".to_owned());
        }
        let failing: Vec<_> = self.health.states().filter(|state| state.required && !state.serving).collect();
        if failing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = failing.iter().map(|state| state.name).collect();
        Err(format!("not serving: {}", names.join(", ")))
    }
}

impl Observed {
    fn write_server(&self, page: &mut Page<'_>, loads: &[(&str, Load)]) -> fmt::Result {
        let (pending, open) = self.table.connections();
        page.gauge(
            "prism_connections",
            "Connections now",
            [([("state", "handshake")], pending), ([("state", "open")], open)],
        )?;
        page.gauge("prism_streams", "Open streams: calls of any kind", [([], self.table.open_streams())])?;
        page.gauge(
            "prism_slots",
            "Calls that may be executed at once (server.max_in_flight)",
            [([], self.slots.most())],
        )?;
        page.gauge("prism_slots_taken", "Calls being executed", [([], self.slots.taken())])?;
        page.gauge(
            "prism_buffer_limit_bytes",
            "Maximum of buffered bytes (server.max_buffered_bytes)",
            [([], self.buffers.most())],
        )?;
        page.gauge(
            "prism_buffered_bytes",
            "Bytes of incomplete requests and of responses that clients have not read",
            [([], self.buffers.used())],
        )?;
        let of_queues = loads.iter().flat_map(|(_, load)| &load.queues).map(|queue| queue.shed).sum();
        let shed = [
            ("buffers", self.buffers.refused()),
            ("queue", of_queues),
            ("rate", self.catalog.refused_by_rate()),
            ("slots", self.slots.refused()),
            ("streams", self.refused_streams.load(Ordering::Relaxed)),
        ];
        page.counter(
            "prism_calls_shed",
            "Calls that were refused with RESOURCE_EXHAUSTED, by the limit that refused them",
            shed.map(|(reason, count)| ([("reason", reason)], count)),
        )
    }

    fn write_health(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(
            "prism_ready",
            "1 if calls can be served: all required backends are, and the server does not drain",
            [([], u64::from(self.readiness().is_ok()))],
        )?;
        let states: Vec<_> = self.health.states().collect();
        page.gauge(
            "prism_backend_serving",
            "1 if the backend is SERVING by its health checks and the outcomes of calls",
            states.iter().map(|state| ([("backend", state.name)], u64::from(state.serving))),
        )?;
        page.counter(
            "prism_backend_health_changes",
            "Changes between SERVING and NOT_SERVING",
            states.iter().map(|state| ([("backend", state.name)], state.changes)),
        )
    }

    fn write_sweeps(&self, page: &mut Page<'_>) -> fmt::Result {
        let sweeps =
            || self.stores.iter().zip(&self.sweeps).map(|(store, sweeps)| (store.name.as_str(), sweeps));
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        page.counter(
            "prism_swept_rows",
            "Rows that the sweeper removed: expired items and events, and old tombstones",
            sweeps().flat_map(|(backend, sweeps)| {
                [("expired", &sweeps.expired), ("tombstones", &sweeps.tombstones)]
                    .map(|(kind, rows)| ([("backend", backend), ("kind", kind)], count(rows)))
            }),
        )?;
        page.counter(
            "prism_sweeps_failed",
            "Steps of sweeps that failed",
            sweeps().map(|(backend, sweeps)| ([("backend", backend)], count(&sweeps.failed))),
        )?;
        page.seconds(
            "prism_sweep_duration_seconds",
            "Time of complete sweeps",
            sweeps().map(|(backend, sweeps)| ([("backend", backend)], sweeps.micros.distribution())),
        )?;
        page.gauge(
            "prism_sweep_completed_timestamp_seconds",
            "End of the last complete sweep, since 1970",
            sweeps()
                .filter(|(_, sweeps)| count(&sweeps.completed_at) > 0)
                .map(|(backend, sweeps)| ([("backend", backend)], count(&sweeps.completed_at))),
        )
    }
}

/// A value for each backend and each of its queues or pools. Parts with the same name are added up.
fn by_name<'a, T, V: Default>(
    loads: &'a [(&'a str, Load)],
    parts: impl Fn(&'a Load) -> &'a [T],
    name: impl Fn(&T) -> &'static str,
    add: impl Fn(&mut V, &T),
) -> BTreeMap<(&'a str, &'static str), V>
where
    T: 'a,
{
    let mut sums = BTreeMap::new();
    for (backend, load) in loads {
        for part in parts(load) {
            add(sums.entry((*backend, name(part))).or_default(), part);
        }
    }
    sums
}

fn write_queues(page: &mut Page<'_>, loads: &[(&str, Load)]) -> fmt::Result {
    let queues =
        |add: fn(&mut u64, &QueueLoad)| by_name(loads, |load| &load.queues, |queue| queue.queue, add);
    let labeled = |((backend, queue), value)| ([("backend", backend), ("queue", queue)], value);
    page.gauge(
        "prism_queue_waiting",
        "Requests that wait in a queue of a backend",
        queues(|sum, queue| *sum += queue.waiting).into_iter().map(labeled),
    )?;
    page.counter(
        "prism_queue_shed",
        "Requests that a queue of a backend refused or gave up: it was full, or the wait too long",
        queues(|sum, queue| *sum += queue.shed).into_iter().map(labeled),
    )?;
    let mut namespaces = BTreeMap::<(&str, &str, &str), (u64, Duration)>::new();
    for (backend, load) in loads {
        for queue in &load.queues {
            for waiting in &queue.namespaces {
                let sum = namespaces.entry((backend, queue.queue, waiting.namespace.as_str())).or_default();
                *sum = (sum.0 + waiting.waiting, sum.1.max(waiting.oldest));
            }
        }
    }
    page.gauge(
        "prism_queue_namespace_waiting",
        "Requests that wait in a queue, of the namespaces with most",
        namespaces.iter().map(|((backend, queue, namespace), (waiting, _))| {
            ([("backend", *backend), ("queue", *queue), ("namespace", *namespace)], *waiting)
        }),
    )?;
    page.gauge(
        "prism_queue_namespace_oldest_seconds",
        "Wait so far of the oldest request in a queue, of the namespaces with most",
        namespaces.iter().map(|((backend, queue, namespace), (_, oldest))| {
            ([("backend", *backend), ("queue", *queue), ("namespace", *namespace)], oldest.as_secs_f64())
        }),
    )
}

fn write_batches(page: &mut Page<'_>, loads: &[(&str, Load)]) -> fmt::Result {
    let labeled = |((backend, queue), value)| ([("backend", backend), ("queue", queue)], value);
    let sizes = by_name(
        loads,
        |load| &load.batches,
        |batch| batch.queue,
        |sum: &mut Distribution, batch| {
            sum.add(&batch.sizes);
        },
    );
    page.histogram(
        "prism_batch_size",
        "Requests that were executed together: one commit of writes, or one batched read",
        sizes.into_iter().map(labeled),
    )?;
    let times = by_name(
        loads,
        |load| &load.batches,
        |batch| batch.queue,
        |sum: &mut Distribution, batch| {
            if let Some(micros) = &batch.micros {
                sum.add(micros);
            }
        },
    );
    page.seconds(
        "prism_batch_duration_seconds",
        "Time of a group commit, from its first statement to its last answer",
        times.into_iter().filter(|(_, times)| !times.counts.is_empty()).map(labeled),
    )?;
    let pools = |add: fn(&mut u64, &PoolLoad)| by_name(loads, |load| &load.pools, |pool| pool.pool, add);
    let labeled = |((backend, pool), value)| ([("backend", backend), ("pool", pool)], value);
    page.gauge(
        "prism_pool_connections",
        "Connections to the database that may be in use",
        pools(|sum, pool| *sum += pool.size).into_iter().map(labeled),
    )?;
    page.gauge(
        "prism_pool_connections_taken",
        "Connections to the database in use",
        pools(|sum, pool| *sum += pool.taken).into_iter().map(labeled),
    )
}

/// The write-ahead logs, the files of databases, and the space that is left for them.
fn write_files(page: &mut Page<'_>, loads: &[(&str, Load)]) -> fmt::Result {
    let wals = || loads.iter().filter_map(|(backend, load)| Some((*backend, load.wal.as_ref()?)));
    page.gauge(
        "prism_wal_bytes",
        "Size of the write-ahead log",
        wals().map(|(backend, wal)| ([("backend", backend)], wal.bytes)),
    )?;
    page.seconds(
        "prism_wal_checkpoint_duration_seconds",
        "Time of checkpoints of the write-ahead log",
        wals().map(|(backend, wal)| ([("backend", backend)], wal.checkpoint_micros.clone())),
    )?;
    page.counter(
        "prism_wal_checkpoints_failed",
        "Checkpoints of the write-ahead log that failed; they are repeated",
        wals().map(|(backend, wal)| ([("backend", backend)], wal.failed)),
    )?;
    let files: Vec<_> =
        loads.iter().filter_map(|(backend, load)| Some((*backend, load.file.as_ref()?))).collect();
    let sizes = files
        .iter()
        .filter_map(|(backend, file)| Some(([("backend", *backend)], std::fs::metadata(file).ok()?.len())));
    page.gauge("prism_database_file_bytes", "Size of the database's file", sizes)?;
    let free = files.iter().filter_map(|(backend, file)| Some(([("backend", *backend)], free_bytes(file)?)));
    page.gauge("prism_disk_free_bytes", "Free space on the disk of the database's file", free)
}

/// The free space on the disk of a file.
#[cfg(unix)]
fn free_bytes(file: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}
