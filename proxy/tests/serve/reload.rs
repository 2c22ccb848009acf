//! SIGHUP and renewed certificates: what a running server takes up, and what it does not.

use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::startup::beyond_loopback;
use crate::{Serving, prism, run, serve, stderr, wait_until_healthy};

/// A server with this configuration file.
pub(super) fn configured(folder: &Path, yaml: &str) -> Command {
    fs::write(folder.join("prism.yaml"), yaml).unwrap();
    let mut command = serve(folder);
    command.args(["--config", "prism.yaml"]).env("PRISM_LOGGING_FORMAT", "json");
    command
}

/// Sends SIGHUP, and returns the line about the configuration.
pub(super) fn hangup(serving: &mut Serving) -> String {
    serving.signal("-HUP");
    line_with(serving, "the configuration is")
}

fn line_with(serving: &mut Serving, text: &str) -> String {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(serving.log.read_line(&mut line).unwrap(), 0, "prism exited");
    }
    line
}

/// Puts an item, and returns the exit code.
fn put(folder: &Path, serving: &Serving, namespace: &str, token: &str) -> Option<i32> {
    let mut command = prism(folder);
    command
        .args(["put", namespace, "r", "k=v", "--endpoint", &format!("http://{}", serving.address)])
        .env("PRISM_TOKEN", token);
    run(&mut command).status.code()
}

const NOT_FOUND: Option<i32> = Some(4);
const NOT_PERMITTED: Option<i32> = Some(7);

