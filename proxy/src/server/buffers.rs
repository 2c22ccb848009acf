//! A bound on what the server holds for its clients: parts of requests that are not complete, and answers that were made and not
//! yet taken. Bounded for the process and for each connection, so that a connection that takes nothing holds up itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The parts of the process' bytes, and of those that are free, at which a connection's next page waits for the client to take
/// earlier ones. Of what is free there is always some left, however many connections take nothing.
const WAITS: Share = Share { of_all: 16, of_free: 4 };
/// The parts at which it is refused.
const REFUSED: Share = Share { of_all: 4, of_free: 2 };
/// How long a page waits while the client takes nothing. It is then made if it is not to be refused: a client may wait for this one
/// before it takes another.
const WAIT: Duration = Duration::from_millis(250);
/// How often it then waits so before it is refused.
const WAITS_IN_VAIN: u32 = 8;
/// What an answer is expected to weigh before the connection has had one: the contract's largest page.
const LARGEST_PAGE: usize = 2 << 20;
/// Answers up to this size are not counted: as many as there can be streams take little.
pub(super) const SMALL: usize = 256;
/// A connection whose client has taken no answer for this long is cut where the process has no bytes left.
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

/// The bytes of a process.
pub(super) struct Buffers {
    most: usize,
    used: AtomicUsize,
    started: Instant,
    connections: Mutex<HashMap<u64, Weak<Account>>>,
    next: AtomicU64,
}

/// The bytes of a connection.
pub(super) struct Account {
    buffers: Arc<Buffers>,
    id: u64,
    state: Mutex<State>,
    /// Milliseconds since the start at which an answer was last taken.
    taken_at: AtomicU64,
    cut: CancellationToken,
}

struct State {
    held: usize,
    /// The sum of what answers in the making are expected to weigh.
    reserved: usize,
    /// What the next answer is expected to weigh: the last one, or half of the one before if that is more.
    expected: usize,
    waiting: VecDeque<oneshot::Sender<Reserved>>,
}

/// Room for an answer that is to be made.
pub(super) struct Reserved {
    account: Arc<Account>,
    bytes: usize,
}

/// Bytes that are held, until this is dropped.
pub(super) struct Held {
    account: Arc<Account>,
    bytes: usize,
}

