//! Tails that wait for events. They are woken by the Appends of this process; by notifications of other processes, which one
//! connection listens for; and underneath by a poll, one statement for all of them: a notification may be lost, and it may
//! have come before a Tail began to wait.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::Namespace;
use prism_contract::timeseries::{Series, Tail};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor, Row};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{bound, claimed};
use crate::postgres::keyvalue::{Readers, column};
use crate::timeseries::{Buckets, Wakes};

/// Longest time between two polls. Each gateway polls up to a third more often, so that they do not poll at the same time.
const POLL: Duration = Duration::from_millis(900);
/// Tails that begin to wait within this time are looked at by one statement.
const GATHER: Duration = Duration::from_millis(10);
/// Maximum Tails of one statement.
const WATCHED: usize = 1_000;
/// Time between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// A connection without notifications is tested this often.
const TEST: Duration = Duration::from_secs(30);
/// Timeout of that test, and of connecting.
const ANSWER: Duration = Duration::from_secs(5);

/// The Tails with an event after their position, by their 1-based number. Parameters: namespaces; names of the series, NULL for
/// the whole namespace; and positions, for a namespace the sum over its partitions.
pub(super) const GROWN: &str = "SELECT wanted.number \
     FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) WITH ORDINALITY AS wanted (namespace, series, position, number) \
     JOIN prism_ts_namespaces AS n ON n.name = wanted.namespace \
     WHERE CASE WHEN wanted.series IS NULL THEN wanted.position < (SELECT sum(p.position) FROM prism_ts_partitions AS p \
     WHERE p.id >= n.id * 256 AND p.id < n.id * 256 + n.partitions) \
     ELSE EXISTS (SELECT FROM prism_ts_series AS s JOIN prism_ts_events AS e ON e.series = s.id \
     AND e.position > wanted.position WHERE s.namespace = n.id AND s.name = wanted.series) END";

/// The Tails of this process.
pub(super) struct Tails {
    wakes: Wakes,
    waiting: Mutex<Waiting>,
    /// A Tail has begun to wait.
    registered: Notify,
    /// The first Tail has begun to wait: without Tails, there is no connection that listens.
    first: Notify,
    /// What other processes have not been told yet.
    unsent: Mutex<Buckets>,
    unsent_grew: Notify,
    readers: Arc<Readers>,
    connect: PgConnectOptions,
    /// Of the database's schema.
    channel: String,
    /// Of this process, which does not listen to itself.
    sender: String,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    tails: BTreeMap<u64, Watched>,
    /// Those that no statement has looked at.
    new: Vec<u64>,
}

/// A Tail that waits.
#[derive(Clone)]
struct Watched {
    namespace: Namespace,
    series: Option<Series>,
    position: i64,
    grown: Arc<Notify>,
}

/// Ends the registration of a Tail when it is dropped.
struct Registered<'a>(&'a Tails, u64);

impl Tails {
    /// For a database whose schema has this seed.
    pub(super) fn new(readers: Arc<Readers>, connect: PgConnectOptions, seed: i64) -> Self {
        Self {
            wakes: Wakes::default(),
            waiting: Mutex::default(),
            registered: Notify::new(),
            first: Notify::new(),
            unsent: Mutex::default(),
            unsent_grew: Notify::new(),
            readers,
            connect,
            channel: format!("prism_ts_{seed:016x}"),
            sender: format!("{:016x}", RandomState::new().hash_one(seed)),
        }
    }

