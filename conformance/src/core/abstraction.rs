//! The suite's interface to an abstraction, such as KeyValue: its store, its requests, its contract and its cases.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use prism_contract::Requirement;

use super::mutation::{KillMatrix, Mutant, WireOnly};
use super::{Case, Divergence, Failure, Harness, Transcript};

/// An abstraction under test, represented by an uninhabited type.
pub trait Abstraction: Debug + Clone + Copy + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// A store as its clients see it.
    type Store: ?Sized + Send + Sync + 'static;
    /// A request as a client may send it, valid or not.
    type Request: Debug + Clone + PartialEq + Eq + Send + Sync + 'static;
    /// The response to a request.
    type Response: Debug + Clone + PartialEq + Eq + Send + Sync + 'static;
    /// An optional capability beyond the core of the contract.
    type Capability: Debug + Display + Clone + Copy + PartialEq + Eq + Hash + Send + Sync + 'static;
    /// A set of capabilities.
    type Capabilities: Debug + Clone + Copy + PartialEq + Eq + Default + Send + Sync + 'static;

    /// Its contract.
    const CONTRACT: Contract;

    /// The capabilities in a set, in the contract's order.
    fn capabilities(set: Self::Capabilities) -> Vec<Self::Capability>;

    /// The name of a capability in the contract.
    fn capability_name(capability: Self::Capability) -> &'static str;

    /// All cases, in the contract's order.
    fn cases() -> impl Iterator<Item = &'static Case<Self>> + Send;

    /// An in-process store with this seeded bug.
    fn flawed(mutant: &Mutant) -> Arc<dyn Harness<Self>>;

    /// An in-process store with both of these seeded bugs; `None`: no store can show both.
    fn flawed_twice(first: &Mutant, second: &Mutant) -> Option<Arc<dyn Harness<Self>>>;

    /// Correct stores, each with the capabilities of some mutants; all cases must pass on them.
    fn sound() -> Vec<Arc<dyn Harness<Self>>>;

    /// Sends a request. An endless response is cut off at [`Abstraction::endless`].
    fn send(
        store: &Self::Store,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, Failure>> + Send;

    /// The truncated form of an endless response, with the expected and the actual text; `None`: the response ended.
    fn endless(
        request: &Self::Request,
        response: &Self::Response,
    ) -> Option<(Self::Response, String, String)>;

    /// A transcript's text per step: one line for the request, any number for its outcome. `None`: not a request.
    fn lines(transcript: &Transcript<Self>) -> Vec<Option<(String, Vec<String>)>>;

    /// The divergence with the transcript's names for values that differ from run to run: `v2` for `version 17`. What the
    /// store itself said, the message of its status, is left as it is.
    fn named(transcript: &Transcript<Self>, divergence: &Divergence) -> Divergence {
        let _ = transcript;
        divergence.clone()
    }

    /// The case with this id.
    fn case(id: &str) -> Option<&'static Case<Self>> {
        Self::cases().find(|case| case.id == id)
    }

    /// Whether a capability is in a set.
    fn offers(set: Self::Capabilities, capability: Self::Capability) -> bool {
        Self::capabilities(set).contains(&capability)
    }

    /// The names of the capabilities in a set.
    fn names(set: Self::Capabilities) -> Vec<&'static str> {
        Self::capabilities(set).into_iter().map(Self::capability_name).collect()
    }
}

/// An abstraction's contract and the suite's own recorded data: everything a report needs besides the results.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// The abstraction's name.
    pub name: &'static str,
    /// The version of the contract.
    pub version: &'static str,
    /// The rules, in the contract's order.
    pub requirements: fn() -> &'static [Requirement],
    /// The names of the defined capabilities, in the contract's order.
    pub capabilities: fn() -> Vec<&'static str>,
    /// The whole contract as Markdown.
    pub text: &'static str,
    /// The seeded bugs, in the contract's order.
    pub mutants: fn() -> Vec<&'static Mutant>,
    /// The recorded kill matrix: which cases fail on which mutants.
    pub kill_matrix: fn() -> &'static KillMatrix,
    /// The rules that only a raw server can break, not a store.
    pub wire_only: &'static [WireOnly],
    /// The ids of all cases, in the suite's order.
    pub cases: fn() -> Vec<&'static str>,
    /// The ids of the basic cases, in the order in which they run: most other cases depend on what they test.
    pub basics: &'static [&'static str],
}

impl Contract {
    /// The seeded bug with this name.
    pub fn mutant(&self, name: &str) -> Option<&'static Mutant> {
        (self.mutants)().into_iter().find(|mutant| mutant.name == name)
    }
}
