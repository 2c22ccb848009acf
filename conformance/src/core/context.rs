//! What a case speaks through: it sends requests, writes the transcript, and holds answers against what is expected.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::reply::{diverged, failure_text};
use super::{
    Abilities, Ability, Abstraction, Action, Budget, Divergence, Instance, Mode, OpenError, Outcome, Proof,
    Restart, Step, Transcript,
};

/// Why a case ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The store parted from the contract.
    Diverged(Divergence),
    /// Nothing was proved either way: too little overlapped, or a check ran out of time.
    Inconclusive(String),
    /// The harness failed, not the store.
    Broken(String),
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// One case's view of one fresh store.
pub struct Ctx<A: Abstraction> {
    instance: Box<dyn Instance<A>>,
    namespace: String,
    mode: Mode,
    budget: Budget,
    seed: u64,
    claims: A::Capabilities,
    abilities: Abilities,
    starts: AtomicU64,
    transcript: Mutex<Transcript<A>>,
    attachments: Mutex<Vec<(String, String)>>,
}

impl<A: Abstraction> Ctx<A> {
    /// A view of `instance` whose namespaces start with `namespace`, which no other case uses.
    pub fn new(
        instance: Box<dyn Instance<A>>,
        namespace: String,
        mode: Mode,
        budget: Budget,
        seed: u64,
    ) -> Self {
        Self {
            instance,
            namespace,
            mode,
            budget,
            seed,
            claims: A::Capabilities::default(),
            abilities: Abilities::NONE,
            starts: AtomicU64::new(0),
            transcript: Mutex::default(),
            attachments: Mutex::default(),
        }
    }

    /// The same view, of a store that claims this and to which this can be done; random cases keep to it.
    #[must_use]
    pub fn offering(mut self, claims: A::Capabilities, abilities: Abilities) -> Self {
        (self.claims, self.abilities) = (claims, abilities);
        self
    }

    /// Starts over on the same store: in namespaces that were not used before, with an empty transcript.
    pub fn fresh(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
        let notes = std::mem::take(&mut self.transcript().notes);
        self.show(Transcript { notes, ..Transcript::default() });
    }

    /// Puts an earlier transcript in the place of the one at hand.
    pub(crate) fn show(&self, transcript: Transcript<A>) {
        *self.transcript() = transcript;
    }

    /// Adds a line about the case itself, for reports.
    pub fn note(&self, line: impl Into<String>) {
        self.transcript().notes.push(line.into());
    }

    /// What the store claims.
    pub fn claims(&self) -> A::Capabilities {
        self.claims
    }

    /// What can be done to the store besides asking it.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// The case's namespace followed by `suffix`, a name that no other case uses.
    pub fn namespace(&self, suffix: &str) -> String {
        let name = match self.starts.load(Ordering::Relaxed) {
            0 => format!("{}{suffix}", self.namespace),
            // The dot keeps start 1 with suffix "2" apart from start 12.
            start => format!("{}-{start}.{suffix}", self.namespace),
        };
        self.transcript().namespaces.insert(name.clone(), format!("$ns{suffix}"));
        name
    }

    /// How the store is reached.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How much work a random or concurrent case should do.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The run's seed, for everything random.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The shortest span that a case should let pass.
    pub fn tick(&self) -> Duration {
        self.instance.tick()
    }

    /// The store as it is reached now.
    pub fn store(&self) -> Arc<A::Store> {
        self.instance.store()
    }

    /// The store under test and what may be done to it.
    pub fn instance(&self) -> &dyn Instance<A> {
        &*self.instance
    }

    /// What was said so far.
    pub fn take_transcript(&self) -> Transcript<A> {
        self.transcript().clone()
    }

    fn transcript(&self) -> MutexGuard<'_, Transcript<A>> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a document to the case's result, such as `history.html`, for reports to keep beside them.
    pub fn attach(&self, name: impl Into<String>, content: impl Into<String>) {
        let mut attachments = self.attachments.lock().unwrap_or_else(PoisonError::into_inner);
        attachments.push((name.into(), content.into()));
    }

