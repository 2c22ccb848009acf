//! `encryption`: master keys, and what is refused.

use prism_proxy::config::{AuditNamespaces, KeySource, Sources, load};
use rstest::rstest;
use tempfile::TempDir;

use crate::of_file;

/// 32 bytes in base64.
const KEY: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";
const OTHER: &str = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=";

fn sources(yaml: &str, variables: &[(&str, &str)]) -> Sources {
    let environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { file: Some(("c.yaml".into(), yaml.to_owned())), environment, ..Sources::default() }
}

#[test]
fn keys_are_read_from_files_and_variables_and_shown_without_their_secrets() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("k1");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let yaml = format!(
        "encryption:\n  keys: [{{id: k1, file: '{}'}}, {{id: k2, env: PRISM_KEY_K2}}]\n  active: k2\nnamespaces:\n  rules: \
         [{{match: a, encrypt: true}}]\n",
        path.display()
    );
    let given = sources(&yaml, &[("PRISM_KEY_K2", OTHER)]);
    let config = load(&given).unwrap();
    let ring = config.encryption.ring().unwrap().unwrap();
    assert_eq!((ring.active().id(), ring.keys().len()), ("k2", 2));
    assert_eq!(config.encryption.keys[1].source, KeySource::Variable("PRISM_KEY_K2".to_owned()));
    let shown = config.to_yaml();
    assert_eq!(load(&Sources { file: Some(("c.yaml".into(), shown.clone())), ..given }).unwrap(), config);
    let texts = format!("{shown}{config:?}");
    for secret in [KEY, OTHER] {
        for part in secret.as_bytes().windows(8) {
            assert!(!texts.contains(std::str::from_utf8(part).unwrap()), "{texts}");
        }
    }
}

#[test]
fn the_only_key_is_the_active_one() {
    let given = sources("encryption: {keys: [{id: k1, env: K}]}", &[("K", KEY)]);
    assert_eq!(load(&given).unwrap().encryption.ring().unwrap().unwrap().active().id(), "k1");
    assert!(of_file("").unwrap().encryption.ring().unwrap().is_none());
}

#[rstest]
#[case::no_list("{keys: a}", "encryption.keys: is a single value; a list of keys is allowed")]
#[case::no_id("{keys: [{env: K}]}", "needs an id")]
#[case::a_malformed_id("{keys: [{id: 'a b', env: K}]}", "the id of a master key is malformed")]
#[case::no_source("{keys: [{id: k1}]}", "needs exactly one of file and env")]
#[case::two_sources("{keys: [{id: k1, file: x, env: K}]}", "needs exactly one of file and env")]
#[case::an_unset_variable("{keys: [{id: k1, env: ABSENT}]}", "the variable is not set")]
#[case::an_absent_file("{keys: [{id: k1, file: absent}]}", "the file cannot be read")]
#[case::a_short_key("{keys: [{id: k1, env: SHORT}]}", "the master key is 3 bytes; exactly 32 are allowed")]
#[case::the_same_id("{keys: [{id: k1, env: K}, {id: k1, env: L}], active: k1}", "has the id of another key")]
#[case::another_key("{keys: [{id: k1, env: K, secret: x}]}", "'secret' is not a key of a key")]
#[case::no_active_key(
    "{keys: [{id: k1, env: K}, {id: k2, env: L}]}",
    "is not the id of one of encryption.keys, which are k1, k2"
)]
#[case::an_unknown_active_key(
    "{keys: [{id: k1, env: K}], active: k3}",
    "is not the id of one of encryption.keys, which are k1"
)]
#[case::an_active_key_without_keys("{active: k1}", "encryption.active is set without encryption.keys")]
fn a_mistake_is_named_and_no_secret_is_shown(#[case] encryption: &str, #[case] message: &str) {
    let variables = [("K", KEY), ("L", OTHER), ("SHORT", "c2Vj")];
    let problems = load(&sources(&format!("encryption: {encryption}"), &variables)).unwrap_err();
    let [problem] = &problems.0[..] else { panic!("one problem: {problems}") };
    assert!(problem.message.contains(message), "{problem:?}");
    assert!(problem.place.starts_with("c.yaml:1:"), "{problem:?}");
    assert!(!problem.message.contains("c2V"), "{problem:?}");
}

#[rstest]
#[case("", AuditNamespaces::All)]
#[case("namespaces: {rules: [{match: a}]}", AuditNamespaces::All)]
#[case("namespaces: {rules: [{match: a, audit: true}]}", AuditNamespaces::Chosen)]
#[case("namespaces: {rules: [{match: a, audit: false}]}", AuditNamespaces::Chosen)]
#[case("namespaces: {rules: [{match: a, audit: false}]}\naudit: {namespaces: all}", AuditNamespaces::All)]
fn all_namespaces_are_audited_unless_a_rule_chooses(#[case] yaml: &str, #[case] audited: AuditNamespaces) {
    let file = [("PRISM_AUDIT_FILE", "audit.jsonl")];
    assert_eq!(load(&sources(yaml, &file)).unwrap().audited_namespaces(), audited);
}
