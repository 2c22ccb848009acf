//! The TimeSeries suite: store interface, calls, cases, and the seeded bugs that the cases catch.
//!
//! Reading order: [`Store`] is the system under test, [`policies`] what its namespaces are configured with, [`cases::all`]
//! the table of contents, [`Ctx`] the context through which a case calls the store, [`model`] the contract as a model, [`mutants`] the stores with one wrong
//! line each.

mod calls;
pub mod cases;
mod conformance;
pub mod history;
mod in_process;
pub mod model;

pub mod mutants;
pub mod op;
mod open_tail;
pub mod policies;
pub mod property;

mod render;
mod replies;
pub mod scenario;
mod show;
mod store;
#[cfg(feature = "cli")]
pub mod wire;

use std::sync::Arc;

use prism_contract::timeseries::{self, Capabilities, Capability};

use crate::core::mutation::Mutant;
use crate::core::{self, Abstraction, Contract, Failure};

pub use calls::{AppendCall, DeleteCall, Events, HistogramCall, ListCall, QueryCall, TailCall, event, time};
pub use in_process::{EdgeStore, Governed};
pub use open_tail::OpenTail;
pub use store::{Request, Response, Store, TailMessages, TailUntil};

/// The TimeSeries abstraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeSeries;

/// An action on a TimeSeries store.
pub type Action = core::Action<TimeSeries>;
/// A TimeSeries case.
pub type Case = core::Case<TimeSeries>;
/// A case's view of a TimeSeries store.
pub type Ctx = core::Ctx<TimeSeries>;
/// A TimeSeries backend opened in this process.
pub type InProcess<S, B> = core::InProcess<TimeSeries, S, Governed<B>>;
/// A requirement of a TimeSeries case.
pub type Need = core::Need<TimeSeries>;
/// The outcome of an action.
pub type Outcome = core::Outcome<TimeSeries>;
/// An action and its outcome.
pub type Step = core::Step<TimeSeries>;
/// The requests to a TimeSeries store and its responses.
pub type Transcript = core::Transcript<TimeSeries>;

impl Abstraction for TimeSeries {
    type Store = dyn Store;
    type Request = Request;
    type Response = Response;
    type Capability = Capability;
    type Capabilities = Capabilities;

    const CONTRACT: Contract = Contract {
        name: "TimeSeries",
        version: timeseries::CONTRACT_VERSION,
        requirements: timeseries::requirements,
        capabilities: || Capability::ALL.map(Capability::name).to_vec(),
        text: include_str!("../../../docs/timeseries/contract.md"),
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
            Request::Append(append) => store.append(append).await.map(Response::Append),
            Request::Query(query, messages) => {
                let max_messages = messages.unwrap_or(calls::ENDLESS);
                store.query(query, Some(max_messages)).await.map(Response::Query)
            }
            Request::Tail(tail, until) | Request::TailFurther(tail, until) => {
                let mut tail = store.tail(tail).await?;
                store::read_tail(&mut *tail, true, until).await.map(Response::Tail)
            }
            Request::ListSeries(list, messages) => {
                let max_messages = messages.unwrap_or(calls::ENDLESS);
                store.list_series(list, Some(max_messages)).await.map(Response::ListSeries)
            }
            Request::Histogram(histogram) => store.histogram(histogram).await.map(Response::Histogram),
            Request::DeleteEvents(delete) => store.delete_events(delete).await.map(Response::DeleteEvents),
            Request::Describe(describe) => store.describe(describe).await.map(Response::Describe),
        }
    }

    fn endless(request: &Request, response: &Response) -> Option<(Response, String, String)> {
        let (head, messages) = match (request, response) {
            (Request::Query(_, None), Response::Query(read)) if read.len() >= calls::ENDLESS => {
                (Response::Query(read[..3].to_vec()), read.len())
            }
            (Request::ListSeries(_, None), Response::ListSeries(read)) if read.len() >= calls::ENDLESS => {
                (Response::ListSeries(read[..3].to_vec()), read.len())
            }
            // A Tail ends with its events, unless messages come faster than they can be read.
            (Request::Tail(..), Response::Tail(read)) if read.len() >= store::MAX_TAIL_MESSAGES => {
                (Response::Tail(read[..3].to_vec()), read.len())
            }
            _ => return None,
        };
        Some((head, "a last message".to_owned(), format!("{messages} messages")))
    }

    fn lines(transcript: &Transcript) -> Vec<Option<(String, Vec<String>)>> {
        render::lines(transcript)
    }
}