    /// The documents added so far.
    pub fn take_attachments(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.attachments.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a step that was made elsewhere, and answers its number.
    pub fn record(&self, action: Action<A>, outcome: Outcome<A>) -> usize {
        let mut transcript = self.transcript();
        transcript.steps.push(Step { action, outcome });
        transcript.steps.len() - 1
    }

    /// Sends `request` to `store` and records it.
    pub async fn send(&self, store: &A::Store, request: A::Request) -> Result<(usize, Outcome<A>), Stop> {
        let outcome = A::send(store, request.clone()).await.into();
        // A store in this process may never wait for anything; without this the case's time limit would never be looked at.
        tokio::task::yield_now().await;
        if let Outcome::Answered(response) = &outcome
            && let Some((beginning, expected, actual)) = A::endless(&request, response)
        {
            let step = self.record(Action::Call(request), Outcome::Answered(beginning));
            return diverged(step, expected, actual);
        }
        Ok((self.record(Action::Call(request), outcome.clone()), outcome))
    }

    /// Sends a request, or does to the store what is no request, and records it.
    pub async fn act(&self, action: Action<A>) -> Result<(usize, Outcome<A>), Stop> {
        let done = match &action {
            Action::Call(request) => return self.send(&*self.store(), request.clone()).await,
            Action::Advance(by) => {
                self.instance.advance(*by).await;
                Outcome::Done
            }
            Action::Sweep => self.instance.sweep().await.map_or_else(Outcome::Failed, |()| Outcome::Done),
            Action::Restart(how) => {
                self.is_allowed(match how {
                    Restart::Clean => Ability::Restart,
                    Restart::Crash => Ability::Crash,
                })?;
                self.instance.restart(*how).await?;
                Outcome::Done
            }
            Action::Outage(away) => {
                self.is_allowed(Ability::Outage)?;
                self.instance.outage(*away).await?;
                Outcome::Done
            }
            Action::Raw(words) => {
                return Err(Stop::Broken(format!("'{words}' is no request that can be sent again")));
            }
        };
        tokio::task::yield_now().await;
        Ok((self.record(action, done.clone()), done))
    }

    /// Other cases may use the same server, and a case that disturbs it without having said so would fail them.
    fn is_allowed(&self, ability: Ability) -> Proof {
        if self.abilities.contains(ability) {
            return Ok(());
        }
        let name = ability.name();
        Err(Stop::Broken(format!("the case asks for '{name}', which it does not name among its needs")))
    }

    async fn done(&self, action: Action<A>) -> Proof {
        match self.act(action).await? {
            (_, Outcome::Done) => Ok(()),
            (step, Outcome::Failed(failure)) => diverged(step, "it is done", failure_text(&failure)),
            (step, Outcome::Answered(response)) => diverged(step, "it is done", format!("{response:?}")),
        }
    }

    /// Lets time pass.
    pub async fn advance(&self, by: Duration) -> Proof {
        self.done(Action::Advance(by)).await
    }

    /// Drops what is expired or forgotten.
    pub async fn sweep(&self) -> Proof {
        self.done(Action::Sweep).await
    }

    /// Stops the store and starts it again.
    pub async fn restart(&self, how: Restart) -> Proof {
        self.done(Action::Restart(how)).await
    }

    /// Takes the database away, or brings it back.
    pub async fn outage(&self, away: bool) -> Proof {
        self.done(Action::Outage(away)).await
    }

    /// A proof that nothing can be said either way.
    pub fn inconclusive<T>(&self, why: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Inconclusive(why.into()))
    }

    /// Holds `actual` against `expected`, outside any single step.
    pub fn same<T: PartialEq + Debug>(&self, what: &str, expected: &T, actual: &T) -> Proof {
        if expected == actual {
            return Ok(());
        }
        let (expected, actual) = (format!("{what}: {expected:?}"), format!("{actual:?}"));
        Err(Stop::Diverged(Divergence { step: None, expected, actual }))
    }
}
