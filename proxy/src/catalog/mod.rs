//! The catalog: which backend serves a namespace, and by which policy.
//!
//! It is one immutable snapshot, which is replaced as a whole: a call looks its namespace up once, and so sees one state
//! ([`Directory`]). Without any configuration, one backend serves every namespace.

mod rate;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use prism_backends::wrap::Encrypt;
use prism_backends::wrap::encrypt::KeyRing;
use prism_contract::keyvalue::{self, KeyValueBackend, Limits};
use prism_contract::timeseries::{self, TimeSeriesBackend};
use prism_contract::{Access, Directory, Error, Namespace, Served, Timestamp};
use prism_mutants::seeded;

use self::rate::Rates;
pub use self::rate::{Rate, RateLimit};
use crate::config::{Abstraction, AuditNamespaces, NamespaceRule, Namespaces, Rule, Undeclared};

/// The abstraction of a namespace, and its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// KeyValue; `None`: that of the contract alone.
    KeyValue(Option<Arc<keyvalue::Policy>>),
    /// TimeSeries.
    TimeSeries(Arc<timeseries::Policy>),
}

impl Policy {
    /// The policy of a rule.
    fn of(rule: &Rule) -> Self {
        match &rule.abstraction {
            Abstraction::KeyValue => Self::KeyValue(keyvalue_policy(rule).map(Arc::new)),
            Abstraction::TimeSeries(policy) => Self::TimeSeries(Arc::new(policy.clone())),
        }
    }

    /// The name of the abstraction.
    pub fn abstraction(&self) -> &'static str {
        match self {
            Self::KeyValue(_) => "KeyValue",
            Self::TimeSeries(_) => "TimeSeries",
        }
    }

    /// The policy of a KeyValue namespace; an error for another one.
    fn keyvalue(&self) -> Result<Option<Arc<keyvalue::Policy>>, Error> {
        match self {
            Self::KeyValue(policy) => Ok(policy.clone()),
            Self::TimeSeries(_) => Err(Error::WrongAbstraction(self.abstraction())),
        }
    }

    /// The policy of a TimeSeries namespace; an error for another one.
    fn timeseries(&self) -> Result<Arc<timeseries::Policy>, Error> {
        match self {
            Self::TimeSeries(policy) => Ok(Arc::clone(policy)),
            Self::KeyValue(_) => Err(Error::WrongAbstraction(self.abstraction())),
        }
    }
}

/// How namespaces are served.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The index of the backend among those of the server; `None`: this server does not have it.
    pub index: Option<usize>,
    /// Whether it is served at all: one that is being deleted is not.
    pub is_served: bool,
    /// Whether values and client metadata are encrypted at rest.
    pub encrypt: bool,
    /// Whether calls are audited; `None`: as undeclared namespaces are.
    pub audit: Option<bool>,
    /// The abstraction, and its policy.
    pub policy: Policy,
    /// Calls per second of each namespace.
    pub rate: Rate,
}

impl Definition {
    /// KeyValue on a backend, without a policy.
    pub fn of_backend(index: Option<usize>) -> Self {
        let (policy, rate) = (Policy::KeyValue(None), Rate::default());
        Self { index, is_served: true, encrypt: false, audit: None, policy, rate }
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
    /// The rules, in the order of the configuration.
    rules: Vec<Rule>,
}

impl Definitions {
    /// The rules of a valid configuration. A definition's index is that of a name in `backends`.
    pub fn of(namespaces: &Namespaces, backends: &[String]) -> Self {
        let default = Self::default_backend(namespaces, backends);
        let find = |name: &String| backends.iter().position(|known| known == name);
        let mut definitions = Self::default();
        for rule in &namespaces.rules {
            let definition = Definition {
                encrypt: rule.encrypt,
                audit: rule.audit,
                policy: Policy::of(rule),
                rate: Rate::of(&rule.rate),
                ..Definition::of_backend(rule.backend.as_ref().map_or(default, find))
            };
            match &rule.namespaces {
                NamespaceRule::Exactly(name) => definitions.exact.insert(name.as_str().into(), definition),
                NamespaceRule::Prefix(prefix) => {
                    definitions.prefixes.insert(prefix.as_str().into(), definition)
                }
            };
        }
        definitions.rules.clone_from(&namespaces.rules);
        definitions.lengths = definitions.prefixes.keys().map(|prefix| prefix.len()).collect();
        definitions.lengths.sort_unstable_by_key(|length| Reverse(*length));
        definitions.lengths.dedup();
        if seeded("router/prefers-the-shortest-prefix") {
            definitions.lengths.reverse();
        }
        if namespaces.undeclared == Undeclared::Allow || seeded("catalog/serves-undeclared-namespaces") {
            definitions.undeclared = Some(Definition::of_backend(default));
        }
        definitions
    }

