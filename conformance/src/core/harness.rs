//! What a backend author brings: how to open a fresh store, and what may be done to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Abstraction, Case, Failure, RawCalls, StatusCode};
use async_trait::async_trait;

/// Opens stores to be tested. Everything but [`Harness::open`] is static: listing the cases starts nothing.
#[async_trait]
pub trait Harness<A: Abstraction>: Send + Sync + 'static {
    /// The backend's name in the names of trials and in reports, such as `sqlite`.
    fn name(&self) -> &str;

    /// How the store is reached.
    fn mode(&self) -> Mode {
        Mode::InProcess
    }

    /// What the store claims. A claim is proved by the cases that need it; what is not claimed must answer UNIMPLEMENTED.
    fn claims(&self) -> A::Capabilities;

    /// What can be done to the store besides asking it.
    fn abilities(&self) -> Abilities;

    /// Why none of the cases is to run, said on purpose: each is then shown as ignored, for this reason.
    fn left_out(&self) -> Option<String> {
        None
    }

    /// More to say about the target in reports, such as the database's version; asked after a case has run.
    async fn details(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Opens a store that shares nothing with any other test's. Dropping the instance cleans up, also after a panic.
    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError>;

    /// Opens a store for this case; a harness may share what it starts among cases that do not need it for themselves.
    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        let _ = case;
        self.open().await
    }
}

/// A store under test.
#[async_trait]
pub trait Instance<A: Abstraction>: Send + Sync {
    /// The store as a client reaches it now; another one after a restart.
    fn store(&self) -> Arc<A::Store>;

    /// The same data through every gateway there is; one of them is [`Instance::store`].
    fn gateways(&self) -> Vec<Arc<A::Store>> {
        vec![self.store()]
    }

    /// The store through a connection that nothing else uses.
    async fn connect(&self) -> Result<Arc<A::Store>, OpenError> {
        Ok(self.store())
    }

    /// The shortest span that tests should let pass: 1 s on a manual clock, little on a real one.
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Lets time pass: moves a manual clock, or waits.
    async fn advance(&self, by: Duration);

    /// Drops everything that is expired or forgotten now ([`Ability::Sweep`]).
    async fn sweep(&self) -> Result<(), Failure> {
        Err(Failure::new(StatusCode::Unimplemented, "this harness cannot sweep"))
    }

    /// Stops the store and starts it on the same data ([`Ability::Restart`], [`Ability::Crash`]).
    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this harness cannot restart ({how:?})")))
    }

    /// Takes the database away, or brings it back ([`Ability::Outage`]).
    async fn outage(&self, away: bool) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this harness cannot take the database away ({away})")))
    }

    /// gRPC below the methods of the abstraction; `None`: the store is not behind a socket.
    fn raw(&self) -> Option<Arc<dyn RawCalls>> {
        None
    }

    /// The bytes of memory that the server holds now; `None`: not known.
    fn resident_bytes(&self) -> Option<u64> {
        None
    }

    /// The end of the server's own log, to be shown beside a failure; `None`: not known.
    fn log(&self) -> Option<String> {
        None
    }

    /// Whether the database's own settings are the durable ones, and what they are in words, as the database tells them
    /// itself (DUR-4, [`Ability::Settings`]).
    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        Err(OpenError::new("this harness does not ask for the database's settings"))
    }
}

/// How a store is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By calls in this process.
    InProcess,
    /// By gRPC through a socket.
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

/// How a store is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// It is asked to stop, and does so in order.
    Clean,
    /// It is killed (kill -9, or its state dropped without a word).
    Crash,
}

/// Something a harness can do to its store besides asking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// Time stands still until the test moves it, so that a microsecond can be told from the next.
    ManualClock,
    /// A sweep can be asked for.
    Sweep,
    /// The store can be stopped in order and started again.
    Restart,
    /// The store can be killed and started again.
    Crash,
    /// The database can be taken away and brought back.
    Outage,
    /// There are several gateways on the same data.
    Gateways,
    /// The database's own durability settings are known (DUR-4).
    Settings,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ManualClock,
        Self::Sweep,
        Self::Restart,
        Self::Crash,
        Self::Outage,
        Self::Gateways,
        Self::Settings,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ManualClock => "manual clock",
            Self::Sweep => "sweep",
            Self::Restart => "restart",
            Self::Crash => "crash",
            Self::Outage => "outage",
            Self::Gateways => "several gateways",
            Self::Settings => "database settings",
        }
    }

    /// Whether it is felt by everybody else who uses the server.
    pub const fn disturbs(self) -> bool {
        match self {
            Self::Restart | Self::Crash | Self::Outage => true,
            Self::ManualClock | Self::Sweep | Self::Gateways | Self::Settings => false,
        }
    }

    /// Why a case that needs it is skipped where it is missing.
    pub const fn missing(self) -> &'static str {
        match self {
            Self::ManualClock => "this target's clock cannot be moved",
            Self::Sweep => "this target cannot be told to sweep",
            Self::Restart => "this target cannot be restarted",
            Self::Crash => "this target cannot be killed",
            Self::Outage => "this target's database cannot be taken away",
            Self::Gateways => "this target has a single gateway",
            Self::Settings => "this target's database does not tell its settings",
        }
    }
}

/// A set of abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities(u8);

impl Abilities {
    /// None: the store can only be asked.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, ability: Ability) -> Self {
        Self(self.0 | 1 << ability as u8)
    }

    /// These less one.
    #[must_use]
    pub const fn without(self, ability: Ability) -> Self {
        Self(self.0 & !(1 << ability as u8))
    }

    /// Whether `ability` is among them.
    pub const fn contains(self, ability: Ability) -> bool {
        self.0 & 1 << ability as u8 != 0
    }
}

/// How much work a run puts into random operations and concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Some seconds a backend.
    Quick,
    /// Two to three times the random work of the quick one, from two seeds.
    Ci,
    /// As long as it takes to find rare faults.
    Soak,
}

impl Budget {
    /// `quick`, `ci` or `soak` times as much.
    pub const fn pick<T: Copy>(self, quick: T, ci: T, soak: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Ci => ci,
            Self::Soak => soak,
        }
    }
}

/// Why a store could not be opened, restarted or taken away: the harness' fault, not the store's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError(String);

impl OpenError {
    /// With these words.
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