#[test]
fn rules_and_callers_are_loaded_on_sighup_and_other_keys_are_named() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let yaml = |rules: &str, permissions: &str, level: &str| {
        format!(
            "logging: {{level: {level}}}\nnamespaces:\n  undeclared: refuse\n  rules: [{rules}]\nauth:\n  tokens: [{{name: a, \
             file: token, permissions: [{permissions}]}}]\n"
        )
    };
    fs::write(folder.join("token"), "first").unwrap();
    let mut serving = Serving::start(&mut configured(folder, &yaml("{match: a}", "read", "info")));
    assert_eq!(put(folder, &serving, "a", "first"), NOT_PERMITTED);
    fs::write(folder.join("prism.yaml"), yaml("{match: a}", "write", "info")).unwrap();
    assert!(hangup(&mut serving).contains("the configuration is loaded"));
    assert_eq!(
        (put(folder, &serving, "a", "first"), put(folder, &serving, "b", "first")),
        (Some(0), NOT_FOUND)
    );

    // The token is another one now, and the level needs a restart.
    fs::write(folder.join("token"), "second").unwrap();
    fs::write(folder.join("prism.yaml"), yaml("{match: a}, {match: b}", "write", "debug")).unwrap();
    let line = hangup(&mut serving);
    assert!(line.contains("need a restart") && line.contains(r#""restart":"logging.level""#), "{line}");
    assert_eq!(
        (put(folder, &serving, "b", "first"), put(folder, &serving, "b", "second")),
        (NOT_PERMITTED, Some(0))
    );

    // What cannot be read, contradicts itself or needs a restart as a whole changes nothing, and is logged once.
    let good = fs::read_to_string(folder.join("prism.yaml")).unwrap();
    for (bad, place) in [
        (good.replace("match: b", "mtch: b"), "prism.yaml:4:"),
        (good.replace("refuse", "maybe"), "prism.yaml:3:15: namespaces.undeclared"),
        (good.replace("file: token", "file: absent"), "prism.yaml:6:"),
        (format!("{good}backends: {{x: {{type: memory}}}}\n"), "a backend was added, removed or changed"),
        ("auth: {mode: [}".to_owned(), "prism.yaml:1:"),
    ] {
        fs::write(folder.join("prism.yaml"), &bad).unwrap();
        let line = hangup(&mut serving);
        assert!(line.contains("the configuration is as before") && line.contains(place), "{place}: {line}");
        assert!(line.contains(r#""level":"ERROR""#), "{line}");
        assert_eq!(put(folder, &serving, "b", "second"), Some(0), "{place}");
    }
    fs::remove_file(folder.join("prism.yaml")).unwrap();
    assert!(hangup(&mut serving).contains("cannot be read"));
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let log = serving.rest_of_log();
    assert!(!log.contains("SIGHUP"), "a failure is logged once: {log}");
}

#[test]
fn the_last_token_is_not_removed_from_a_reachable_server() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    fs::write(folder.join("token"), "first").unwrap();
    fs::write(folder.join("prism.yaml"), "auth: {tokens: [{name: a, file: token, permissions: [read]}]}\n")
        .unwrap();
    let mut serving = Serving::start(beyond_loopback(folder).args(["--config", "prism.yaml"]));
    fs::write(folder.join("prism.yaml"), "").unwrap();
    let line = hangup(&mut serving);
    assert!(line.contains("as before") && line.contains("other machines can reach"), "{line}");
}

/// Writes a certificate for 127.0.0.1 by a new authority, and its key; the authority is `NAME.pem`.
fn certify(folder: &Path, name: &str) {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::new(params, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join(format!("{name}.pem")), root.pem()).unwrap();
    fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Whether a client that trusts an authority reaches the server.
fn is_trusted(folder: &Path, serving: &Serving, authority: &str) -> bool {
    let port = serving.address.rsplit(':').next().unwrap();
    let mut command = prism(folder);
    command.args(["describe", "--endpoint", &format!("https://127.0.0.1:{port}")]);
    command.args(["--tls-ca", &format!("{authority}.pem")]);
    let output = run(&mut command);
    assert!(output.status.success() || stderr(&output).contains("certificate"), "{}", stderr(&output));
    output.status.success()
}

#[test]
fn a_renewed_certificate_is_used_without_a_signal() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    certify(folder, "first");
    let yaml = "server: {tls: {cert: cert.pem, key: key.pem}}\n";
    let mut serving = Serving::start(&mut configured(folder, yaml));
    assert!(is_trusted(folder, &serving, "first"));
    let first = fs::read(folder.join("key.pem")).unwrap();
    certify(folder, "second");
    line_with(&mut serving, "the renewed certificate is used");
    assert!(is_trusted(folder, &serving, "second") && !is_trusted(folder, &serving, "first"));
    // A key of another certificate is not used, and said once.
    fs::write(folder.join("key.pem"), first).unwrap();
    line_with(&mut serving, "the changed files cannot be used");
    assert!(is_trusted(folder, &serving, "second"));
    // On SIGHUP neither.
    assert!(hangup(&mut serving).contains("server.tls: "));
    certify(folder, "third");
    assert!(hangup(&mut serving).contains("the configuration is loaded"));
    assert!(is_trusted(folder, &serving, "third"));
}

#[test]
fn master_keys_are_loaded_on_sighup_but_none_that_is_needed_is_lost() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for (name, byte) in [("k1", 1), ("k2", 2)] {
        use base64::Engine;
        fs::write(folder.join(name), base64::engine::general_purpose::STANDARD.encode([byte; 32])).unwrap();
    }
    let yaml = |keys: &[&str], active: &str| {
        let keys: Vec<_> = keys.iter().map(|key| format!("{{id: {key}, file: {key}}}")).collect();
        format!(
            "encryption: {{keys: [{}], active: {active}}}\nnamespaces: {{rules: [{{match: s, encrypt: true}}]}}\n",
            keys.join(", ")
        )
    };
    let mut serving = Serving::start(&mut configured(folder, &yaml(&["k1"], "k1")));
    assert_eq!(put(folder, &serving, "s", ""), Some(0));
    let load = |serving: &mut Serving, yaml: String| {
        fs::write(folder.join("prism.yaml"), yaml).unwrap();
        hangup(serving)
    };
    let line = load(&mut serving, yaml(&["k2"], "k2"));
    assert!(
        line.contains("as before") && line.contains("the master key 'k1' is not in the key ring"),
        "{line}"
    );
    let line = load(&mut serving, yaml(&["k1", "k2"], "k2").replace("encrypt: true", "encrypt: false"));
    assert!(line.contains("as before") && line.contains("is not defined as encrypted"), "{line}");
    assert!(load(&mut serving, yaml(&["k1", "k2"], "k2")).contains("is loaded"));
    assert_eq!(put(folder, &serving, "s", ""), Some(0));
    // Both keys are needed from now on, also to start.
    let line = load(&mut serving, yaml(&["k1"], "k1"));
    assert!(line.contains("the master key 'k2' is not in the key ring"), "{line}");
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    for (yaml, why) in [
        (yaml(&["k1"], "k1"), "'k2' is not in the key ring"),
        (yaml(&["k1", "k2"], "k2").replace("file: k1", "file: k2"), "'k1' does not open its check value"),
        (yaml(&["k1", "k2"], "k2").replace("encrypt: true", "audit: false"), "is not defined as encrypted"),
    ] {
        let output = run(&mut configured(folder, &yaml));
        assert!(!output.status.success() && stderr(&output).contains(why), "{why}: {}", stderr(&output));
    }
    let serving = Serving::start(&mut configured(folder, &yaml(&["k1", "k2"], "k2")));
    wait_until_healthy(folder, &serving.address);
}