    /// The index of the default backend among `backends`; `None`: there is none.
    pub fn default_backend(namespaces: &Namespaces, backends: &[String]) -> Option<usize> {
        match (&namespaces.default_backend, backends) {
            (Some(name), _) => backends.iter().position(|known| known == name),
            (None, [_]) => Some(0),
            (None, _) => None,
        }
    }

    /// The rules, in the order of the configuration.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The definition of the rule for exactly this name.
    pub fn exact(&self, namespace: &str) -> Option<&Definition> {
        if self.exact.is_empty() || seeded("router/ignores-exact-rules") {
            return None;
        }
        self.exact.get(namespace)
    }

    /// The definition of the longest prefix of a name, or else that of undeclared namespaces.
    pub fn by_prefix(&self, namespace: &str) -> Option<&Definition> {
        let mut lengths = self.lengths.iter().filter(|length| **length <= namespace.len());
        // A namespace is ASCII, so every length is a border of characters.
        let found = lengths.find_map(|length| self.prefixes.get(&namespace[..*length]));
        let found = found.or_else(|| {
            let longer = seeded("router/matches-a-prefix-without-its-dash").then(|| format!("{namespace}-"));
            self.prefixes.get(longer?.as_str())
        });
        found.or(self.undeclared.as_ref())
    }

    /// The definition of a namespace: that of its name, else of its longest prefix, else that of undeclared ones.
    pub fn find(&self, namespace: &str) -> Option<&Definition> {
        self.exact(namespace).or_else(|| self.by_prefix(namespace))
    }
}

/// The definitions of namespaces that were created at run time, by name.
pub type Created = HashMap<Box<str>, Definition>;

/// A store as it serves each abstraction; KeyValue plain and encrypted.
#[derive(Clone)]
struct Stack {
    plain: Arc<dyn KeyValueBackend>,
    /// `None`: the server has no master keys.
    encrypted: Option<Arc<dyn KeyValueBackend>>,
    /// `None`: the store does not keep TimeSeries.
    timeseries: Option<Arc<dyn TimeSeriesBackend>>,
}

/// One state of the catalog.
#[derive(Clone)]
pub struct Snapshot {
    rules: Arc<Definitions>,
    /// `None`: they are not known yet.
    created: Option<Arc<Created>>,
    stacks: Arc<[Stack]>,
    ring: Option<Arc<KeyRing>>,
    audited: AuditNamespaces,
}

impl Snapshot {
    /// These definitions, whose indices are those of `backends`.
    pub fn new(definitions: Definitions, backends: Vec<Arc<dyn KeyValueBackend>>) -> Self {
        let stack = |plain| Stack { plain, encrypted: None, timeseries: None };
        let stacks = backends.into_iter().map(stack).collect();
        let (rules, created) = (Arc::new(definitions), Some(Arc::default()));
        Self { rules, created, stacks, ring: None, audited: AuditNamespaces::All }
    }

    /// Every namespace on one backend.
    pub fn of_one(backend: Arc<dyn KeyValueBackend>) -> Self {
        let undeclared = Some(Definition::of_backend(Some(0)));
        Self::new(Definitions { undeclared, ..Definitions::default() }, vec![backend])
    }

    /// With the TimeSeries backends of the stores, in their order; `None`: TimeSeries namespaces of that store are UNAVAILABLE.
    #[must_use]
    pub fn with_timeseries(
        mut self,
        backends: impl IntoIterator<Item = Option<Arc<dyn TimeSeriesBackend>>>,
    ) -> Self {
        let stacks = self.stacks.iter().cloned().zip(backends);
        self.stacks = stacks.map(|(stack, timeseries)| Stack { timeseries, ..stack }).collect();
        self
    }

