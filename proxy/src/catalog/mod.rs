//! The catalog: which backend serves a namespace, and by which policy.
//!
//! It is one immutable snapshot, which is replaced as a whole: a call looks its namespace up once, and so sees one state
//! ([`Directory`]). Without any configuration, one backend serves every namespace.

mod rate;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prism_contract::keyvalue::{Access, Directory, KeyValueBackend, Limits, Policy, Served};
use prism_contract::{Error, Namespace};

pub use self::rate::Rate;
use self::rate::Rates;
use crate::config::{NamespaceRule, Namespaces, Rule, Undeclared};

/// How namespaces are served.
#[derive(Debug)]
pub struct Definition {
    /// The index of the backend among those of the server.
    pub index: usize,
    /// The policy; `None`: that of the contract alone.
    pub policy: Option<Arc<Policy>>,
    /// Calls per second of each namespace.
    pub rate: Rate,
}

impl Definition {
    /// A backend without a policy.
    fn of_backend(index: usize) -> Self {
        Self { index, policy: None, rate: Rate::default() }
    }
}

/// The definitions of namespaces.
#[derive(Debug, Default)]
pub struct Definitions {
    exact: HashMap<Box<str>, Definition>,
    prefixes: HashMap<Box<str>, Definition>,
    /// The lengths of the prefixes, the longest first.
    lengths: Vec<usize>,
    /// For namespaces without a rule; `None`: they are not served.
    undeclared: Option<Definition>,
}

impl Definitions {
    /// The rules of a valid configuration. A definition's index is that of a name in `backends`.
    pub fn of(namespaces: &Namespaces, backends: &[String]) -> Self {
        let default = namespaces.default_backend.as_ref().or(match backends {
            [only] => Some(only),
            _ => None,
        });
        let find = |name: Option<&String>| backends.iter().position(|known| Some(known) == name);
        let mut definitions = Self::default();
        for rule in &namespaces.rules {
            let Some(index) = find(rule.backend.as_ref().or(default)) else { continue };
            let definition =
                Definition { index, policy: policy(rule).map(Arc::new), rate: Rate::of(&rule.rate) };
            match &rule.namespaces {
                NamespaceRule::Exactly(name) => definitions.exact.insert(name.as_str().into(), definition),
                NamespaceRule::Prefix(prefix) => {
                    definitions.prefixes.insert(prefix.as_str().into(), definition)
                }
            };
        }
        definitions.lengths = definitions.prefixes.keys().map(|prefix| prefix.len()).collect();
        definitions.lengths.sort_unstable_by_key(|length| Reverse(*length));
        definitions.lengths.dedup();
        if namespaces.undeclared == Undeclared::Allow {
            definitions.undeclared = find(default).map(Definition::of_backend);
        }
        definitions
    }

    /// The definition of a namespace: that of its name, else of its longest prefix, else that of undeclared ones.
    pub fn find(&self, namespace: &str) -> Option<&Definition> {
        let by_prefix = || {
            let mut lengths = self.lengths.iter().filter(|length| **length <= namespace.len());
            // A namespace is ASCII, so every length is a border of characters.
            lengths.find_map(|length| self.prefixes.get(&namespace[..*length]))
        };
        let exact = if self.exact.is_empty() { None } else { self.exact.get(namespace) };
        exact.or_else(by_prefix).or(self.undeclared.as_ref())
    }
}

/// One state of the catalog.
pub struct Snapshot {
    definitions: Definitions,
    backends: Vec<Arc<dyn KeyValueBackend>>,
}

impl Snapshot {
    /// These definitions, whose indices are those of `backends`.
    pub fn new(definitions: Definitions, backends: Vec<Arc<dyn KeyValueBackend>>) -> Self {
        Self { definitions, backends }
    }

    /// Every namespace on one backend.
    pub fn of_one(backend: Arc<dyn KeyValueBackend>) -> Self {
        let undeclared = Some(Definition::of_backend(0));
        Self::new(Definitions { undeclared, ..Definitions::default() }, vec![backend])
    }
}

/// The policy of a rule; `None`: it has none.
fn policy(rule: &Rule) -> Option<Policy> {
    let (given, contract) = (&rule.limits, Limits::V1);
    let policy = Policy {
        limits: Limits {
            value_bytes: given.value_bytes.unwrap_or(contract.value_bytes),
            put_items: given.put_items.unwrap_or(contract.put_items),
            put_bytes: given.put_bytes.unwrap_or(contract.put_bytes),
            page_items: given.page_items.unwrap_or(contract.page_items),
            page_bytes: given.page_bytes.unwrap_or(contract.page_bytes),
            ..contract
        },
        default_ttl: rule.default_ttl,
        max_ttl: rule.max_ttl,
    };
    (policy != Policy::default()).then_some(policy)
}

/// The current snapshot, and the calls of each namespace. Clones share both.
#[derive(Clone)]
pub struct Catalog(Arc<State>);

struct State {
    current: ArcSwap<Snapshot>,
    rates: Rates,
}

impl Catalog {
    /// A catalog with this state.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(State { current: ArcSwap::from_pointee(snapshot), rates: Rates::default() }))
    }

    /// Replaces the state. Calls that have looked their namespace up end with the earlier one.
    pub fn replace(&self, snapshot: Snapshot) {
        self.0.current.store(Arc::new(snapshot));
    }

    /// The index of the backend that serves a namespace now.
    pub fn index_of(&self, namespace: &Namespace) -> Option<usize> {
        self.0.current.load().definitions.find(namespace.as_str()).map(|definition| definition.index)
    }
}

impl Directory for Catalog {
    fn find(&self, namespace: &Namespace, access: Access) -> Result<Served, Error> {
        let snapshot = self.0.current.load();
        let definition = snapshot.definitions.find(namespace.as_str()).ok_or(Error::NamespaceNotFound)?;
        self.0.rates.admit(namespace, &definition.rate, access)?;
        let backend = Arc::clone(&snapshot.backends[definition.index]);
        Ok(Served { backend, policy: definition.policy.clone() })
    }
}

#[cfg(test)]
mod tests;
