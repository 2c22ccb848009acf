//! Definitions of namespaces: validation, and conversion to what the catalog holds, and from rules of the configuration.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{self, Limits};
use prism_contract::timeseries::{self, Window};
use prism_contract::{Checks, Namespace as Name};
use prism_proto::control::v1::{Abstraction, Namespace, NamespaceStatus, Policy, RateLimit};

use crate::catalog::{self, Definition, Rate};
use crate::config::{self, MAX_OWNERS, Rule, is_backend_name, is_owner};

/// The longest duration of a policy: a century, as in the configuration.
const LONGEST: Duration = Duration::from_hours(24 * 36_500);

/// Checks the name of a namespace, or that of a static definition.
pub(super) fn check_name(field: &str, name: &str, checks: &mut Checks) {
    let prefix = name.strip_suffix('*').filter(|_| name.len() <= Name::MAX_BYTES);
    checks.at(field, Name::new(prefix.unwrap_or(name)));
}

/// Checks the name of a namespace.
pub(super) fn check_namespace(field: &str, name: &str, checks: &mut Checks) {
    checks.at(field, Name::new(name));
}

/// Checks a definition to be created, or as it is once it is changed; its fields are those of the request field `namespace`.
pub(super) fn check(namespace: &Namespace, checks: &mut Checks) {
    check_fields(namespace, checks);
    let Some(policy) = &namespace.policy else { return };
    check_abstraction(namespace.abstraction(), policy, checks);
    if namespace.abstraction() == Abstraction::Timeseries
        && let Some(policy) = timeseries_policy(policy)
        && let Err((field, why)) = policy.check()
    {
        checks.refuse(format!("namespace.policy.{field}"), why.into_string());
    }
}

/// Checks each field of a definition by itself.
pub(super) fn check_fields(namespace: &Namespace, checks: &mut Checks) {
    check_namespace("namespace.name", &namespace.name, checks);
    match namespace.abstraction() {
        Abstraction::Unspecified | Abstraction::Keyvalue | Abstraction::Timeseries => {}
        Abstraction::Graph => {
            let why = "is not served by this gateway; KEYVALUE and TIMESERIES are allowed";
            checks.refuse("namespace.abstraction", why);
        }
    }
    if !namespace.backend.is_empty() && !is_backend_name(&namespace.backend) {
        let why = "is malformed; 1 to 64 of a-z, 0-9, '-' and '_' are allowed, starting with a letter";
        checks.refuse("namespace.backend", why);
    }
    if namespace.version < 0 {
        checks.refuse("namespace.version", "is negative; 0 or a version is allowed");
    }
    if namespace.owners.len() > MAX_OWNERS {
        let why = format!("has {} owners; at most {MAX_OWNERS} are allowed", namespace.owners.len());
        checks.refuse("namespace.owners", why);
    }
    for (at, owner) in namespace.owners.iter().enumerate().filter(|(_, owner)| !is_owner(owner)) {
        let why = format!("is {} bytes; 1 to 128 without control characters are allowed", owner.len());
        checks.refuse(format!("namespace.owners[{at}]"), why);
    }
    if let Some(policy) = &namespace.policy {
        check_policy(policy, checks);
    }
}

fn check_policy(policy: &Policy, checks: &mut Checks) {
    let positive = [
        ("default_ttl", &policy.default_ttl),
        ("max_ttl", &policy.max_ttl),
        ("retention", &policy.retention),
    ];
    for (field, given) in positive {
        if given.is_some() && duration(given.as_ref()).is_none() {
            let why = "is not a duration longer than 0 and at most 100 years";
            checks.refuse(format!("namespace.policy.{field}"), why);
        }
    }
    for (field, given) in [("accept_past", &policy.accept_past), ("accept_future", &policy.accept_future)] {
        if given.is_some() && duration_or_zero(given.as_ref()).is_none() {
            let why = "is not a duration from 0 to 100 years";
            checks.refuse(format!("namespace.policy.{field}"), why);
        }
    }
    let [default_ttl, max_ttl] = [&policy.default_ttl, &policy.max_ttl].map(|given| duration(given.as_ref()));
    if let (Some(default), Some(max)) = (default_ttl, max_ttl)
        && default > max
    {
        checks.refuse("namespace.policy.default_ttl", "is longer than max_ttl");
    }
    let max_value = u64::from(Limits::V1.value_bytes);
    if policy.max_value_bytes > max_value {
        let why = format!("is {}; 0 to the contract's {max_value} are allowed", policy.max_value_bytes);
        checks.refuse("namespace.policy.max_value_bytes", why);
    }
    for (field, limit) in [("reads", &policy.reads), ("writes", &policy.writes)] {
        if limit.as_ref().is_some_and(|limit| !(0.001..=1e9).contains(&limit.per_second)) {
            let why = "is not allowed; write a number from 0.001 to 1000000000";
            checks.refuse(format!("namespace.policy.{field}.per_second"), why);
        }
    }
    let max_partitions = timeseries::Limits::PARTITIONS;
    if policy.partitions > max_partitions {
        let why = format!("is {}; 0 to {max_partitions} are allowed", policy.partitions);
        checks.refuse("namespace.policy.partitions", why);
    }
}

