//! The KeyValue suite: store interface, calls, cases, model, and the seeded bugs that the cases catch.
//!
//! Reading order: [`Store`] is the system under test, [`cases::all`] the table of contents, [`Ctx`] the context through
//! which a case calls the store, [`model`] the contract as a model, [`mutants`] the stores with one wrong line each.

mod calls;
pub mod cases;
mod clauses;
mod conformance;
pub mod history;
mod in_process;
pub mod model;
pub mod mutants;
mod names;
pub mod op;
pub mod property;
mod render;
mod replies;
pub mod scenario;
mod show;
mod store;
#[cfg(feature = "cli")]
pub mod wire;

use std::sync::Arc;

use prism_contract::keyvalue::{self, Capabilities, Capability};

use crate::core::mutation::Mutant;
use crate::core::{self, Abstraction, Contract, Divergence, Failure};

pub use calls::{DeleteCall, GetCall, PutCall, ScanCall, item, items};
pub use in_process::EdgeStore;
pub use store::{Request, Response, Store};

/// The KeyValue abstraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyValue;

/// An action on a KeyValue store.
pub type Action = core::Action<KeyValue>;
/// A KeyValue case.
pub type Case = core::Case<KeyValue>;
/// A case's view of a KeyValue store.
pub type Ctx = core::Ctx<KeyValue>;
/// A KeyValue backend opened in this process.
pub type InProcess<S, B> = core::InProcess<KeyValue, S, B>;
/// A requirement of a KeyValue case.
pub type Need = core::Need<KeyValue>;
/// The outcome of an action.
pub type Outcome = core::Outcome<KeyValue>;
/// An action and its outcome.
pub type Step = core::Step<KeyValue>;
/// The requests to a KeyValue store and its responses.
pub type Transcript = core::Transcript<KeyValue>;

impl Abstraction for KeyValue {
    type Store = dyn Store;
    type Request = Request;
    type Response = Response;
    type Capability = Capability;
    type Capabilities = Capabilities;

    const CONTRACT: Contract = Contract {
        name: "KeyValue",
        version: keyvalue::CONTRACT_VERSION,
        requirements: keyvalue::requirements,
        capabilities: || Capability::ALL.map(Capability::name).to_vec(),
        text: include_str!("../../../docs/contract.md"),
        mutants: || mutants::mutants().collect(),
        kill_matrix: mutants::kill_matrix,
        wire_only: mutants::WIRE_ONLY,
        cases: || cases::all().map(|case| case.id).collect(),
        basics: cases::BASICS,
    };

    fn capabilities(set: Capabilities) -> Vec<Capability> {
        set.iter().collect()
    }

    fn capability_name(capability: Capability) -> &'static str {
        capability.name()
    }

    fn cases() -> impl Iterator<Item = &'static Case> + Send {
        cases::all()
    }

    fn flawed(mutant: &Mutant) -> Arc<dyn core::Harness<Self>> {
        Arc::new(mutants::harness(mutant))
    }

    fn flawed_twice(first: &Mutant, second: &Mutant) -> Option<Arc<dyn core::Harness<Self>>> {
        Some(Arc::new(mutants::harness_of_both(first, second)?))
    }

    fn sound() -> Vec<Arc<dyn core::Harness<Self>>> {
        vec![Arc::new(mutants::sound()), Arc::new(mutants::sound_core())]
    }

    async fn send(store: &Self::Store, request: Request) -> Result<Response, Failure> {
        match request {
            Request::Put(put) => store.put(put).await.map(Response::Put),
            Request::Get(get) => store.get(get).await.map(Response::Get),
            Request::Delete(delete) => store.delete(delete).await.map(Response::Delete),
            Request::Scan(scan, messages) => {
                let max_messages = messages.unwrap_or(calls::ENDLESS);
                store.scan(scan, Some(max_messages)).await.map(Response::Scan)
            }
            Request::Describe(describe) => store.describe(describe).await.map(Response::Describe),
        }
    }

    fn endless(request: &Request, response: &Response) -> Option<(Response, String, String)> {
        match (request, response) {
            (Request::Scan(_, None), Response::Scan(read)) if read.len() >= calls::ENDLESS => {
                let head = Response::Scan(read[..3].to_vec());
                Some((head, "a last message".to_owned(), format!("{} messages", calls::ENDLESS)))
            }
            _ => None,
        }
    }

    fn lines(transcript: &Transcript) -> Vec<Option<(String, Vec<String>)>> {
        render::lines(transcript)
    }

    fn named(transcript: &Transcript, divergence: &Divergence) -> Divergence {
        names::named(transcript, divergence)
    }
}