/// There is no room for these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Buffers {
    /// Room for `most` bytes.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            used: AtomicUsize::default(),
            started: Instant::now(),
            connections: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// The account of a new connection, which `cut` ends.
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
            taken_at: AtomicU64::default(),
            cut,
        });
        lock(&self.connections).insert(id, Arc::downgrade(&account));
        account
    }

    /// Takes bytes from what is free.
    fn take(&self, bytes: usize) -> Result<(), Full> {
        let most = self.most;
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Full)
    }

    fn free(&self) -> usize {
        self.most.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// Ends the connection that holds most, of those whose clients take nothing.
    fn cut_stalled(&self) {
        let now = self.now();
        let stalled = u64::try_from(STALLED.as_millis()).unwrap_or(u64::MAX);
        let accounts: Vec<_> = lock(&self.connections).values().filter_map(Weak::upgrade).collect();
        let most = accounts
            .into_iter()
            .filter(|account| now.saturating_sub(account.taken_at.load(Ordering::Relaxed)) >= stalled)
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
                "a connection is cut: its client takes no answers, and the server has no room for others'"
            );
            account.cut.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Account {
    /// Room for a page: at once, or when the client has taken enough of those before. Where it takes nothing for a while the page
    /// is made as long as it is not to be refused, and refused after eight times as long.
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
        let (mut taken_at, mut waits) = (self.taken_at.load(Ordering::Relaxed), 0);
        while waits < WAITS_IN_VAIN {
            if let Ok(granted) = timeout(WAIT, &mut granted).await {
                return granted.map_err(|_| Full);
            }
            let last = std::mem::replace(&mut taken_at, self.taken_at.load(Ordering::Relaxed));
            if last != taken_at {
                waits = 0;
            } else if let Ok(reserved) = self.reserve_now() {
                return Ok(reserved);
            } else {
                waits += 1;
            }
        }
        Err(Full)
    }

    /// The same where nothing is to be waited for.
    pub(super) fn reserve_at_once(self: &Arc<Self>) -> Result<Reserved, Full> {
        self.grant_at_once(&mut lock(&self.state)).ok_or(Full)
    }

    /// Room for a page of a stream whose pages before were taken, unless it is to be refused.
    pub(super) fn reserve_now(self: &Arc<Self>) -> Result<Reserved, Full> {
        let mut state = lock(&self.state);
        if state.has_room(REFUSED.of(&self.buffers)) { Ok(self.grant(&mut state)) } else { Err(Full) }
    }

    /// Holds bytes that came in, or were made without a reservation.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Full> {
        let held = self.try_hold(&mut lock(&self.state), bytes);
        self.make_room(held, bytes)
    }

    /// Holds the answer to a write, which was done: it has some KiB, and is held however little room there is.
    pub(super) fn hold_always(self: &Arc<Self>, bytes: usize) -> Held {
        self.buffers.used.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.state).held += bytes;
        Held { account: Arc::clone(self), bytes }
    }

    /// Makes room for the next time where there was none. Not under the lock of the state, since it looks at all connections.
    fn make_room(&self, held: Result<Held, Full>, bytes: usize) -> Result<Held, Full> {
        if held.is_err() && self.buffers.free() < bytes {
            self.buffers.cut_stalled();
        }
        held
    }

    fn try_hold(self: &Arc<Self>, state: &mut State, bytes: usize) -> Result<Held, Full> {
        // One page may be larger than a connection's part of all, but not than half of what is free.
        let all = if state.held == 0 { usize::MAX } else { self.buffers.most / REFUSED.of_all };
        if state.held.saturating_add(bytes) > all.min(self.buffers.free() / REFUSED.of_free) {
            return Err(Full);
        }
        self.buffers.take(bytes)?;
        if state.held == 0 {
            self.taken_at.store(self.buffers.now(), Ordering::Relaxed);
        }
        state.held += bytes;
        Ok(Held { account: Arc::clone(self), bytes })
    }

    fn grant_at_once(self: &Arc<Self>, state: &mut State) -> Option<Reserved> {
        let at_once = state.waiting.is_empty() && state.has_room(WAITS.of(&self.buffers));
        at_once.then(|| self.grant(state))
    }

    fn grant(self: &Arc<Self>, state: &mut State) -> Reserved {
        state.reserved += state.expected;
        Reserved { account: Arc::clone(self), bytes: state.expected }
    }

    /// Lets in those who wait, as far as there is room.
    fn wake(self: &Arc<Self>) {
        loop {
            let (grant, reserved) = {
                let mut state = lock(&self.state);
                if state.waiting.is_empty() || !state.has_room(WAITS.of(&self.buffers)) {
                    return;
                }
                let Some(grant) = state.waiting.pop_front() else { return };
                (grant, self.grant(&mut state))
            };
            if let Err(mut unwanted) = grant.send(reserved) {
                // Its call has ended. Returned here and not on drop, which would call this function again.
                lock(&self.state).reserved -= std::mem::take(&mut unwanted.bytes);
            }
        }
    }
}

impl State {
    /// Whether another page leaves it within `most`. A connection that holds nothing may hold one page.
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
    /// The answer was made, and weighs so much. `None`: so little that it is not counted.
    pub(super) fn made(mut self, bytes: usize) -> Result<Option<Held>, Full> {
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

    /// Adds what `other` holds.
    pub(super) fn add(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let account = &self.account;
        account.buffers.used.fetch_sub(self.bytes, Ordering::Relaxed);
        account.taken_at.store(account.buffers.now(), Ordering::Relaxed);
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

/// A std mutex: nothing awaits while it is held, and nothing in it panics half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
