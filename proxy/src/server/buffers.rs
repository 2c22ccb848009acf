//! A memory limit on incomplete requests and unread responses, for the process and for each connection, so that a client
//! that reads nothing blocks only itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Share of the process' bytes, and of the free ones, at which a connection's next page waits until the client has read
/// earlier ones. A share of the free bytes always leaves some, however many clients read nothing.
const DELAY_AT: Share = Share { of_all: 16, of_free: 4 };
/// Share at which the page is refused.
const REFUSE_AT: Share = Share { of_all: 4, of_free: 2 };
/// Time that a page waits while the client reads nothing. It is then made unless it is to be refused: the client may be
/// waiting for this page before it reads others.
const WAIT_INTERVAL: Duration = Duration::from_millis(250);
/// Number of such waits before it is refused.
const MAX_WAITS: u32 = 8;
/// Expected size of a connection's first response: the contract's largest page.
const LARGEST_PAGE: usize = 2 << 20;
/// Responses up to this size are not counted: one per stream takes little memory in total.
pub(super) const SMALL: usize = 256;
/// A connection whose client has read no response for this long is cut if the process has no bytes left.
const STALLED: Duration = Duration::from_secs(5);

struct Share {
    of_all: usize,
    of_free: usize,
}

impl Share {
    fn of(&self, buffers: &Buffers) -> usize {
        (buffers.most / self.of_all).min(buffers.free() / self.of_free)
    }
}

/// The buffered bytes of the process.
pub(super) struct Buffers {
    most: usize,
    used: AtomicUsize,
    refused: AtomicU64,
    started: Instant,
    connections: Mutex<HashMap<u64, Weak<Account>>>,
    next: AtomicU64,
}

/// The buffered bytes of a connection.
pub(super) struct Account {
    buffers: Arc<Buffers>,
    id: u64,
    state: Mutex<State>,
    /// Time of the last read response, in milliseconds since the start.
    last_read_at: AtomicU64,
    cut: CancellationToken,
}

struct State {
    held: usize,
    /// Total expected size of the responses being made.
    reserved: usize,
    /// Expected size of the next response: the larger of the last one and half of the expectation before it.
    expected: usize,
    waiting: VecDeque<oneshot::Sender<Reserved>>,
}

/// Room reserved for a response to be made.
pub(super) struct Reserved {
    account: Arc<Account>,
    bytes: usize,
}

/// Bytes counted as held until this is dropped.
pub(super) struct Held {
    account: Arc<Account>,
    bytes: usize,
}

