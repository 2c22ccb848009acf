//! The update mask of `UpdateNamespace`: the fields that an update changes.

use prism_contract::Checks;
use prism_mutants::seeded;
use prism_proto::control::v1::{Abstraction, Namespace, Policy};

use super::super::definition;

/// The fields that can be changed.
const CHANGEABLE: [&str; 11] = [
    "policy",
    "policy.default_ttl",
    "policy.max_ttl",
    "policy.max_value_bytes",
    "policy.audit",
    "policy.reads",
    "policy.writes",
    "policy.retention",
    "policy.accept_past",
    "policy.accept_future",
    "owners",
];

/// The fields that an update changes.
pub(super) struct Fields<'a>(Vec<&'a str>);

impl<'a> Fields<'a> {
    /// The fields of an update mask; an empty one has all.
    pub(super) fn of(paths: &'a [String], checks: &mut Checks) -> Self {
        if paths.is_empty() {
            return Self(vec!["policy", "owners"]);
        }
        if paths.iter().any(|path| !CHANGEABLE.contains(&path.as_str())) {
            let why = format!("has a field that cannot be changed; {} can", CHANGEABLE.join(", "));
            checks.refuse("update_mask", why);
        }
        Self(paths.iter().map(String::as_str).collect())
    }

    fn has(&self, path: &str) -> bool {
        if seeded("control/updates-fields-outside-the-mask") {
            return true;
        }
        self.0.iter().any(|field| *field == path || (*field == "policy" && path.starts_with("policy.")))
    }

    /// Refuses other values of fields that cannot be changed, and fields of another abstraction.
    pub(super) fn check_unchanged(&self, given: &Namespace, current: &Namespace, checks: &mut Checks) {
        let why = "cannot be changed; create another namespace";
        if given.abstraction() != Abstraction::Unspecified && given.abstraction() != current.abstraction() {
            checks.refuse("namespace.abstraction", why);
        }
        if !given.backend.is_empty() && given.backend != current.backend {
            checks.refuse("namespace.backend", why);
        }
        let encrypts = |namespace: &Namespace| namespace.policy.as_ref().is_some_and(|policy| policy.encrypt);
        let is_timeseries = current.abstraction() == Abstraction::Timeseries;
        if !is_timeseries && self.has("policy.encrypt") && encrypts(given) != encrypts(current) {
            checks.refuse("namespace.policy.encrypt", why);
        }
        let Some(policy) = &given.policy else { return };
        definition::check_abstraction(current.abstraction(), policy, checks);
        let (partitions, fixed) = (policy.partitions, definition::partitions(current));
        if is_timeseries && ![0, fixed].contains(&partitions) {
            let why = format!("is {partitions}; it is fixed, at {fixed}, once the namespace is created");
            checks.refuse("namespace.policy.partitions", why);
        }
    }

    /// The definition with the given values of the fields to change. Fields of another abstraction were refused before.
    pub(super) fn apply(&self, given: &Namespace, mut current: Namespace) -> Namespace {
        let foreign: &[&str] = if current.abstraction() == Abstraction::Timeseries {
            &["policy.default_ttl", "policy.max_ttl", "policy.max_value_bytes"]
        } else {
            &["policy.retention", "policy.accept_past", "policy.accept_future"]
        };
        let changes = |path: &str| self.has(path) && !foreign.contains(&path);
        if self.has("owners") {
            current.owners.clone_from(&given.owners);
        }
        let (from, mut policy) = (given.policy.unwrap_or_default(), current.policy.unwrap_or_default());
        if changes("policy.default_ttl") {
            policy.default_ttl = from.default_ttl;
        }
        if changes("policy.max_ttl") {
            policy.max_ttl = from.max_ttl;
        }
        if changes("policy.max_value_bytes") {
            policy.max_value_bytes = from.max_value_bytes;
        }
        if changes("policy.audit") {
            policy.audit = from.audit;
        }
        if changes("policy.reads") {
            policy.reads = from.reads;
        }
        if changes("policy.writes") {
            policy.writes = from.writes;
        }
        if changes("policy.retention") {
            policy.retention = from.retention;
        }
        if changes("policy.accept_past") {
            policy.accept_past = from.accept_past;
        }
        if changes("policy.accept_future") {
            policy.accept_future = from.accept_future;
        }
        current.policy = (policy != Policy::default()).then_some(policy);
        current
    }
}
