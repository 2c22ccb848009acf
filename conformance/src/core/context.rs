//! The context of a case: sends requests, records the transcript, and compares responses with the expected ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::reply::{compare, diverged, failure_text};
use super::{
    Abilities, Ability, Abstraction, Action, Budget, CallMark, Divergence, Instance, Mode, OpenError,
    Outcome, Proof, Restart, Show, Step, Transcript,
};

/// The reason why a case ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The store diverged from the contract.
    Diverged(Divergence),
    /// No result: too few operations overlapped, or a check ran out of time.
    Inconclusive(String),
    /// The harness failed, not the store.
    Broken(String),
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The context of one case on one fresh store.
pub struct Ctx<A: Abstraction> {
    instance: Box<dyn Instance<A>>,
    namespace: String,
    mode: Mode,
    budget: Budget,
    seed: u64,
    capabilities: A::Capabilities,
    abilities: Abilities,
    starts: AtomicU64,
    /// The number of marked calls.
    calls: AtomicU64,
    transcript: Mutex<Transcript<A>>,
    attachments: Mutex<Vec<(String, String)>>,
}

impl<A: Abstraction> Ctx<A> {
    /// A context on `instance`, whose namespaces start with the prefix `namespace`, unique to this case.
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
            capabilities: A::Capabilities::default(),
            abilities: Abilities::NONE,
            starts: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            transcript: Mutex::default(),
            attachments: Mutex::default(),
        }
    }

    /// Sets the declared capabilities and the abilities; random cases stay within them.
    #[must_use]
    pub fn offering(mut self, capabilities: A::Capabilities, abilities: Abilities) -> Self {
        (self.capabilities, self.abilities) = (capabilities, abilities);
        self
    }

    /// Starts over on the same store: with new namespaces and an empty transcript.
    pub fn fresh(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
        let notes = std::mem::take(&mut self.transcript().notes);
        self.show(Transcript { notes, ..Transcript::default() });
    }

    /// Replaces the current transcript by an earlier one.
    pub(crate) fn show(&self, transcript: Transcript<A>) {
        *self.transcript() = transcript;
    }

    /// Adds a note about the case itself, for reports.
    pub fn note(&self, line: impl Into<String>) {
        self.transcript().notes.push(line.into());
    }

    /// The capabilities that the store declares.
    pub fn capabilities(&self) -> A::Capabilities {
        self.capabilities
    }

    /// The abilities beyond sending requests, such as a restart.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// The case's namespace followed by `suffix`: unique to this case.
    pub fn namespace(&self, suffix: &str) -> String {
        self.namespace_in("", suffix)
    }

    /// The case's namespace followed by `suffix`, among the namespaces that begin with `prefix`: a server may have a policy for
    /// them.
    pub(crate) fn namespace_in(&self, prefix: &str, suffix: &str) -> String {
        let name = match self.starts.load(Ordering::Relaxed) {
            0 => format!("{prefix}{}{suffix}", self.namespace),
            // The dot keeps start 1 with suffix "2" apart from start 12.
            start => format!("{prefix}{}-{start}.{suffix}", self.namespace),
        };
        self.transcript().namespaces.insert(name.clone(), format!("${prefix}ns{suffix}"));
        name
    }

    /// The transport to the store.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The amount of work for random and concurrent cases.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The run's random seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The clock tick: the shortest useful time to advance.
    pub fn tick(&self) -> Duration {
        self.instance.tick()
    }

    /// The store as currently reached.
    pub fn store(&self) -> Arc<A::Store> {
        self.instance.store()
    }

    /// The instance under test.
    pub fn instance(&self) -> &dyn Instance<A> {
        &*self.instance
    }

    /// A copy of the transcript so far.
    pub fn take_transcript(&self) -> Transcript<A> {
        self.transcript().clone()
    }

    fn transcript(&self) -> MutexGuard<'_, Transcript<A>> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a document to the case's result, such as `history.html`; reports store it next to themselves.
    pub fn attach(&self, name: impl Into<String>, content: impl Into<String>) {
        let mut attachments = self.attachments.lock().unwrap_or_else(PoisonError::into_inner);
        attachments.push((name.into(), content.into()));
    }

    /// Removes and returns the documents attached so far.
    pub fn take_attachments(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.attachments.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records a step that was executed elsewhere, and returns its number.
    pub fn record(&self, action: Action<A>, outcome: Outcome<A>) -> usize {
        let mut transcript = self.transcript();
        transcript.steps.push(Step { action, outcome });
        transcript.steps.len() - 1
    }

    /// Makes a call with a request id, so that the lines of a server's log can be found that belong to it.
    pub(crate) async fn marked<F: Future>(&self, call: F) -> (F::Output, CallMark) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let mark = CallMark::before(&self.namespace, number, &*self.instance);
        let output = mark.call(call).await;
        (output, mark.after(&*self.instance))
    }

    /// Records the step of a marked call, and returns its number.
    pub(crate) fn record_marked(&self, action: Action<A>, outcome: Outcome<A>, mark: CallMark) -> usize {
        let mut transcript = self.transcript();
        transcript.steps.push(Step { action, outcome });
        let step = transcript.steps.len() - 1;
        transcript.calls.insert(step, mark);
        step
    }

    /// What the server said itself about a step: the lines of its log.
    pub(crate) async fn said_about(&self, step: Option<usize>) -> Vec<String> {
        let transcript = self.take_transcript();
        let Some(mark) = step.and_then(|step| transcript.calls.get(&step)) else { return Vec::new() };
        let is_last = mark.is_number(self.calls.load(Ordering::Relaxed));
        mark.lines(&*self.instance, is_last).await
    }

    /// Adds lines to what the server or the backend said itself about the divergence.
    pub(crate) fn put_beside(&self, lines: impl IntoIterator<Item = String>) {
        self.transcript().beside.extend(lines);
    }

    /// Sends `request` to `store` and records it.
    pub async fn send(&self, store: &A::Store, request: A::Request) -> Result<(usize, Outcome<A>), Stop> {
        let (outcome, mark) = self.marked(A::send(store, request.clone())).await;
        let outcome = outcome.into();
        // An in-process store may never yield; without this the case's timeout would never be polled.
        tokio::task::yield_now().await;
        if let Outcome::Answered(response) = &outcome
            && let Some((truncated, expected, actual)) = A::endless(&request, response)
        {
            let step = self.record_marked(Action::Call(request), Outcome::Answered(truncated), mark);
            return diverged(step, expected, actual);
        }
        Ok((self.record_marked(Action::Call(request), outcome.clone(), mark), outcome))
    }

    /// Executes an action, a request or any other, and records it.
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
            Action::Outage(unavailable) => {
                self.is_allowed(Ability::Outage)?;
                self.instance.outage(*unavailable).await?;
                Outcome::Done
            }
            Action::Raw(call) => {
                return Err(Stop::Broken(format!("'{call}' is a raw call; raw calls cannot be replayed")));
            }
        };
        tokio::task::yield_now().await;
        Ok((self.record(action, done.clone()), done))
    }

    /// Rejects an ability that the case does not declare: other cases may use the same server, and would fail.
    fn is_allowed(&self, ability: Ability) -> Proof {
        if self.abilities.contains(ability) {
            return Ok(());
        }
        let name = ability.name();
        Err(Stop::Broken(format!("the case uses '{name}' without declaring it among its needs")))
    }

    async fn done(&self, action: Action<A>) -> Proof {
        match self.act(action).await? {
            (_, Outcome::Done) => Ok(()),
            (step, Outcome::Failed(failure)) => diverged(step, "success", failure_text(&failure)),
            (step, Outcome::Answered(_)) => diverged(step, "success without a response", "a response"),
        }
    }

    /// Advances the clock, or waits.
    pub async fn advance(&self, by: Duration) -> Proof {
        self.done(Action::Advance(by)).await
    }

    /// Removes expired items and tombstones past retention.
    pub async fn sweep(&self) -> Proof {
        self.done(Action::Sweep).await
    }

    /// Restarts the store.
    pub async fn restart(&self, how: Restart) -> Proof {
        self.done(Action::Restart(how)).await
    }

    /// Makes the database unavailable, or available again.
    pub async fn outage(&self, unavailable: bool) -> Proof {
        self.done(Action::Outage(unavailable)).await
    }

    /// An inconclusive result, for this reason.
    pub fn inconclusive<T>(&self, why: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Inconclusive(why.into()))
    }

    /// A divergence outside any single step, unless `holds`.
    pub fn expect(&self, holds: bool, expected: impl Into<String>, actual: impl Into<String>) -> Proof {
        if holds {
            return Ok(());
        }
        let (expected, actual) = (expected.into(), actual.into());
        Err(Stop::Diverged(Divergence { step: None, expected, actual }))
    }

    /// Compares `actual` with `expected`, outside any single step.
    pub fn same<T: PartialEq + Show>(&self, what: &str, expected: &T, actual: &T) -> Proof {
        compare(None, what, expected, actual)
    }
}
