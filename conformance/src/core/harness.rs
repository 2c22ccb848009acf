//! The interface that a backend author implements: opening a fresh store, and controlling it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Abstraction, Case, Failure, RawCalls, StatusCode, span};
use async_trait::async_trait;

/// Opens the stores under test. Everything but opening and [`Harness::details`] is static: listing cases starts nothing.
#[async_trait]
pub trait Harness<A: Abstraction>: Send + Sync + 'static {
    /// The backend's name in trial names and reports, such as `sqlite`.
    fn name(&self) -> &str;

    /// The transport to the store.
    fn mode(&self) -> Mode {
        Mode::InProcess
    }

    /// The capabilities that the store declares. Each is proved by the cases that need it; all others must return
    /// UNIMPLEMENTED.
    fn capabilities(&self) -> A::Capabilities;

    /// The abilities beyond sending requests, such as a restart.
    fn abilities(&self) -> Abilities;

    /// Why an ability is missing: the reason of the cases that need it and do not run.
    fn why_missing(&self, ability: Ability) -> String {
        ability.missing().to_owned()
    }

    /// The reason for deliberately running no case: every case is then reported as ignored, with this reason.
    fn left_out(&self) -> Option<String> {
        None
    }

    /// Additional target details for reports, such as the database's version; queried after a case has run.
    async fn details(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Opens an isolated store. Dropping the instance cleans up, also after a panic.
    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError>;

    /// Opens a store for this case; a harness may share one server among cases that do not need exclusive use.
    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        let _ = case;
        self.open().await
    }
}

/// A store under test.
#[async_trait]
pub trait Instance<A: Abstraction>: Send + Sync {
    /// The store as a client currently reaches it; a different one after a restart.
    fn store(&self) -> Arc<A::Store>;

    /// The same data through each of the gateways; one of them is [`Instance::store`].
    fn gateways(&self) -> Vec<Arc<A::Store>> {
        vec![self.store()]
    }

    /// The store through a new, unshared connection.
    async fn connect(&self) -> Result<Arc<A::Store>, OpenError> {
        Ok(self.store())
    }

    /// The clock tick, the shortest useful time to advance: 1 s on a manual clock, little on a real one.
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Advances a manual clock, or waits.
    async fn advance(&self, by: Duration);

    /// Removes expired items and tombstones past retention ([`Ability::Sweep`]).
    async fn sweep(&self) -> Result<(), Failure> {
        Err(Failure::new(StatusCode::Unimplemented, "this harness cannot sweep"))
    }

    /// Restarts the store on the same data ([`Ability::Restart`], [`Ability::Crash`]).
    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this harness cannot restart its store ({how})")))
    }

    /// Makes the database unavailable, or available again ([`Ability::Outage`]).
    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        let state = if unavailable { "unavailable" } else { "available" };
        Err(OpenError::new(format!("this harness cannot make its database {state}")))
    }

    /// Raw gRPC calls, below the methods of the abstraction; `None`: the store is not behind a socket.
    fn raw(&self) -> Option<Arc<dyn RawCalls>> {
        None
    }

    /// The server's current resident memory in bytes; `None`: not known.
    fn resident_bytes(&self) -> Option<u64> {
        None
    }

    /// Changes a namespace's retention from now on, as its operator does ([`Ability::Retention`]).
    async fn set_retention(&self, namespace: &str, retention: Duration) -> Result<(), OpenError> {
        let retention = span(retention);
        Err(OpenError::new(format!("this harness cannot set the retention of {namespace} to {retention}")))
    }

    /// The length of the server's own log in bytes; `None`: not known.
    fn log_length(&self) -> Option<u64> {
        None
    }

    /// The server's own log from this byte on, at most 1 MiB; `None`: not known.
    fn log_since(&self, start: u64) -> Option<Vec<u8>> {
        let _ = start;
        None
    }

    /// Whether other cases use the same server at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// The tail of the server's own log, shown with a failure; `None`: not known.
    fn log(&self) -> Option<String> {
        None
    }

    /// Whether the database's own settings are durable, and their text, as read from the database (DUR-4,
    /// [`Ability::Settings`]).
    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        Err(OpenError::new("this harness cannot read the database's settings"))
    }
}

