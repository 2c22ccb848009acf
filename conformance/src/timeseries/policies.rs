//! The policies that the cases need, and the beginnings of the names of their namespaces.
//!
//! A server under test is configured with one rule per entry: namespaces whose names begin with the prefix have the policy.
//! In this process the suite's own directory does the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::timeseries::{Policy, Served, TimeSeriesBackend, Window};
use prism_contract::{Access, Error, Namespace};

use crate::core::span;

/// A policy of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuitePolicy {
    /// The beginning of the names of its namespaces.
    pub prefix: &'static str,
    /// The retention; `None`: events are kept for ever.
    pub retention: Option<Duration>,
    /// How far before the server's time an event may lie; `None`: unlimited.
    pub accept_past: Option<Duration>,
    /// How far after the server's time an event may lie; `None`: unlimited.
    pub accept_future: Option<Duration>,
}

/// Every event is accepted, and kept for ever.
pub const FREE: SuitePolicy =
    SuitePolicy { prefix: "free-", retention: None, accept_past: None, accept_future: None };

/// Events of the last half hour and the next five minutes are accepted, and kept for an hour.
pub const KEPT: SuitePolicy = SuitePolicy {
    prefix: "kept-",
    retention: Some(Duration::from_hours(1)),
    accept_past: Some(Duration::from_mins(30)),
    accept_future: Some(Duration::from_mins(5)),
};

/// Only events of the server's own time are accepted.
pub const EXACT: SuitePolicy = SuitePolicy {
    prefix: "exact-",
    retention: None,
    accept_past: Some(Duration::ZERO),
    accept_future: Some(Duration::ZERO),
};

/// Events of the last half hour are accepted, and of any time to come. Nothing expires.
pub const PAST: SuitePolicy = SuitePolicy {
    prefix: "past-",
    retention: None,
    accept_past: Some(Duration::from_mins(30)),
    accept_future: None,
};

/// All policies of the suite.
pub const POLICIES: &[SuitePolicy] = &[FREE, KEPT, EXACT, PAST];

impl SuitePolicy {
    /// As an edge has it.
    pub const fn policy(&self) -> Policy {
        let window = Window { past: self.accept_past, future: self.accept_future };
        Policy { retention: self.retention, window, partitions: Policy::PARTITIONS }
    }

    /// The policy of a namespace; [`FREE`] if its name begins as none of the suite's do.
    pub fn of(namespace: &str) -> Self {
        let policy = POLICIES.iter().find(|policy| namespace.starts_with(policy.prefix));
        policy.copied().unwrap_or(FREE)
    }
}

/// A policy's retention and acceptance window, as text.
pub fn policy_text(policy: &Policy) -> String {
    let text = |of: Option<Duration>, absent: &str| of.map_or_else(|| absent.to_owned(), span);
    let Policy { retention, window, .. } = policy;
    format!(
        "retention {}, accept_past {} and accept_future {}",
        text(*retention, "for ever"),
        text(window.past, "unlimited"),
        text(window.future, "unlimited")
    )
}

/// The policies of the namespaces of one store: those of the suite, or those that a case has set since.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    changed: Mutex<BTreeMap<String, Arc<Policy>>>,
    /// The bound of a side that a policy leaves open, for a store that has none without bounds.
    bound: Option<Duration>,
}

impl Policies {
    /// Those of the suite, where a side of a window that is open there has this bound.
    pub(crate) fn bounded(bound: Duration) -> Self {
        Self { bound: Some(bound), ..Self::default() }
    }

    pub(crate) fn of(&self, namespace: &str) -> Arc<Policy> {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = changed.get(namespace).cloned();
        policy.unwrap_or_else(|| {
            let mut policy = SuitePolicy::of(namespace).policy();
            policy.window.past = policy.window.past.or(self.bound);
            policy.window.future = policy.window.future.or(self.bound);
            Arc::new(policy)
        })
    }

    pub(crate) fn set_retention(&self, namespace: &str, retention: Duration) {
        let policy = Policy { retention: Some(retention), ..Policy::clone(&self.of(namespace)) };
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(namespace.to_owned(), Arc::new(policy));
    }
}

/// A backend, with the policies of its namespaces.
#[derive(Clone)]
pub(crate) struct PolicyDirectory {
    pub(crate) backend: Arc<dyn TimeSeriesBackend>,
    pub(crate) policies: Arc<Policies>,
}

impl prism_contract::Directory<dyn TimeSeriesBackend, Policy> for PolicyDirectory {
    fn find(&self, namespace: &Namespace, _: Access) -> Result<Served, Error> {
        let policy = Some(self.policies.of(namespace.as_str()));
        Ok(Served { backend: Arc::clone(&self.backend), policy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_is_valid_and_found_by_its_prefix_alone() {
        for policy in POLICIES {
            assert_eq!(policy.policy().check(), Ok(()), "{policy:?}");
            assert_eq!(SuitePolicy::of(&format!("{}x", policy.prefix)), *policy);
            let valid = Namespace::new(policy.prefix).map(|prefix| prefix.as_str().to_owned());
            assert_eq!(valid, Ok(policy.prefix.to_owned()));
            let others = POLICIES.iter().filter(|other| other.prefix.starts_with(policy.prefix));
            assert_eq!(others.count(), 1, "{policy:?}");
        }
    }
}
