//! What the suite needs to know of an abstraction, such as KeyValue: its store, its requests, its contract and its cases.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use prism_contract::Requirement;

use super::mutation::{KillMatrix, Mutant, WireOnly};
use super::{Case, Failure, Harness, Transcript};

/// An abstraction under test. A type without values stands for it.
pub trait Abstraction: Debug + Clone + Copy + PartialEq + Eq + Hash + Send + Sync + 'static {
    /// A store as its clients see it.
    type Store: ?Sized + Send + Sync + 'static;
    /// A request as a client may send it, valid or not.
    type Request: Debug + Clone + PartialEq + Eq + Send + Sync + 'static;
    /// The response to a request.
    type Response: Debug + Clone + PartialEq + Eq + Send + Sync + 'static;
    /// Something that a store may offer beyond the core of the contract.
    type Capability: Debug + Display + Clone + Copy + PartialEq + Eq + Hash + Send + Sync + 'static;
    /// A set of capabilities.
    type Capabilities: Debug + Clone + Copy + PartialEq + Eq + Default + Send + Sync + 'static;

    /// Its contract.
    const CONTRACT: Contract;

    /// The capabilities in a set, in the contract's order.
    fn capabilities(set: Self::Capabilities) -> Vec<Self::Capability>;

    /// The name of a capability in the contract.
    fn capability_name(capability: Self::Capability) -> &'static str;

    /// Every case, in the contract's order.
    fn cases() -> impl Iterator<Item = &'static Case<Self>> + Send;

    /// The store with this seeded bug, in this process.
    fn flawed(mutant: &Mutant) -> Arc<dyn Harness<Self>>;

    /// Stores without a bug, each with the capabilities of some mutants; all cases must pass on them.
    fn sound() -> Vec<Arc<dyn Harness<Self>>>;

    /// Sends a request. A response that does not end is cut off at [`Abstraction::endless`].
    fn send(
        store: &Self::Store,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, Failure>> + Send;

    /// The beginning of a response that should have ended, with what was expected and what came instead; `None`: it ended.
    fn endless(
        request: &Self::Request,
        response: &Self::Response,
    ) -> Option<(Self::Response, String, String)>;

    /// The lines of a transcript, step by step: the request in one, its outcome in any number. `None`: the step is no
    /// request.
    fn lines(transcript: &Transcript<Self>) -> Vec<Option<(String, Vec<String>)>>;

    /// The case of this id.
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

/// The contract of an abstraction, and what the suite has recorded about itself: all that a report needs beside the
/// results.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// The abstraction's name.
    pub name: &'static str,
    /// The contract's version.
    pub version: &'static str,
    /// Its rules, in its order.
    pub requirements: fn() -> &'static [Requirement],
    /// The names of the capabilities that it knows, in its order.
    pub capabilities: fn() -> Vec<&'static str>,
    /// The whole contract as Markdown.
    pub text: &'static str,
    /// The seeded bugs, in the contract's order.
    pub mutants: fn() -> Vec<&'static Mutant>,
    /// Which cases fail on which mutants, as it was recorded.
    pub kill_matrix: fn() -> &'static KillMatrix,
    /// The rules that no store can break.
    pub wire_only: &'static [WireOnly],
    /// The ids of all cases, in the suite's order.
    pub cases: fn() -> Vec<&'static str>,
}

impl Contract {
    /// The seeded bug of this name.
    pub fn mutant(&self, name: &str) -> Option<&'static Mutant> {
        (self.mutants)().into_iter().find(|mutant| mutant.name == name)
    }
}
