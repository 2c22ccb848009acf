//! The update mask of `UpdateNamespace`: the fields that an update changes.

use prism_contract::Checks;
use prism_mutants::seeded;
use prism_proto::control::v1::{Abstraction, Namespace, Policy};

/// The fields that can be changed.
const CHANGEABLE: [&str; 8] = [
    "policy",
    "policy.default_ttl",
    "policy.max_ttl",
    "policy.max_value_bytes",
    "policy.audit",
    "policy.reads",
    "policy.writes",
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

    /// Refuses other values of fields that cannot be changed.
    pub(super) fn check_unchanged(&self, given: &Namespace, current: &Namespace, checks: &mut Checks) {
        let why = "cannot be changed; create another namespace";
        if given.abstraction() != Abstraction::Unspecified && given.abstraction() != current.abstraction() {
            checks.refuse("namespace.abstraction", why);
        }
        if !given.backend.is_empty() && given.backend != current.backend {
            checks.refuse("namespace.backend", why);
        }
        let encrypts = |namespace: &Namespace| namespace.policy.as_ref().is_some_and(|policy| policy.encrypt);
        if self.has("policy.encrypt") && encrypts(given) != encrypts(current) {
            checks.refuse("namespace.policy.encrypt", why);
        }
    }

    pub(super) fn apply(&self, given: &Namespace, mut current: Namespace) -> Namespace {
        if self.has("owners") {
            current.owners.clone_from(&given.owners);
        }
        let (from, mut policy) = (given.policy.unwrap_or_default(), current.policy.unwrap_or_default());
        if self.has("policy.default_ttl") {
            policy.default_ttl = from.default_ttl;
        }
        if self.has("policy.max_ttl") {
            policy.max_ttl = from.max_ttl;
        }
        if self.has("policy.max_value_bytes") {
            policy.max_value_bytes = from.max_value_bytes;
        }
        if self.has("policy.audit") {
            policy.audit = from.audit;
        }
        if self.has("policy.reads") {
            policy.reads = from.reads;
        }
        if self.has("policy.writes") {
            policy.writes = from.writes;
        }
        current.policy = (policy != Policy::default()).then_some(policy);
        current
    }
}
