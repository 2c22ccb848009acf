//! What is known about a connection, and the table of all of them: how many there may be, and which gives way to a new one.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::buffers::{Account, Buffers};

/// Connections that have not begun to speak HTTP/2. Where there are more, the oldest of the address that has most is closed.
const PENDING: usize = 256;
/// A connection without a call in flight gives way to a new one after this time, and sooner where it never had a call.
const IDLE: Duration = Duration::from_secs(10);
const UNUSED: Duration = Duration::from_secs(1);
/// A connection may have open this part of the streams that are free for all, so that some are left; and a few in any case.
const OF_FREE_STREAMS: usize = 8;
const FEW_STREAMS: usize = 8;

/// A connection that speaks HTTP/2.
pub(super) struct Connection {
    peer: SocketAddr,
    account: Arc<Account>,
    pub(super) streams: OpenStreams,
    /// Milliseconds since the table was made at which the last call ended.
    idle_since: AtomicU64,
    used: AtomicBool,
    /// Told when no stream is open any more.
    idle: Notify,
    /// It is to end when its calls have ended.
    close: CancellationToken,
    /// It is to end now.
    cut: CancellationToken,
    table: Arc<Table>,
}

/// How many streams a connection has open, and all connections together.
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

    /// Answers whether it was the connection's last.
    fn end(&self) -> bool {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether one more would take what others need.
    pub(super) fn are_too_many(&self) -> bool {
        let free = self.most.saturating_sub(self.all.load(Ordering::Relaxed));
        self.own.load(Ordering::Relaxed) > (free / OF_FREE_STREAMS).max(FEW_STREAMS)
    }

    fn are_none(&self) -> bool {
        self.own.load(Ordering::Acquire) == 0
    }
}

impl Connection {
    /// Where its client is.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The bytes that are held for its client.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Cancelled when the connection is to end once its calls have.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.close
    }

    /// Cancelled when the connection is to end now.
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

    /// Waits until no stream is open. Only one may wait.
    pub(super) async fn quiet(&self) {
        while !self.streams.are_none() {
            self.idle.notified().await;
        }
    }

    /// Since when it may give way to another, in milliseconds; `None`: it has calls, or was used just now.
    fn idle_since(&self, now: u64) -> Option<u64> {
        let rest = if self.used.load(Ordering::Relaxed) { IDLE } else { UNUSED };
        let since = self.idle_since.load(Ordering::Relaxed);
        let rested = now.saturating_sub(since) >= u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
        (rested && self.streams.are_none() && !self.close.is_cancelled()).then_some(since)
    }
}

/// All connections of a server.
pub(super) struct Table {
    most: usize,
    most_per_peer: usize,
    buffers: Arc<Buffers>,
    streams: Arc<AtomicUsize>,
    most_streams: usize,
    started: Instant,
    state: Mutex<State>,
    /// Told when a place became free.
    freed: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    pending: HashMap<u64, (IpAddr, CancellationToken)>,
    seated: HashMap<u64, Arc<Connection>>,
    per_peer: HashMap<IpAddr, usize>,
}

/// A connection that has not begun to speak HTTP/2; dropping it forgets it.
pub(super) struct Pending {
    table: Arc<Table>,
    number: u64,
    peer: SocketAddr,
    evicted: CancellationToken,
}

/// A place in the table; dropping it makes room for another.
pub(super) struct Seat {
    number: u64,
    pub(super) connection: Arc<Connection>,
}

/// There are as many connections as there may be, in all or from this address.
struct NoPlace;

impl Table {
    /// For `most` connections, of which `most_per_peer` may come from one address, with `most_streams` open streams.
    pub(super) fn new(
        most: usize,
        most_per_peer: usize,
        most_streams: usize,
        buffers: Arc<Buffers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_peer,
            buffers,
            streams: Arc::default(),
            most_streams,
            started: Instant::now(),
            state: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Takes note of a connection that was accepted. Where too many have not begun to speak, one of them is closed.
    pub(super) fn accepted(self: &Arc<Self>, peer: SocketAddr) -> Pending {
        let evicted = CancellationToken::new();
        let mut state = self.state();
        let number = state.number();
        state.pending.insert(number, (peer.ip(), evicted.clone()));
        if state.pending.len() > PENDING {
            state.evict_pending();
        }
        drop(state);
        Pending { table: Arc::clone(self), number, peer, evicted }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A std mutex: nothing awaits while it is held, and nothing in it panics half way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Closes the oldest of the address that has most connections pending.
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

    /// Has the connection end that was idle longest, of `peer` if one is given.
    fn evict_idle(&self, now: u64, peer: Option<IpAddr>) {
        let idle = self
            .seated
            .values()
            .filter(|connection| peer.is_none_or(|peer| connection.peer.ip() == peer))
            .filter_map(|connection| connection.idle_since(now).map(|since| (since, connection)))
            // One that never had a call goes before those that had some.
            .min_by_key(|(since, connection)| (connection.used.load(Ordering::Relaxed), *since));
        if let Some((_, connection)) = idle {
            connection.close.cancel();
        }
    }
}

impl Pending {
    /// Where its client is.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Completes when it has to give way to others that have not begun to speak.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// A place in the table, when there is one: an idle connection is closed for it.
    pub(super) async fn seat(&self) -> Seat {
        loop {
            let freed = self.table.freed.notified();
            match self.try_seat() {
                Ok(seat) => {
                    // Another may wait for a place that became free at the same time.
                    self.table.freed.notify_one();
                    return seat;
                }
                Err(NoPlace) => {
                    // An idle connection that may go will have rested long enough later.
                    let _ = tokio::time::timeout(UNUSED, freed).await;
                }
            }
        }
    }

    fn try_seat(&self) -> Result<Seat, NoPlace> {
        let (table, ip) = (&self.table, self.peer.ip());
        let mut state = table.state();
        let of_peer = state.per_peer.get(&ip).copied().unwrap_or(0);
        if of_peer >= table.most_per_peer {
            state.evict_idle(table.now(), Some(ip));
            return Err(NoPlace);
        }
        if state.seated.len() >= table.most {
            state.evict_idle(table.now(), None);
            return Err(NoPlace);
        }
        let (close, cut) = (CancellationToken::new(), CancellationToken::new());
        let connection = Arc::new(Connection {
            peer: self.peer,
            account: table.buffers.account(cut.clone()),
            streams: OpenStreams {
                own: AtomicUsize::default(),
                all: Arc::clone(&table.streams),
                most: table.most_streams,
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
        state.seated.insert(self.number, Arc::clone(&connection));
        Ok(Seat { number: self.number, connection })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.table.state().pending.remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (table, ip) = (&self.connection.table, self.connection.peer.ip());
        let mut state = table.state();
        state.seated.remove(&self.number);
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
