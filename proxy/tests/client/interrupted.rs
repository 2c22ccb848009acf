//! Imports and exports that are cut: the server killed, the client told to stop.

use std::fs;
use std::process::{Child, Command};

use crate::support::{Backend, Prism, Ran, records};

/// So many lines that an import has not ended when its first lines are there.
const MANY: usize = 6_000;

/// Starts an import of `in` with `more` arguments, and waits until a line of its first tenth is written.
fn import_begun(prism: &Prism, more: &[&str]) -> Child {
    let args = [&["import", "n", "in", "--in-flight", "4"], more].concat();
    let import = prism.command(&args).spawn().unwrap();
    let id = format!("r{:06}", MANY / 20);
    while prism.ok(&["get", "n", &id, "--json"]).is_empty() {}
    import
}

fn ended(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_import_whose_server_is_killed_midway_is_resumed_to_the_same_end() {
    let mut prism = Prism::serve(Backend::Sqlite);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let import = import_begun(&prism, &["--retry-for", "0s"]);
    prism.kill();
    let stopped = ended(import);
    assert_eq!(stopped.code, 1, "the import was over before the server was killed");
    assert!(stopped.stderr.contains("UNAVAILABLE"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("are safe; go on from there with --resume"), "{}", stopped.stderr);

    prism.restart();
    let safe = stopped.stderr.split("lines 1 to ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let safe: usize = safe.replace(',', "").parse().unwrap();
    assert!(safe < MANY);
    assert!(prism.ok(&["export", "n"]).starts_with(&records(safe)), "what was said to be safe is not there");

    let resumed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.starts_with("going on after line"), "{}", resumed.stderr);
    prism.ok(&["export", "n", "out"]);
    assert!(fs::read(prism.path("out")).unwrap() == input.as_bytes(), "the export is not the import");
}

#[test]
fn an_import_that_is_told_to_stop_keeps_its_progress() {
    let prism = Prism::serve(Backend::Memory);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let import = import_begun(&prism, &["--retry-for", "0s"]);
    assert!(Command::new("kill").args(["-INT", &import.id().to_string()]).status().unwrap().success());
    let stopped = ended(import);
    assert_eq!(stopped.code, 1, "the import was over before it was told to stop");
    assert!(stopped.stderr.contains("prism: interrupted\n  lines 1 to "), "{}", stopped.stderr);
    assert!(prism.ok(&["export", "n"]).len() < input.len());
    let resumed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(prism.ok(&["export", "n"]), input);
}

#[test]
fn an_import_waits_for_a_server_that_is_away_for_a_while() {
    let mut prism = Prism::serve(Backend::Sqlite);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let relay = crate::broken::Relay::to(prism.address());
    let import = import_begun(&prism, &["--retry-for", "60s", "--endpoint", &relay.endpoint()]);
    prism.kill();
    prism.restart();
    relay.turn_to(prism.address());
    let ran = ended(import);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(prism.ok(&["export", "n"]), input);
}