    /// With the keys of encrypted namespaces; `None`: these are UNAVAILABLE.
    #[must_use]
    pub fn with_keys(mut self, ring: Option<&Arc<KeyRing>>) -> Self {
        let encrypted = |plain: &Arc<dyn KeyValueBackend>| {
            ring.map(|ring| {
                Arc::new(Encrypt::new(Arc::clone(plain), Arc::clone(ring))) as Arc<dyn KeyValueBackend>
            })
        };
        let stacks =
            self.stacks.iter().map(|stack| Stack { encrypted: encrypted(&stack.plain), ..stack.clone() });
        self.stacks = stacks.collect();
        self.ring = ring.cloned();
        self
    }

    /// With this choice of audited namespaces.
    #[must_use]
    pub fn with_audit(self, audited: AuditNamespaces) -> Self {
        Self { audited, ..self }
    }

    /// With other rules.
    #[must_use]
    pub fn with_rules(self, rules: Definitions) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    /// With other created namespaces; `None`: they are not known yet, so every namespace without a rule of its name is
    /// UNAVAILABLE.
    #[must_use]
    pub fn with_created(self, created: Option<Created>) -> Self {
        Self { created: created.map(Arc::new), ..self }
    }

    /// The rules of the configuration.
    pub fn rules(&self) -> &Definitions {
        &self.rules
    }

    /// Whether the created namespaces are known.
    pub fn is_complete(&self) -> bool {
        self.created.is_some()
    }

    /// The definition of a namespace: that of the rule for its name, else the one that was created at run time, else that of
    /// the longest prefix, else that of undeclared ones.
    pub fn find(&self, namespace: &str) -> Option<&Definition> {
        let created = self.created.as_ref().filter(|created| !created.is_empty());
        let created = || created.and_then(|created| created.get(namespace));
        if seeded("catalog/prefers-a-created-namespace-to-a-rule") {
            return created().or_else(|| self.rules.find(namespace));
        }
        self.rules.exact(namespace).or_else(created).or_else(|| self.rules.by_prefix(namespace))
    }

    /// The master keys; `None`: there are none.
    pub fn keys(&self) -> Option<&Arc<KeyRing>> {
        self.ring.as_ref()
    }

    /// The time up to which events of a namespace in the store at `index` have expired at `now`; `None`: none has, or it is not
    /// known, since the namespace may have a definition of the control plane that was not read yet, or is served otherwise.
    pub fn expired(&self, index: usize, namespace: &Namespace, now: Timestamp) -> Option<Timestamp> {
        if self.is_unknown(namespace) {
            return None;
        }
        let definition = self.find(namespace.as_str()).filter(|found| found.index == Some(index))?;
        definition.policy.timeseries().ok()?.expired(now)
    }

    /// The number of partitions that a namespace in the store at `index` is defined with; `None`: it is not served there.
    pub fn partitions(&self, index: usize, namespace: &Namespace) -> Option<u32> {
        let definition = self.find(namespace.as_str()).filter(|found| found.index == Some(index))?;
        Some(definition.policy.timeseries().ok()?.partitions)
    }

    /// Whether the store at `index` has TimeSeries namespaces by definition.
    pub fn keeps_timeseries(&self, index: usize) -> bool {
        let Definitions { exact, prefixes, .. } = &*self.rules;
        let created = self.created.iter().flat_map(|created| created.values());
        let mut all = exact.values().chain(prefixes.values()).chain(created);
        all.any(|definition| {
            definition.index == Some(index) && matches!(definition.policy, Policy::TimeSeries(_))
        })
    }

    /// Whether a namespace may have a definition of the control plane that was not read yet.
    fn is_unknown(&self, namespace: &Namespace) -> bool {
        !self.is_complete() && self.rules.exact(namespace.as_str()).is_none()
    }

    /// The definition of a namespace that is served.
    fn served(&self, namespace: &Namespace) -> Result<&Definition, Error> {
        if self.is_unknown(namespace) && !seeded("catalog/allows-everything-while-it-is-unreadable") {
            return Err(Error::unavailable("the definitions of namespaces have not been read yet"));
        }
        let is_served = |definition: &&Definition| {
            definition.is_served || seeded("catalog/serves-a-namespace-that-is-being-deleted")
        };
        self.find(namespace.as_str()).filter(is_served).ok_or(Error::NamespaceNotFound)
    }

    /// The store of a definition.
    fn stack(&self, definition: &Definition) -> Result<&Stack, Error> {
        let stack = definition.index.and_then(|index| self.stacks.get(index));
        stack.ok_or_else(|| Error::unavailable("this gateway does not have the namespace's backend"))
    }