/// There is no room for these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Buffers {
    /// A limit of `most` bytes.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            used: AtomicUsize::default(),
            refused: AtomicU64::default(),
            started: Instant::now(),
            connections: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// The account of a new connection, which is ended by `cut`.
    pub(super) fn account(self: &Arc<Self>, cut: CancellationToken) -> Arc<Account> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let account = Arc::new(Account {
            buffers: Arc::clone(self),
            id,
            state: Mutex::new(State {
                held: 0,
                reserved: 0,
                expected: LARGEST_PAGE,
                waiting: VecDeque::new(),
            }),
            last_read_at: AtomicU64::default(),
            cut,
        });
        lock(&self.connections).insert(id, Arc::downgrade(&account));
        account
    }

    /// Maximum buffered bytes.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Buffered bytes.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Calls that were refused for lack of room.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes bytes from the free ones.
    fn take(&self, bytes: usize) -> Result<(), Full> {
        let most = self.most;
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Full)
    }

    fn free(&self) -> usize {
        self.most.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// Cuts the connection that holds most, of those whose clients read nothing.
    fn cut_stalled(&self) {
        let now = self.now();
        let stalled = u64::try_from(STALLED.as_millis()).unwrap_or(u64::MAX);
        let accounts: Vec<_> = lock(&self.connections).values().filter_map(Weak::upgrade).collect();
        let most = accounts
            .into_iter()
            .filter(|account| now.saturating_sub(account.last_read_at.load(Ordering::Relaxed)) >= stalled)
            .map(|account| {
                let held = lock(&account.state).held;
                (held, account)
            })
            .max_by_key(|(held, _)| *held);
        if let Some((held, account)) = most.filter(|(held, _)| *held > 0)
            && !account.cut.is_cancelled()
        {
            tracing::warn!(
                held_bytes = held,
                "connection aborted: its client reads no responses, and the server's buffers are full"
            );
            account.cut.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Account {
    /// Room for a page, at once or when the client has read enough of the earlier ones. If it reads nothing for one
    /// interval, the page is made unless it is to be refused, and it is refused after eight intervals.
    pub(super) async fn reserve(self: &Arc<Self>) -> Result<Reserved, Full> {
        let mut granted = {
            let mut state = lock(&self.state);
            if let Some(reserved) = self.grant_at_once(&mut state) {
                return Ok(reserved);
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back(grant);
            granted
        };
        let (mut last_read_at, mut waits) = (self.last_read_at.load(Ordering::Relaxed), 0);
        while waits < MAX_WAITS {
            if let Ok(granted) = timeout(WAIT_INTERVAL, &mut granted).await {
                return granted.map_err(|_| Full);
            }
            let last = std::mem::replace(&mut last_read_at, self.last_read_at.load(Ordering::Relaxed));
            if last != last_read_at {
                waits = 0;
            } else if let Ok(reserved) = self.reserve_now() {
                return Ok(reserved);
            } else {
                waits += 1;
            }
        }
        Err(Full)
    }

    /// Counts a call that is refused for lack of room.
    pub(super) fn count_refused(&self) {
        self.buffers.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Room for a page without waiting.
    pub(super) fn reserve_at_once(self: &Arc<Self>) -> Result<Reserved, Full> {
        self.grant_at_once(&mut lock(&self.state)).ok_or(Full)
    }

    /// Room for a page of a stream whose earlier pages were read, unless it is to be refused.
    pub(super) fn reserve_now(self: &Arc<Self>) -> Result<Reserved, Full> {
        let mut state = lock(&self.state);
        if state.has_room(REFUSE_AT.of(&self.buffers)) { Ok(self.grant(&mut state)) } else { Err(Full) }
    }

    /// Holds bytes that were received, or made without a reservation.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Full> {
        let held = self.try_hold(&mut lock(&self.state), bytes);
        self.make_room(held, bytes)
    }

    /// Holds the response to a completed write, regardless of the limit; it is a few KiB.
    pub(super) fn hold_always(self: &Arc<Self>, bytes: usize) -> Held {
        self.buffers.used.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.state).held += bytes;
        Held { account: Arc::clone(self), bytes }
    }

    /// Frees room for the next attempt after a refusal. Not under the state's lock, since it inspects all connections.
    fn make_room(&self, held: Result<Held, Full>, bytes: usize) -> Result<Held, Full> {
        if held.is_err() && self.buffers.free() < bytes {
            self.buffers.cut_stalled();
        }
        held
    }

    /// Whether responses are being made for which room is reserved.
    #[cfg(test)]
    pub(super) fn has_reserved(&self) -> bool {
        lock(&self.state).reserved > 0
    }

    fn try_hold(self: &Arc<Self>, state: &mut State, bytes: usize) -> Result<Held, Full> {
        // A single page may exceed a connection's share of all bytes, but not half of the free ones.
        let all = if state.held == 0 { usize::MAX } else { self.buffers.most / REFUSE_AT.of_all };
        if state.held.saturating_add(bytes) > all.min(self.buffers.free() / REFUSE_AT.of_free) {
            return Err(Full);
        }
        self.buffers.take(bytes)?;
        if state.held == 0 {
            self.last_read_at.store(self.buffers.now(), Ordering::Relaxed);
        }
        state.held += bytes;
        Ok(Held { account: Arc::clone(self), bytes })
    }

    fn grant_at_once(self: &Arc<Self>, state: &mut State) -> Option<Reserved> {
        let at_once = state.waiting.is_empty() && state.has_room(DELAY_AT.of(&self.buffers));
        at_once.then(|| self.grant(state))
    }

    fn grant(self: &Arc<Self>, state: &mut State) -> Reserved {
        state.reserved += state.expected;
        Reserved { account: Arc::clone(self), bytes: state.expected }
    }

    /// Grants the waiting reservations for which there is room.
    fn wake(self: &Arc<Self>) {
        loop {
            let (grant, reserved) = {
                let mut state = lock(&self.state);
                if state.waiting.is_empty() || !state.has_room(DELAY_AT.of(&self.buffers)) {
                    return;
                }
                let Some(grant) = state.waiting.pop_front() else { return };
                (grant, self.grant(&mut state))
            };
            if let Err(mut unused) = grant.send(reserved) {
                // Its call has ended. Returned here and not on drop, which would call this function again.
                lock(&self.state).reserved -= std::mem::take(&mut unused.bytes);
            }
        }
    }
}

impl State {
    /// Whether another page fits within `most`. A connection that holds nothing may hold one page.
    fn has_room(&self, most: usize) -> bool {
        let used = self.held + self.reserved;
        used == 0 || used + self.expected <= most
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        lock(&self.buffers.connections).remove(&self.id);
    }
}

impl Reserved {
    /// Replaces the reservation by the actual size of the response. `None`: too small to be counted.
    pub(super) fn commit(mut self, bytes: usize) -> Result<Option<Held>, Full> {
        let account = Arc::clone(&self.account);
        let (held, waiting) = {
            let mut state = lock(&account.state);
            state.expected = bytes.max(state.expected / 2);
            state.reserved -= std::mem::take(&mut self.bytes);
            let held = (bytes > SMALL).then(|| account.try_hold(&mut state, bytes));
            (held, !state.waiting.is_empty())
        };
        let held = held.map(|held| account.make_room(held, bytes)).transpose();
        if waiting {
            account.wake();
        }
        held
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.bytes > 0 {
            lock(&self.account.state).reserved -= self.bytes;
            self.account.wake();
        }
    }
}

impl Held {
    /// `bytes`, counted until the last reference to them is gone.
    pub(super) fn keep(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept { bytes, _held: self })
    }

    /// Adds the bytes of `other`.
    pub(super) fn add(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let account = &self.account;
        account.buffers.used.fetch_sub(self.bytes, Ordering::Relaxed);
        account.last_read_at.store(account.buffers.now(), Ordering::Relaxed);
        let waiting = {
            let mut state = lock(&account.state);
            state.held -= self.bytes;
            !state.waiting.is_empty()
        };
        if waiting {
            account.wake();
        }
    }
}

struct Kept {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A std mutex: it is never held across an await, and no panic leaves its data inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