/// Refuses the fields of a policy that are of another abstraction.
pub(super) fn check_abstraction(abstraction: Abstraction, policy: &Policy, checks: &mut Checks) {
    let (only, fields) = match abstraction {
        Abstraction::Timeseries => {
            if policy.encrypt {
                let why = "is true; encryption of TimeSeries namespaces is not supported";
                checks.refuse("namespace.policy.encrypt", why);
            }
            let of_keyvalue = [
                ("default_ttl", policy.default_ttl.is_some()),
                ("max_ttl", policy.max_ttl.is_some()),
                ("max_value_bytes", policy.max_value_bytes != 0),
            ];
            ("KEYVALUE", of_keyvalue.to_vec())
        }
        Abstraction::Unspecified | Abstraction::Keyvalue | Abstraction::Graph => {
            let of_timeseries = [
                ("retention", policy.retention.is_some()),
                ("accept_past", policy.accept_past.is_some()),
                ("accept_future", policy.accept_future.is_some()),
                ("partitions", policy.partitions != 0),
            ];
            ("TIMESERIES", of_timeseries.to_vec())
        }
    };
    for (field, _) in fields.into_iter().filter(|(_, is_set)| *is_set) {
        checks.refuse(format!("namespace.policy.{field}"), format!("is allowed for {only} only"));
    }
}

/// The policy of a TimeSeries namespace; `None`: a field of it is not valid by itself.
fn timeseries_policy(given: &Policy) -> Option<timeseries::Policy> {
    let span = |given: Option<&prost_types::Duration>| match given {
        Some(given) => duration_or_zero(Some(given)).map(Some),
        None => Some(None),
    };
    let retention = span(given.retention.as_ref())?;
    let window =
        Window { past: span(given.accept_past.as_ref())?, future: span(given.accept_future.as_ref())? };
    let partitions = if given.partitions == 0 { timeseries::Policy::PARTITIONS } else { given.partitions };
    let is_valid = retention.is_none_or(|retention| !retention.is_zero())
        && partitions <= timeseries::Limits::PARTITIONS;
    is_valid.then_some(timeseries::Policy { retention, window, partitions })
}

/// The abstraction of a valid definition.
pub(super) fn abstraction(namespace: &Namespace) -> Abstraction {
    match namespace.abstraction() {
        Abstraction::Timeseries => Abstraction::Timeseries,
        Abstraction::Unspecified | Abstraction::Keyvalue | Abstraction::Graph => Abstraction::Keyvalue,
    }
}

/// The policy of a definition, with the number of partitions that it is created with.
pub(super) fn with_partitions(namespace: &Namespace) -> Option<Policy> {
    let partitions = partitions(namespace);
    if partitions == 0 {
        return namespace.policy;
    }
    Some(Policy { partitions, ..namespace.policy.unwrap_or_default() })
}

/// The number of partitions of a definition; 0: it has none.
pub(super) fn partitions(namespace: &Namespace) -> u32 {
    let policy = namespace.policy.as_ref();
    match (namespace.abstraction(), policy.map_or(0, |policy| policy.partitions)) {
        (Abstraction::Timeseries, 0) => timeseries::Policy::PARTITIONS,
        (Abstraction::Timeseries, partitions) => partitions,
        (Abstraction::Unspecified | Abstraction::Keyvalue | Abstraction::Graph, _) => 0,
    }
}

