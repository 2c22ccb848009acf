//! Opening sessions, and what the sessions of one backend share: which of them may be relied on, and which server processes
//! may still run a write that was given up.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Row};
use tokio::time::timeout;

use super::Options;
use super::error::{shared_connection, silence, still_running, takes_no_writes};
use super::session::Session;

/// How much longer than its own timeouts the server is waited for, before its silence counts as an outage.
const GRACE: Duration = Duration::from_secs(1);
/// How often opening starts anew because sessions were given up meanwhile.
const OPENINGS: usize = 3;

/// What a session asks about its server once, as it is opened: whether it takes no writes, when it started, and the process
/// behind the connection, which is known by its number and its start.
const FACTS: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', \
     extract(epoch FROM pg_postmaster_start_time())::text, pid, extract(epoch FROM backend_start)::text \
     FROM pg_stat_get_activity(pg_backend_pid())";

/// Ends a server process, and waits up to 3 s until it has ended, since one that waits for its disk ends only after that:
/// parameters as [`FACTS`] names a process. No row where there is no such process any more. False where it did not end, and
/// also where it ended by itself just before it was told to.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_get_activity($1) \
     WHERE extract(epoch FROM backend_start)::text = $2";

/// Whether a server process is there: one row, or none.
const IS_THERE: &str =
    "SELECT true FROM pg_stat_get_activity($1) WHERE extract(epoch FROM backend_start)::text = $2";

/// How sessions are opened. Clones are the same.
#[derive(Clone)]
pub(in crate::postgres) struct Connector(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    settings: String,
    connect_timeout: Duration,
    /// Longest wait for one statement.
    time_limit: Duration,
    /// A session that was opened in an earlier generation is given up.
    generation: AtomicU64,
    state: Mutex<State>,
    /// How many processes are orphaned: zero is the common case, and costs no lock.
    orphaned: AtomicUsize,
    /// Held by the session that ends orphaned processes.
    ending: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// When the server of the current generation started; empty before the first session.
    server: String,
    /// The processes of all sessions that are open.
    live: HashSet<Process>,
    /// Processes whose session was given up in the middle of a write.
    orphans: Vec<Process>,
}

/// A process of the server's: its number, and when it started, since numbers are used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::postgres) struct Process {
    pid: i32,
    since: String,
}

/// A session's entry among those that are open. It goes with the session.
pub(in crate::postgres) struct Registration {
    connector: Connector,
    process: Process,
    generation: u64,
    /// Whether a write was begun whose end is not known.
    writing: bool,
}

impl Connector {
    pub(in crate::postgres) fn new(connect: PgConnectOptions, options: &Options) -> Self {
        let settings = settings(options.statement_timeout, options.lock_timeout);
        Self(Arc::new(Shared {
            // Formatting statements for a log costs time that each request would pay. PgBouncer refuses a startup parameter
            // that it does not know, and no number here is a float.
            options: connect.disable_statement_logging().extra_float_digits(None),
            settings,
            connect_timeout: options.connect_timeout,
            time_limit: options.statement_timeout.saturating_add(GRACE),
            generation: AtomicU64::new(0),
            state: Mutex::default(),
            orphaned: AtomicUsize::new(0),
            ending: tokio::sync::Mutex::default(),
        }))
    }

    /// The host, port, user and database that sessions are for.
    pub(in crate::postgres) fn options(&self) -> &PgConnectOptions {
        &self.0.options
    }

