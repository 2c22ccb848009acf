//! The state of a connection, and the table of all connections: limits on their number, and eviction of idle ones.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::buffers::{Account, Buffers};

/// Maximum connections in their handshake. Beyond it, the oldest of the address that has most is closed.
const MAX_PENDING: usize = 256;
/// Time after which a connection without a call in flight may be closed for a new one; shorter if it never had a call.
const IDLE: Duration = Duration::from_secs(10);
const UNUSED: Duration = Duration::from_secs(1);
/// A connection may have open 1/8 of the free streams, so that some are left for others; and a few in any case.
const FREE_STREAMS_DIVISOR: usize = 8;
const MIN_STREAMS: usize = 8;

/// A connection that speaks HTTP/2.
pub(super) struct Connection {
    peer: SocketAddr,
    certificate_names: OnceLock<Vec<String>>,
    account: Arc<Account>,
    pub(super) streams: OpenStreams,
    /// End of the last call, in milliseconds since the table was made.
    idle_since: AtomicU64,
    used: AtomicBool,
    /// Notified when the last open stream has ended.
    idle: Notify,
    /// Cancelled to close it once its calls have ended.
    close: CancellationToken,
    /// Cancelled to close it immediately.
    cut: CancellationToken,
    table: Arc<Table>,
}

/// The number of open streams, of a connection and of all connections.
pub(super) struct OpenStreams {
    own: AtomicUsize,
    all: Arc<AtomicUsize>,
    most: usize,
}

impl OpenStreams {
    pub(super) fn open(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether it was the connection's last.
    fn end(&self) -> bool {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether the connection exceeds its share.
    pub(super) fn are_too_many(&self) -> bool {
        let free = self.most.saturating_sub(self.all.load(Ordering::Relaxed));
        self.own.load(Ordering::Relaxed) > (free / FREE_STREAMS_DIVISOR).max(MIN_STREAMS)
    }

    fn are_none(&self) -> bool {
        self.own.load(Ordering::Acquire) == 0
    }
}

impl Connection {
    /// The client's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sets the names of the client's certificate, once it is verified.
    pub(super) fn set_certificate_names(&self, names: Vec<String>) {
        let _ = self.certificate_names.set(names);
    }

    /// The names of the client's certificate, such as `uri:spiffe://example.org/orders`; empty without one.
    pub(super) fn certificate_names(&self) -> &[String] {
        self.certificate_names.get().map_or(&[], Vec::as_slice)
    }

    /// The bytes buffered for its client.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Cancelled when the connection is to close once its calls have ended.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.close
    }

    /// Cancelled when the connection is to close immediately.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    pub(super) fn stream_ended(&self) {
        self.used.store(true, Ordering::Relaxed);
        if self.streams.end() {
            self.idle_since.store(self.table.now(), Ordering::Relaxed);
            self.idle.notify_one();
        }
    }

    /// Waits until no stream is open. For a single waiter.
    pub(super) async fn wait_idle(&self) {
        while !self.streams.are_none() {
            self.idle.notified().await;
        }
    }

    /// Since when it has been idle, in milliseconds; `None`: not evictable, as it has calls or was used recently.
    fn idle_since(&self, now: u64) -> Option<u64> {
        let threshold = if self.used.load(Ordering::Relaxed) { IDLE } else { UNUSED };
        let since = self.idle_since.load(Ordering::Relaxed);
        let is_idle = now.saturating_sub(since) >= u64::try_from(threshold.as_millis()).unwrap_or(u64::MAX);
        (is_idle && self.streams.are_none() && !self.close.is_cancelled()).then_some(since)
    }
}

/// All connections of a server.
pub(super) struct Table {
    most: usize,
    max_per_peer: usize,
    buffers: Arc<Buffers>,
    streams: Arc<AtomicUsize>,
    max_streams: usize,
    started: Instant,
    state: Mutex<State>,
    /// Notified when a permit was returned.
    freed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    pending: HashMap<u64, (IpAddr, CancellationToken)>,
    open: HashMap<u64, Arc<Connection>>,
    per_peer: HashMap<IpAddr, usize>,
}

/// A connection in its handshake; removed from the table on drop.
pub(super) struct Pending {
    table: Arc<Table>,
    number: u64,
    peer: SocketAddr,
    evicted: CancellationToken,
}

/// The right to have a connection open, returned on drop.
pub(super) struct Permit {
    number: u64,
    pub(super) connection: Arc<Connection>,
}