    /// Starts the tasks, which end when the set is dropped.
    pub(super) fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let (polling, listening, notifying) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        tasks.spawn(async move { polling.poll().await });
        tasks.spawn(async move { listening.listen().await });
        tasks.spawn(async move { notifying.notify().await });
        tasks
    }

    /// Wakes the Tails in these buckets, here and in other processes, after a commit.
    pub(super) fn appended(&self, buckets: &Buckets) {
        if buckets.is_empty() {
            return;
        }
        self.wakes.wake(buckets);
        lock(&self.unsent).insert_all(buckets);
        self.unsent_grew.notify_one();
    }

    /// Waits until the log of `tail` may have grown.
    pub(super) async fn wait(&self, tail: &Tail) {
        // A damaged position: the read that follows says so.
        let Ok(after) = claimed(&tail.after) else { return };
        // Before the log is looked at, so that no Append is missed in between.
        let mut woken = std::pin::pin!(self.wakes.of(tail));
        woken.as_mut().enable();
        let grown = Arc::new(Notify::new());
        let position = after.into_iter().map(bound).fold(0, i64::saturating_add);
        let watched = Watched {
            namespace: tail.namespace.clone(),
            series: tail.series.clone(),
            position,
            grown: Arc::clone(&grown),
        };
        let _registered = self.register(watched);
        tokio::select! {
            () = woken => {}
            () = grown.notified() => {}
        }
    }

    fn register(&self, watched: Watched) -> Registered<'_> {
        let number = {
            let mut waiting = lock(&self.waiting);
            waiting.next += 1;
            let number = waiting.next;
            waiting.tails.insert(number, watched);
            waiting.new.push(number);
            number
        };
        self.registered.notify_one();
        self.first.notify_one();
        Registered(self, number)
    }

    /// Looks at Tails when they have begun to wait, and at all from time to time.
    async fn poll(&self) {
        let early = RandomState::new().hash_one(&self.sender) % 100;
        let interval = POLL.mul_f64(1.0 - 0.0025 * f64::from(u8::try_from(early).unwrap_or_default()));
        let mut next = Instant::now() + interval;
        loop {
            let all = tokio::select! {
                () = self.registered.notified() => {
                    sleep(GATHER).await;
                    false
                }
                () = sleep_until(next) => {
                    next = Instant::now() + interval;
                    true
                }
            };
            let watched: Vec<Watched> = {
                let mut waiting = lock(&self.waiting);
                let new = std::mem::take(&mut waiting.new);
                if all {
                    waiting.tails.values().cloned().collect()
                } else {
                    new.iter().filter_map(|number| waiting.tails.get(number).cloned()).collect()
                }
            };
            for watched in watched.chunks(WATCHED) {
                self.look(watched).await;
            }
        }
    }

    /// Wakes those of these Tails that have an event after their position. After an error all: their next read has the reason.
    async fn look(&self, watched: &[Watched]) {
        let statement = || {
            sqlx::query(GROWN)
                .bind(column(watched, |tail| tail.namespace.as_str().as_bytes()))
                .bind(column(watched, |tail| tail.series.as_ref().map(|series| series.as_str().as_bytes())))
                .bind(column(watched, |tail| tail.position))
        };
        // The namespace of the gateway's own reads: its turn comes whatever clients do.
        match self.readers.rows(&Namespace::internal(), statement).await {
            Ok(rows) => {
                let numbers =
                    rows.iter().filter_map(|row| usize::try_from(row.try_get::<i64, _>(0).ok()? - 1).ok());
                for tail in numbers.filter_map(|number| watched.get(number)) {
                    tail.grown.notify_one();
                }
            }
            Err(error) => tracing::debug!(?error, "the poll for Tails failed"),
        }
    }

    /// Tells other processes what was appended, after the commit: a notification within the transaction would be sent under
    /// one lock for the whole database cluster, held while the commit is synced to disk. What is appended while one is sent
    /// goes with the next.
    async fn notify(&self) {
        loop {
            self.unsent_grew.notified().await;
            let buckets = std::mem::take(&mut *lock(&self.unsent));
            if buckets.is_empty() {
                continue;
            }
            let payload = format!("{}{}", self.sender, buckets.to_text());
            let statement =
                || sqlx::query("SELECT pg_notify($1, $2)").bind(self.channel.clone()).bind(payload.clone());
            if let Err(error) = self.readers.rows(&Namespace::internal(), statement).await {
                tracing::debug!(?error, "a notification was not sent; other gateways poll");
            }
        }
    }

    /// Wakes Tails when other processes append.
    async fn listen(&self) {
        self.first.notified().await;
        loop {
            if let Err(error) = self.listen_once().await {
                tracing::debug!(%error, "the connection that listens has ended; Tails poll until there is another one");
            }
            sleep(LISTEN_AGAIN).await;
        }
    }

    /// Listens until the connection ends.
    async fn listen_once(&self) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER);
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(self.connect.clone())).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        loop {
            let Ok(received) = timeout(TEST, listener.try_recv()).await else {
                let tested = timeout(ANSWER, listener.execute("SELECT 1")).await;
                tested.map_err(|_| sqlx::Error::WorkerCrashed)??;
                continue;
            };
            let Some(notification) = received? else { return Ok(()) };
            match notification.payload().split_at_checked(self.sender.len()) {
                Some((sender, _)) if sender == self.sender => {}
                Some((_, buckets)) => {
                    // Of a later version, perhaps: any Tail may be meant.
                    self.wakes.wake(&Buckets::from_text(buckets).unwrap_or(Buckets::ALL));
                }
                None => self.wakes.wake(&Buckets::ALL),
            }
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        lock(&self.0.waiting).tails.remove(&self.1);
    }
}

/// A std mutex: never held across an await, and no panic can leave what it guards half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
