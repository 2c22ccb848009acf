//! Opens sessions, and tracks what the sessions of one backend share: which of them are valid, and which server processes
//! may still run a cancelled write.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Row};
use tokio::time::timeout;

use super::error::{no_response, not_postgres, read_only_server, shared_connection, still_running};
use super::session::Session;
use crate::postgres::Options;

/// Grace period past the server's own timeouts, after which a missing response counts as an outage.
const GRACE: Duration = Duration::from_secs(1);
/// Maximum attempts to open a session, as sessions may be invalidated meanwhile.
const OPENINGS: usize = 3;

/// The query that each new session runs: whether the server is read-only, when it started, and the server process of the
/// connection, identified by its pid and start time.
const FACTS: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', \
     extract(epoch FROM pg_postmaster_start_time())::text, pid, extract(epoch FROM backend_start)::text \
     FROM pg_stat_get_activity(pg_backend_pid())";

/// Terminates a server process, and waits up to 3 s for its end, since a process that waits for its disk ends only after
/// that. Parameters: pid and start time, as in [`FACTS`]. No row if the process does not exist. False if it did not end, or
/// if it ended by itself just before the signal.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_get_activity($1) \
     WHERE extract(epoch FROM backend_start)::text = $2";

/// Whether a server process exists: one row, or none.
const IS_THERE: &str =
    "SELECT true FROM pg_stat_get_activity($1) WHERE extract(epoch FROM backend_start)::text = $2";

/// Opens sessions. Clones share their state.
#[derive(Clone)]
pub(in crate::postgres) struct Connector(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    settings: String,
    connect_timeout: Duration,
    /// Maximum wait for one statement.
    time_limit: Duration,
    /// A session opened in an earlier generation is invalid.
    generation: AtomicU64,
    state: Mutex<State>,
    /// Number of orphaned processes: zero is the common case, and takes no lock.
    orphaned: AtomicUsize,
    /// Held by the session that terminates orphaned processes.
    ending: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Start time of the current generation's server; empty before the first session.
    server: String,
    /// The processes of all open sessions.
    live: HashSet<Process>,
    /// Processes whose session was dropped during a write.
    orphans: Vec<Process>,
}

/// A server process: its pid and start time, since pids are reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::postgres) struct Process {
    pid: i32,
    since: String,
}

/// A session's entry in the list of open sessions, removed on drop.
pub(in crate::postgres) struct Registration {
    connector: Connector,
    process: Process,
    generation: u64,
    /// Whether a write was begun and has not ended yet.
    writing: bool,
}

impl Connector {
    pub(in crate::postgres) fn new(connect: PgConnectOptions, options: &Options) -> Self {
        let settings = settings(options.statement_timeout, options.lock_timeout);
        Self(Arc::new(Shared {
            // Formatting statements for a log would cost time in each request. PgBouncer refuses unknown startup parameters
            // such as extra_float_digits, and no number here is a float.
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

    /// The host, port, user and database of the sessions.
    pub(in crate::postgres) fn options(&self) -> &PgConnectOptions {
        &self.0.options
    }

    /// A connection to the server in the URL, without a session's settings.
    pub(in crate::postgres) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.in_time(self.0.options.connect()).await
    }

    /// Opens a session with a server that accepts writes. If it does not, all sessions opened before are invalidated.
    pub(in crate::postgres) async fn open(&self) -> Result<Session, sqlx::Error> {
        let opening = async {
            for _ in 0..OPENINGS {
                let generation = self.generation();
                let connection = self.0.options.connect().await?;
                if let Some(session) = self.begin(connection, generation).await? {
                    return Ok(session);
                }
            }
            Err(no_response())
        };
        self.in_time(opening).await
    }

    /// Makes a session of a new connection.
    pub(in crate::postgres) async fn adopt(&self, connection: PgConnection) -> Result<Session, sqlx::Error> {
        let adopting = async { self.begin(connection, self.generation()).await?.ok_or_else(no_response) };
        self.in_time(adopting).await
    }

    /// Sets up a session and checks its server, in one round trip. `None` if sessions were invalidated since `generation`,
    /// since this one may then be with the old server.
    async fn begin(
        &self,
        mut connection: PgConnection,
        generation: u64,
    ) -> Result<Option<Session>, sqlx::Error> {
        let begin = sqlx::raw_sql(AssertSqlSafe(self.0.settings.clone()));
        let row = connection.fetch_all(begin).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
        if row.try_get(0)? {
            self.invalidate(generation);
            return Err(read_only_server());
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
                // The hostname now resolves to another server, so the sessions opened before are with the wrong one.
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

    /// Number of open sessions.
    pub(in crate::postgres) fn live(&self) -> usize {
        self.state().live.len()
    }

    /// Terminates, through `session`, every process that may still run a cancelled write. After success, none of these
    /// writes can take effect any more.
    pub(in crate::postgres) async fn end_orphans(&self, session: &mut Session) -> Result<(), sqlx::Error> {
        if self.0.orphaned.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let _ending = self.0.ending.lock().await;
        let orphans = self.state().orphans.clone();
        for process in orphans {
            let of_process = |statement| sqlx::query(statement).bind(process.pid).bind(process.since.clone());
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

    /// Invalidates all sessions up to `generation`. Idempotent: sessions of one generation break together.
    fn invalidate(&self, generation: u64) {
        let counter = &self.0.generation;
        let _ = counter.compare_exchange(generation, generation + 1, Ordering::AcqRel, Ordering::Relaxed);
    }

    async fn in_time<T>(
        &self,
        opening: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let opened = timeout(self.0.connect_timeout, opening).await.unwrap_or_else(|_| Err(no_response()));
        opened.map_err(not_postgres)
    }

    /// A std mutex: never held across an await, and no panic can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Whether the session is of the current generation.
    pub(in crate::postgres) fn is_current(&self) -> bool {
        self.generation == self.connector.generation()
    }

    /// Invalidates the session, and those opened before it or with it.
    pub(in crate::postgres) fn invalidate(&self) {
        self.connector.invalidate(self.generation);
    }

    /// Sets whether a write is in progress.
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

/// The statements that set up a session, with the query [`FACTS`].
///
/// - Each statement of Prism is an index scan, and must stay one whatever the statistics are: of a table that was empty
///   when the plan was made, or one that grew since.
/// - A statement sees everything committed before it began. The locks rely on that: a statement after a lock sees the
///   writes of the lock's last holder.
/// - An acknowledged commit is on disk (DUR-4); a stricter setting of the operator, such as `remote_apply`, is kept.
fn settings(statement_timeout: Duration, lock_timeout: Duration) -> String {
    let mut statements = String::new();
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
        // A transaction of Prism is never idle for long: one that is belongs to a gateway that hangs, and its locks block
        // others.
        ("idle_in_transaction_session_timeout", millis(statement_timeout)),
    ] {
        let _ = write!(statements, "SET {name} = {value}; ");
    }
    statements.push_str(
        "SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'; ",
    );
    statements.push_str(FACTS);
    statements
}

/// Whole milliseconds, at least 1: 0 would mean no timeout.
pub(in crate::postgres) fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}