/// A duration longer than 0 and at most [`LONGEST`].
fn duration(given: Option<&prost_types::Duration>) -> Option<Duration> {
    duration_or_zero(given).filter(|duration| !duration.is_zero())
}

/// A duration of at most [`LONGEST`].
fn duration_or_zero(given: Option<&prost_types::Duration>) -> Option<Duration> {
    let given = given?;
    let (seconds, nanos) = (u64::try_from(given.seconds).ok()?, u32::try_from(given.nanos).ok()?);
    let duration = (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))?;
    (duration <= LONGEST).then_some(duration)
}

/// The catalog's definition of a valid namespace; `index` is that of its backend.
pub(super) fn of(namespace: &Namespace, index: Option<usize>) -> Definition {
    let given = namespace.policy.unwrap_or_default();
    let policy = match namespace.abstraction() {
        Abstraction::Timeseries => {
            catalog::Policy::TimeSeries(Arc::new(timeseries_policy(&given).unwrap_or_default()))
        }
        Abstraction::Unspecified | Abstraction::Keyvalue | Abstraction::Graph => {
            catalog::Policy::KeyValue(keyvalue_policy(&given).map(Arc::new))
        }
    };
    let limit = |limit: RateLimit| catalog::RateLimit {
        per_second: limit.per_second,
        burst: (limit.burst > 0).then_some(limit.burst),
    };
    Definition {
        is_served: namespace.status() != NamespaceStatus::Deleting,
        encrypt: given.encrypt,
        audit: given.audit.then_some(true),
        policy,
        rate: Rate::new(given.reads.map(limit), given.writes.map(limit)),
        ..Definition::of_backend(index)
    }
}

/// The policy of a KeyValue namespace; `None`: that of the contract alone.
fn keyvalue_policy(given: &Policy) -> Option<keyvalue::Policy> {
    let policy = keyvalue::Policy {
        limits: Limits {
            value_bytes: match u32::try_from(given.max_value_bytes) {
                Ok(0) | Err(_) => Limits::V1.value_bytes,
                Ok(bytes) => bytes.min(Limits::V1.value_bytes),
            },
            ..Limits::V1
        },
        default_ttl: duration(given.default_ttl.as_ref()),
        max_ttl: duration(given.max_ttl.as_ref()),
    };
    (policy != keyvalue::Policy::default()).then_some(policy)
}

/// The static definition of a rule.
pub(super) fn of_rule(rule: &Rule, default_backend: &str) -> Namespace {
    let duration = |given: Option<Duration>| given.and_then(|given| given.try_into().ok());
    let limit = |per_second: Option<f64>| {
        per_second.map(|per_second| RateLimit { per_second, burst: rule.rate.burst.unwrap_or_default() })
    };
    let (abstraction, timeseries) = match &rule.abstraction {
        config::Abstraction::KeyValue => (Abstraction::Keyvalue, None),
        config::Abstraction::TimeSeries(policy) => (Abstraction::Timeseries, Some(policy)),
    };
    let policy = Policy {
        default_ttl: duration(rule.default_ttl),
        max_ttl: duration(rule.max_ttl),
        max_value_bytes: rule.limits.value_bytes.unwrap_or_default().into(),
        encrypt: rule.encrypt,
        audit: rule.audit.unwrap_or_default(),
        reads: limit(rule.rate.reads),
        writes: limit(rule.rate.writes),
        retention: duration(timeseries.and_then(|policy| policy.retention)),
        accept_past: duration(timeseries.and_then(|policy| policy.window.past)),
        accept_future: duration(timeseries.and_then(|policy| policy.window.future)),
        partitions: timeseries.map_or(0, |policy| policy.partitions),
    };
    Namespace {
        name: rule.namespaces.to_string(),
        abstraction: abstraction.into(),
        backend: rule.backend.clone().unwrap_or_else(|| default_backend.to_owned()),
        policy: (policy != Policy::default()).then_some(policy),
        status: NamespaceStatus::Active.into(),
        r#static: true,
        owners: rule.owners.clone(),
        ..Namespace::default()
    }
}
