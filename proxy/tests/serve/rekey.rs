//! `prism rekey` while a gateway serves: the whole rotation of a master key.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::reload::{configured, hangup};
use crate::{Serving, prism, run, stderr};

fn client(folder: &Path, serving: &Serving, args: &[&str]) -> Output {
    let mut command = prism(folder);
    command.args(args).args(["--endpoint", &format!("http://{}", serving.address)]);
    run(&mut command)
}

fn rekey(folder: &Path, args: &[&str]) -> Output {
    let mut command: Command = prism(folder);
    run(command.arg("rekey").args(args).args(["--config", "prism.yaml"]))
}

fn yaml(keys: &[&str], active: &str) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("{{id: {key}, file: {key}}}")).collect();
    format!(
        "encryption: {{keys: [{}], active: {active}}}\nnamespaces: {{rules: [{{match: s, encrypt: true}}]}}\n",
        keys.join(", ")
    )
}

#[test]
fn a_master_key_is_replaced_while_the_gateway_serves() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for (name, byte) in [("k1", 1), ("k2", 2)] {
        fs::write(folder.join(name), STANDARD.encode([byte; 32])).unwrap();
    }
    let mut serving = Serving::start(&mut configured(folder, &yaml(&["k1"], "k1")));
    for id in ["a", "b", "c"] {
        let put = client(folder, &serving, &["put", "s", id, "k=a value in plain text", "--ttl", "30d"]);
        assert!(put.status.success(), "{}", stderr(&put));
    }
    let created = client(folder, &serving, &["ns", "create", "created", "--encrypt"]);
    assert!(created.status.success(), "{}", stderr(&created));
    assert!(client(folder, &serving, &["put", "created", "a", "k=v"]).status.success());
    let before = client(folder, &serving, &["scan", "s", "--json"]);

    fs::write(folder.join("prism.yaml"), yaml(&["k1", "k2"], "k2")).unwrap();
    assert!(hangup(&mut serving).contains("the configuration is loaded"));
    for (namespace, items) in [("s", "3 items, 3"), ("created", "1 item, 1")] {
        let done = rekey(folder, &[namespace]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert_eq!(String::from_utf8(done.stdout).unwrap(), format!("done: {items} sealed again\n"));
    }
    let again = rekey(folder, &["s", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report, serde_json::json!({"state": "done", "items": 3, "sealed": 0, "damaged": 0}));
    // Versions and times are as before.
    assert_eq!(client(folder, &serving, &["scan", "s", "--json"]).stdout, before.stdout);

    // The old key may go, from this gateway and for its next start.
    fs::write(folder.join("prism.yaml"), yaml(&["k2"], "k2")).unwrap();
    assert!(hangup(&mut serving).contains("the configuration is loaded"));
    assert_eq!(client(folder, &serving, &["scan", "s", "--json"]).stdout, before.stdout);
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let serving = Serving::start(&mut configured(folder, &yaml(&["k2"], "k2")));
    assert_eq!(client(folder, &serving, &["scan", "s", "--json"]).stdout, before.stdout);
    let file = fs::read(folder.join("prism.db")).unwrap();
    assert!(!file.windows(10).any(|bytes| bytes == b"plain text"));

    for (args, why) in [
        (&["open"][..], "the namespace open is not defined as encrypted"),
        (&["No"], "the namespace is malformed"),
    ] {
        let refused = rekey(folder, args);
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
}