    /// The KeyValue backend of a definition.
    fn keyvalue(&self, definition: &Definition) -> Result<Arc<dyn KeyValueBackend>, Error> {
        let stack = self.stack(definition)?;
        let is_plain = stack.encrypted.is_none() && seeded("catalog/serves-as-plain-text-without-keys");
        if !definition.encrypt || is_plain {
            return Ok(Arc::clone(&stack.plain));
        }
        // Never the plain backend, which would store plain text.
        let encrypted = stack.encrypted.clone();
        encrypted.ok_or_else(|| {
            Error::unavailable("the namespace is encrypted, and this gateway has no master keys")
        })
    }

    /// The TimeSeries backend of a definition.
    fn timeseries(&self, definition: &Definition) -> Result<Arc<dyn TimeSeriesBackend>, Error> {
        let backend = self.stack(definition)?.timeseries.clone();
        backend.ok_or_else(|| Error::unavailable("this backend does not keep TimeSeries"))
    }
}

/// The policy of a KeyValue rule; `None`: it has none.
fn keyvalue_policy(rule: &Rule) -> Option<keyvalue::Policy> {
    let (given, contract) = (&rule.limits, Limits::V1);
    let policy = keyvalue::Policy {
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
    (policy != keyvalue::Policy::default()).then_some(policy)
}

/// The current snapshot, and the calls of each namespace. Clones share both.
#[derive(Clone)]
pub struct Catalog(Arc<State>);

struct State {
    current: ArcSwap<Snapshot>,
    /// Held while a snapshot is made from the current one.
    changes: Mutex<()>,
    rates: Rates,
}

impl Catalog {
    /// A catalog with this state.
    pub fn new(snapshot: Snapshot) -> Self {
        let (current, changes, rates) = (ArcSwap::from_pointee(snapshot), Mutex::new(()), Rates::default());
        Self(Arc::new(State { current, changes, rates }))
    }

    /// Replaces the state by one made from it. Calls that have looked their namespace up end with the earlier one.
    pub fn change(&self, change: impl FnOnce(Snapshot) -> Snapshot) {
        let _changing = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let current = Snapshot::clone(&self.0.current.load());
        self.0.current.store(Arc::new(change(current)));
    }

    /// The current state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }

    /// The index of the backend that serves a namespace now.
    pub fn index_of(&self, namespace: &Namespace) -> Option<usize> {
        self.0.current.load().find(namespace.as_str())?.index
    }

    /// Calls that were refused by the rates of their namespaces so far.
    pub fn refused_by_rate(&self) -> u64 {
        self.0.rates.refused()
    }

    /// Whether calls to a namespace are audited, where there is an audit log.
    pub fn audits(&self, namespace: &str) -> bool {
        let snapshot = self.0.current.load();
        let chosen = snapshot.find(namespace).and_then(|definition| definition.audit);
        let chosen = chosen.filter(|_| !seeded("audit/ignores-the-choice-of-a-namespace"));
        chosen.unwrap_or(snapshot.audited == AuditNamespaces::All)
    }
}

// The abstraction is looked at only once the namespace is known to be served, and before the call counts for its rate.
impl Directory<dyn KeyValueBackend, keyvalue::Policy> for Catalog {
    fn find(&self, namespace: &Namespace, access: Access) -> Result<keyvalue::Served, Error> {
        let snapshot = self.0.current.load();
        let definition = snapshot.served(namespace)?;
        let policy = definition.policy.keyvalue()?;
        self.0.rates.admit(namespace, &definition.rate, access)?;
        let backend = snapshot.keyvalue(definition)?;
        if seeded("catalog/applies-the-limits-of-another-namespace") {
            let policy = snapshot.rules.exact.values().find_map(|other| other.policy.keyvalue().ok()?);
            return Ok(Served { backend, policy });
        }
        Ok(Served { backend, policy })
    }
}

impl Directory<dyn TimeSeriesBackend, timeseries::Policy> for Catalog {
    fn find(&self, namespace: &Namespace, access: Access) -> Result<timeseries::Served, Error> {
        let snapshot = self.0.current.load();
        let definition = snapshot.served(namespace)?;
        let policy = definition.policy.timeseries()?;
        self.0.rates.admit(namespace, &definition.rate, access)?;
        Ok(Served { backend: snapshot.timeseries(definition)?, policy: Some(policy) })
    }
}

#[cfg(test)]
mod tests;