    /// A connection to the server as the URL says, without a session's settings.
    pub(in crate::postgres) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.in_time(self.0.options.connect()).await
    }

    /// Opens a session with a server that takes writes. Where it does not, every session opened before is given up.
    pub(in crate::postgres) async fn open(&self) -> Result<Session, sqlx::Error> {
        let opening = async {
            for _ in 0..OPENINGS {
                let generation = self.generation();
                let connection = self.0.options.connect().await?;
                if let Some(session) = self.begin(connection, generation).await? {
                    return Ok(session);
                }
            }
            Err(silence())
        };
        self.in_time(opening).await
    }

    /// Makes a session of a connection that was just made.
    pub(in crate::postgres) async fn adopt(&self, connection: PgConnection) -> Result<Session, sqlx::Error> {
        let adopting = async { self.begin(connection, self.generation()).await?.ok_or_else(silence) };
        self.in_time(adopting).await
    }

    /// Sets a session up and checks its server, in one round trip. `None` where sessions were given up since `generation`,
    /// so that this one may be with a server that was left.
    async fn begin(
        &self,
        mut connection: PgConnection,
        generation: u64,
    ) -> Result<Option<Session>, sqlx::Error> {
        let begin = sqlx::raw_sql(AssertSqlSafe(self.0.settings.clone()));
        let row = connection.fetch_all(begin).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
        if row.try_get(0)? {
            self.give_up(generation);
            return Err(takes_no_writes());
        }
        let server: String = row.try_get(1)?;
        let process = Process { pid: row.try_get(2)?, since: row.try_get(3)? };
        let registration = {
            let mut state = self.state();
            if self.generation() != generation {
                return Ok(None);
            }
            if state.live.contains(&process) {
                return Err(shared_connection());
            }
            let mut generation = generation;
            if state.server != server {
                // The name leads to another server now: what was opened before is with one that is no longer meant.
                if !state.server.is_empty() {
                    generation = self.0.generation.fetch_add(1, Ordering::AcqRel) + 1;
                }
                state.server = server;
            }
            state.live.insert(process.clone());
            Registration { connector: self.clone(), process, generation, writing: false }
        };
        Ok(Some(Session::new(connection, registration, self.0.time_limit)))
    }

    /// How many sessions are open.
    pub(in crate::postgres) fn live(&self) -> usize {
        self.state().live.len()
    }

    /// Ends, by `session`, every process that may still run a write that was given up. Where this succeeds, none of these
    /// writes takes effect any more.
    pub(in crate::postgres) async fn end_orphans(&self, session: &mut Session) -> Result<(), sqlx::Error> {
        if self.0.orphaned.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let _turn = self.0.ending.lock().await;
        let orphans = self.state().orphans.clone();
        for process in orphans {
            let of_process = |text| sqlx::query(text).bind(process.pid).bind(process.since.clone());
            let rows = session.rows(of_process(TERMINATE)).await?;
            let ended = rows.first().map_or(Ok(true), |row| row.try_get(0))?;
            if !ended && !session.rows(of_process(IS_THERE)).await?.is_empty() {
                return Err(still_running());
            }
            let mut state = self.state();
            state.orphans.retain(|orphan| *orphan != process);
            self.0.orphaned.store(state.orphans.len(), Ordering::Release);
        }
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Gives up all sessions of `generation` and before. Two that were opened together break together: the second tells
    /// nothing new.
    fn give_up(&self, generation: u64) {
        let counter = &self.0.generation;
        let _ = counter.compare_exchange(generation, generation + 1, Ordering::AcqRel, Ordering::Relaxed);
    }

    async fn in_time<T>(
        &self,
        opening: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.0.connect_timeout, opening).await.unwrap_or_else(|_| Err(silence()))
    }

    /// A std mutex: nothing awaits while it is held, and no panic can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Whether no session opened since was told to replace this one.
    pub(in crate::postgres) fn is_current(&self) -> bool {
        self.generation == self.connector.generation()
    }

    /// The session cannot be relied on: neither can those that were opened before it, or with it.
    pub(in crate::postgres) fn give_up(&self) {
        self.connector.give_up(self.generation);
    }

    /// Says whether a write is under way.
    pub(in crate::postgres) fn set_writing(&mut self, writing: bool) {
        self.writing = writing;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.connector.state();
        state.live.remove(&self.process);
        if self.writing {
            state.orphans.push(self.process.clone());
            self.connector.0.orphaned.store(state.orphans.len(), Ordering::Release);
        }
    }
}

/// What a session is told once, and what it is asked ([`FACTS`]).
///
/// - Each statement here is a walk along an index, and stays one whatever the statistics say: of a table that was empty
///   when a plan was made, or one that grew since.
/// - A statement sees what was committed before it began. The locks rely on that: a statement after a lock sees what its
///   last holder wrote.
/// - A commit that is acknowledged is on disk (DUR-4); what an operator set beyond that, such as `remote_apply`, stays.
fn settings(statement_timeout: Duration, lock_timeout: Duration) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
        ("jit", "off".to_owned()),
        ("default_transaction_isolation", "'read committed'".to_owned()),
        ("statement_timeout", millis(statement_timeout)),
        ("lock_timeout", millis(lock_timeout)),
        // A transaction here never waits for a client: one that rests belongs to a gateway that hangs, and its locks are
        // wanted by others.
        ("idle_in_transaction_session_timeout", millis(statement_timeout)),
    ] {
        let _ = write!(text, "SET {name} = {value}; ");
    }
    text.push_str(
        "SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'; ",
    );
    text.push_str(FACTS);
    text
}

/// Whole milliseconds, at least 1: 0 would mean no timeout.
pub(in crate::postgres) fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}