/// The connection limit is reached, in total or for this address.
struct LimitReached;

impl Table {
    /// A table with limits on connections, on those from one address, and on open streams.
    pub(super) fn new(
        most: usize,
        max_per_peer: usize,
        max_streams: usize,
        buffers: Arc<Buffers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            most,
            max_per_peer,
            buffers,
            streams: Arc::default(),
            max_streams,
            started: Instant::now(),
            state: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Registers a new connection. If too many are in their handshake, one of them is closed.
    pub(super) fn accepted(self: &Arc<Self>, peer: SocketAddr) -> Pending {
        let evicted = CancellationToken::new();
        let mut state = self.state();
        let number = state.number();
        state.pending.insert(number, (peer.ip(), evicted.clone()));
        if state.pending.len() > MAX_PENDING {
            state.evict_pending();
        }
        drop(state);
        Pending { table: Arc::clone(self), number, peer, evicted }
    }

    /// The number of connections in their handshake, and of those past it.
    pub(super) fn connections(&self) -> (usize, usize) {
        let state = self.state();
        (state.pending.len(), state.open.len())
    }

    /// The number of open streams.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A std mutex: it is never held across an await, and no panic leaves its data inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Closes the oldest pending connection of the address that has most.
    fn evict_pending(&mut self) {
        let mut counts = HashMap::<IpAddr, usize>::new();
        for (peer, _) in self.pending.values() {
            *counts.entry(*peer).or_default() += 1;
        }
        let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return };
        let oldest =
            self.pending.iter().filter(|(_, (peer, _))| *peer == most).map(|(number, _)| *number).min();
        if let Some((_, evicted)) = oldest.and_then(|number| self.pending.remove(&number)) {
            evicted.cancel();
        }
    }

    /// Closes the connection that has been idle longest, of `peer` if given.
    fn evict_idle(&self, now: u64, peer: Option<IpAddr>) {
        let idle = self
            .open
            .values()
            .filter(|connection| peer.is_none_or(|peer| connection.peer.ip() == peer))
            .filter_map(|connection| connection.idle_since(now).map(|since| (since, connection)))
            // Connections that never had a call are evicted first.
            .min_by_key(|(since, connection)| (connection.used.load(Ordering::Relaxed), *since));
        if let Some((_, connection)) = idle {
            connection.close.cancel();
        }
    }
}

impl Pending {
    /// The client's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Completes when it is evicted for other connections in their handshake.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Waits for a permit; an idle connection is closed for it.
    pub(super) async fn acquire(&self) -> Permit {
        loop {
            let freed = self.table.freed.notified();
            match self.try_acquire() {
                Ok(permit) => {
                    // Another may wait for a permit that was returned at the same time.
                    self.table.freed.notify_one();
                    return permit;
                }
                Err(LimitReached) => {
                    // Another connection may have become evictable by then.
                    let _ = tokio::time::timeout(UNUSED, freed).await;
                }
            }
        }
    }

    fn try_acquire(&self) -> Result<Permit, LimitReached> {
        let (table, ip) = (&self.table, self.peer.ip());
        let mut state = table.state();
        let of_peer = state.per_peer.get(&ip).copied().unwrap_or(0);
        if of_peer >= table.max_per_peer {
            state.evict_idle(table.now(), Some(ip));
            return Err(LimitReached);
        }
        if state.open.len() >= table.most {
            state.evict_idle(table.now(), None);
            return Err(LimitReached);
        }
        let (close, cut) = (CancellationToken::new(), CancellationToken::new());
        let connection = Arc::new(Connection {
            peer: self.peer,
            certificate_names: OnceLock::new(),
            account: table.buffers.account(cut.clone()),
            streams: OpenStreams {
                own: AtomicUsize::default(),
                all: Arc::clone(&table.streams),
                most: table.max_streams,
            },
            idle_since: AtomicU64::new(table.now()),
            used: AtomicBool::default(),
            idle: Notify::new(),
            close,
            cut,
            table: Arc::clone(table),
        });
        state.pending.remove(&self.number);
        *state.per_peer.entry(ip).or_default() += 1;
        state.open.insert(self.number, Arc::clone(&connection));
        Ok(Permit { number: self.number, connection })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.table.state().pending.remove(&self.number);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (table, ip) = (&self.connection.table, self.connection.peer.ip());
        let mut state = table.state();
        state.open.remove(&self.number);
        if let Some(count) = state.per_peer.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                state.per_peer.remove(&ip);
            }
        }
        drop(state);
        table.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