/// The transport to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Direct calls in this process.
    InProcess,
    /// gRPC through a socket.
    Wire,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess => "in process",
            Self::Wire => "over the wire",
        })
    }
}

/// The way a store is stopped before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Graceful shutdown.
    Clean,
    /// Kill (kill -9, or its state dropped without closing).
    Crash,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::Crash => "crash",
        })
    }
}

/// An operation of a harness on its store beyond sending requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// A manual clock: tests can distinguish one microsecond from the next.
    ManualClock,
    /// A sweep on request.
    Sweep,
    /// A graceful restart.
    Restart,
    /// A kill, followed by a start.
    Crash,
    /// A database outage and recovery.
    Outage,
    /// Several gateways on the same data.
    Gateways,
    /// Access to the database's own durability settings (DUR-4).
    Settings,
    /// Namespaces with the policies that the suite publishes, found by the beginning of their names.
    Policies,
    /// Changes of a namespace's retention.
    Retention,
    /// Namespaces whose policies leave a side of the acceptance window open.
    OpenWindows,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ManualClock,
        Self::Sweep,
        Self::Restart,
        Self::Crash,
        Self::Outage,
        Self::Gateways,
        Self::Settings,
        Self::Policies,
        Self::Retention,
        Self::OpenWindows,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ManualClock => "manual clock",
            Self::Sweep => "sweep",
            Self::Restart => "restart",
            Self::Crash => "crash",
            Self::Outage => "outage",
            Self::Gateways => "several gateways",
            Self::Settings => "database settings",
            Self::Policies => "policies",
            Self::Retention => "changes of retention",
            Self::OpenWindows => "open windows",
        }
    }

    /// Whether it affects all other users of the server.
    pub const fn disturbs(self) -> bool {
        match self {
            Self::Restart | Self::Crash | Self::Outage => true,
            Self::ManualClock
            | Self::Sweep
            | Self::Gateways
            | Self::Settings
            | Self::Policies
            | Self::Retention
            | Self::OpenWindows => false,
        }
    }

    /// The reason shown for cases that are skipped for lack of it.
    pub const fn missing(self) -> &'static str {
        match self {
            Self::ManualClock => "this target's clock cannot be set",
            Self::Sweep => "this target cannot sweep on request",
            Self::Restart => "this target cannot be restarted",
            Self::Crash => "this target cannot be killed",
            Self::Outage => "this target's database cannot be made unavailable",
            Self::Gateways => "this target has a single gateway",
            Self::Settings => "this target does not expose its database's settings",
            Self::Policies => "this target's namespaces do not have the suite's policies",
            Self::Retention => "this target's retention cannot be changed",
            Self::OpenWindows => "this target's acceptance windows have bounds on both sides",
        }
    }
}

/// A set of abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities(u16);

impl Abilities {
    /// The empty set: only requests.
    pub const NONE: Self = Self(0);

    /// The set with `ability` added.
    #[must_use]
    pub const fn with(self, ability: Ability) -> Self {
        Self(self.0 | 1 << ability as u8)
    }

    /// The set with `ability` removed.
    #[must_use]
    pub const fn without(self, ability: Ability) -> Self {
        Self(self.0 & !(1 << ability as u8))
    }

    /// Whether the set contains `ability`.
    pub const fn contains(self, ability: Ability) -> bool {
        self.0 & 1 << ability as u8 != 0
    }
}

/// The amount of random and concurrent work in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// A few seconds per backend.
    Quick,
    /// Two to three times the random work of `Quick`, from two seeds.
    Ci,
    /// Long enough to find rare faults.
    Soak,
}

impl Budget {
    /// The value for this budget: `quick`, `ci` or `soak`.
    pub const fn pick<T: Copy>(self, quick: T, ci: T, soak: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Ci => ci,
            Self::Soak => soak,
        }
    }
}

/// A failed open, restart or outage: an error of the harness, not a response of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError(String);

impl OpenError {
    /// An error with this message.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}
