//! What a case speaks through: it sends requests, writes the transcript, and holds answers against what is expected.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::Capabilities;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, DescribeResponse, GetRequest, ItemInput,
};

use crate::case::Proof;
use crate::{
    Abilities, Ability, Budget, Divergence, Instance, Mode, OpenError, Outcome, Request, Restart, Step,
    Store, Transcript,
};

/// Most pages or messages that are read before an answer is called endless.
const ENDLESS: usize = 5_000;

mod calls;
mod reply;

pub use calls::{DeleteCall, GetCall, PutCall, ScanCall};
pub use reply::Reply;
use reply::{diverged, failure_text};

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
pub struct Ctx {
    instance: Box<dyn Instance>,
    namespace: String,
    mode: Mode,
    budget: Budget,
    seed: u64,
    claims: Capabilities,
    abilities: Abilities,
    starts: AtomicU64,
    transcript: Mutex<Transcript>,
    attachments: Mutex<Vec<(String, String)>>,
}

impl Ctx {
    /// A view of `instance` whose namespaces start with `namespace`, which no other case uses.
    pub fn new(
        instance: Box<dyn Instance>,
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
            claims: Capabilities::NONE,
            abilities: Abilities::NONE,
            starts: AtomicU64::new(0),
            transcript: Mutex::default(),
            attachments: Mutex::default(),
        }
    }

    /// The same view, of a store that claims this and to which this can be done; random cases keep to it.
    #[must_use]
    pub fn offering(mut self, claims: Capabilities, abilities: Abilities) -> Self {
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
    pub(crate) fn show(&self, transcript: Transcript) {
        *self.transcript() = transcript;
    }

    /// Adds a line about the case itself, for reports.
    pub fn note(&self, line: impl Into<String>) {
        self.transcript().notes.push(line.into());
    }

    /// What the store claims.
    pub fn claims(&self) -> Capabilities {
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
    pub fn store(&self) -> Arc<dyn Store> {
        self.instance.store()
    }

    /// The store under test and what may be done to it.
    pub fn instance(&self) -> &dyn Instance {
        &*self.instance
    }

    /// What was said so far.
    pub fn take_transcript(&self) -> Transcript {
        self.transcript().clone()
    }

    fn transcript(&self) -> MutexGuard<'_, Transcript> {
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
    pub fn record(&self, request: Request, outcome: Outcome) -> usize {
        let mut transcript = self.transcript();
        transcript.steps.push(Step { request, outcome });
        transcript.steps.len() - 1
    }

    /// Sends `request` to `store` and records it.
    pub async fn send(&self, store: &dyn Store, request: Request) -> Result<(usize, Outcome), Stop> {
        let outcome = match request.clone() {
            Request::Put(put) => store.put(put).await.map_or_else(Outcome::Failed, Outcome::Put),
            Request::Get(get) => store.get(get).await.map_or_else(Outcome::Failed, Outcome::Get),
            Request::Delete(delete) => {
                store.delete(delete).await.map_or_else(Outcome::Failed, Outcome::Delete)
            }
            Request::Scan(scan, messages) => {
                let most = messages.unwrap_or(ENDLESS);
                store.scan(scan, Some(most)).await.map_or_else(Outcome::Failed, Outcome::Scan)
            }
            Request::Describe(describe) => {
                store.describe(describe).await.map_or_else(Outcome::Failed, Outcome::Describe)
            }
            Request::Advance(by) => {
                self.instance.advance(by).await;
                Outcome::Done
            }
            Request::Sweep => self.instance.sweep().await.map_or_else(Outcome::Failed, |()| Outcome::Done),
            Request::Restart(how) => {
                self.is_allowed(match how {
                    Restart::Clean => Ability::Restart,
                    Restart::Crash => Ability::Crash,
                })?;
                self.instance.restart(how).await?;
                Outcome::Done
            }
            Request::Outage(away) => {
                self.is_allowed(Ability::Outage)?;
                self.instance.outage(away).await?;
                Outcome::Done
            }
            Request::Raw(words) => {
                return Err(Stop::Broken(format!("'{words}' is no request that can be sent again")));
            }
        };
        // A store in this process may never wait for anything; without this the case's time limit would never be looked at.
        tokio::task::yield_now().await;
        if let (Request::Scan(_, None), Outcome::Scan(read)) = (&request, &outcome)
            && read.len() >= ENDLESS
        {
            let first = Outcome::Scan(read[..3].to_vec());
            return diverged(self.record(request, first), "a last message", format!("{ENDLESS} messages"));
        }
        Ok((self.record(request, outcome.clone()), outcome))
    }

    /// Other cases may use the same server, and a case that disturbs it without having said so would fail them.
    fn is_allowed(&self, ability: Ability) -> Proof {
        if self.abilities.contains(ability) {
            return Ok(());
        }
        let name = ability.name();
        Err(Stop::Broken(format!("the case asks for '{name}', which it does not name among its needs")))
    }

    async fn act(&self, request: Request) -> Proof {
        let (step, outcome) = self.send(&*self.store(), request).await?;
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Failed(failure) => diverged(step, "it is done", failure_text(&failure)),
            other => diverged(step, "it is done", format!("{other:?}")),
        }
    }

    /// Lets time pass.
    pub async fn advance(&self, by: Duration) -> Proof {
        self.act(Request::Advance(by)).await
    }

    /// Drops what is expired or forgotten.
    pub async fn sweep(&self) -> Proof {
        self.act(Request::Sweep).await
    }

    /// Stops the store and starts it again.
    pub async fn restart(&self, how: Restart) -> Proof {
        self.act(Request::Restart(how)).await
    }

    /// Takes the database away, or brings it back.
    pub async fn outage(&self, away: bool) -> Proof {
        self.act(Request::Outage(away)).await
    }

    /// Writes items to record `r`, unless the call says another.
    pub fn put(&self, items: impl IntoIterator<Item = ItemInput>) -> PutCall<'_> {
        PutCall::new(self, items.into_iter().collect())
    }

    /// Writes one item.
    pub fn put_one(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> PutCall<'_> {
        self.put([item(key, value)])
    }

    /// Reads record `r`, unless the call says another.
    pub fn get(&self) -> GetCall<'_> {
        GetCall::new(
            self,
            GetRequest { namespace: self.namespace(""), id: "r".to_owned(), ..GetRequest::default() },
        )
    }

    /// Removes from record `r`, unless the call says another; it has no predicate until the call says one.
    pub fn delete(&self) -> DeleteCall<'_> {
        let namespace = self.namespace("");
        DeleteCall::new(self, DeleteRequest { namespace, id: "r".to_owned(), ..DeleteRequest::default() })
    }

    /// Reads the case's namespace, unless the call says more.
    pub fn scan(&self) -> ScanCall<'_> {
        ScanCall::new(self)
    }

    /// Asks what the store offers.
    pub async fn describe(&self) -> Result<Reply<DescribeResponse>, Stop> {
        let request = Request::Describe(DescribeRequest { namespace: self.namespace("") });
        match self.send(&*self.store(), request).await? {
            (step, Outcome::Describe(value)) => Ok(Reply { step, value }),
            (step, other) => diverged(step, "OK", outcome_text(&other)),
        }
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

/// An item of this key and value.
pub fn item(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> ItemInput {
    ItemInput {
        key: Bytes::copy_from_slice(key.as_ref()),
        value: Bytes::copy_from_slice(value.as_ref()),
        ..ItemInput::default()
    }
}

/// Items of these keys and values.
pub fn items<K: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<ItemInput> {
    pairs.into_iter().map(|(key, value)| item(key, value)).collect()
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => failure_text(failure),
        Outcome::Put(_) | Outcome::Get(_) | Outcome::Delete(_) | Outcome::Scan(_) | Outcome::Describe(_) => {
            "OK".to_owned()
        }
        Outcome::Done => "done".to_owned(),
    }
}
