//! The service config for clients agrees with the schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use prism_proto::options::all_methods;
use serde_json::Value;

/// The service config's entry for each method, by its name in the schema: `package.Service/Method`.
fn configured() -> BTreeMap<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy/service-config.json");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut configured = BTreeMap::new();
    for entry in config["methodConfig"].as_array().unwrap() {
        for name in entry["name"].as_array().unwrap() {
            let text = |key: &str| name[key].as_str().unwrap();
            let name = format!("{}/{}", text("service"), text("method"));
            assert!(configured.insert(name.clone(), entry.clone()).is_none(), "{name} is listed twice");
        }
    }
    configured
}

fn retried_on(entry: &Value) -> Vec<&str> {
    let codes = entry["retryPolicy"]["retryableStatusCodes"].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap()).collect()
}

/// A duration in JSON form: `0.1s`.
fn duration(value: &Value) -> Duration {
    let seconds = value.as_str().unwrap().strip_suffix('s').unwrap();
    Duration::try_from_secs_f64(seconds.parse().unwrap()).unwrap()
}

#[test]
fn the_service_config_lists_each_method_of_the_schema_once_and_no_other() {
    let listed: Vec<_> = configured().into_keys().collect();
    let mut methods: Vec<_> = all_methods().map(|(name, _)| name.to_owned()).collect();
    methods.sort();
    assert!(methods.len() >= 5, "{methods:?}");
    assert_eq!(listed, methods);
}

#[test]
fn the_service_config_has_the_timeouts_of_the_schema() {
    let configured = configured();
    for (name, options) in all_methods() {
        assert_eq!(configured[name].get("timeout").map(duration), options.timeout, "{name}");
    }
}

#[test]
fn only_idempotent_methods_are_retried_when_the_call_may_have_taken_effect() {
    let configured = configured();
    for (name, options) in all_methods() {
        let expected: &[&str] =
            if options.idempotent { &["UNAVAILABLE", "RESOURCE_EXHAUSTED"] } else { &["RESOURCE_EXHAUSTED"] };
        assert_eq!(retried_on(&configured[name]), expected, "{name}");
    }
}

#[test]
fn grpc_accepts_each_retry_policy() {
    for (name, entry) in configured() {
        let policy = &entry["retryPolicy"];
        // gRPC rejects a policy with one attempt, and treats more than 5 as 5.
        assert!((2..=5).contains(&policy["maxAttempts"].as_u64().unwrap()), "{name}");
        let (first, most) = (duration(&policy["initialBackoff"]), duration(&policy["maxBackoff"]));
        assert!(!first.is_zero() && first <= most, "{name}: {first:?} to {most:?}");
        assert!(policy["backoffMultiplier"].as_f64().unwrap() >= 1.0, "{name}");
        // A Tail has no timeout.
        let timeout = entry.get("timeout").map_or(Duration::MAX, duration);
        assert!(most < timeout, "{name}: no time is left for a second attempt");
    }
}
