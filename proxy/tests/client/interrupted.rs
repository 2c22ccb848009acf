//! Interrupted imports: a killed server, a signal to the client, and an outage.

use std::fs;
use std::process::{Child, Command};

use crate::support::{Backend, Prism, Ran, records};

/// Enough lines that an import is still running when its first lines are written.
const MANY: usize = 6_000;

/// Starts an import of `in` with `more` arguments, and waits until a line of its first tenth is written.
fn start_import(prism: &Prism, more: &[&str]) -> Child {
    let args = [&["import", "n", "in", "--in-flight", "4"], more].concat();
    let import = prism.command(&args).spawn().unwrap();
    let id = format!("r{:06}", MANY / 20);
    loop {
        let ran = prism.run(&["get", "n", &id, "--json"]);
        match ran.code {
            0 => break,
            4 => {}
            code => panic!("{code}: {}", ran.stderr),
        }
    }
    import
}

fn wait_for(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_import_resumes_after_its_server_was_killed() {
    let mut prism = Prism::serve(Backend::Sqlite);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let import = start_import(&prism, &["--retry-for", "0s"]);
    prism.kill();
    let stopped = wait_for(import);
    assert_eq!(stopped.code, 3, "the import ended before the server was killed");
    assert!(stopped.stderr.contains("UNAVAILABLE"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("are safe; continue with --resume"), "{}", stopped.stderr);

    prism.restart();
    let safe = stopped.stderr.split("lines 1 to ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let safe: usize = safe.replace(',', "").parse().unwrap();
    assert!(safe < MANY);
    assert!(
        prism.ok(&["export", "n"]).starts_with(&records(safe)),
        "a line that was reported as safe is missing"
    );

    let resumed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.starts_with("resuming after line"), "{}", resumed.stderr);
    prism.ok(&["export", "n", "out"]);
    assert!(fs::read(prism.path("out")).unwrap() == input.as_bytes(), "the export differs from the import");
}

#[test]
fn an_interrupted_import_saves_its_progress() {
    let prism = Prism::serve(Backend::Memory);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let import = start_import(&prism, &["--retry-for", "0s"]);
    assert!(Command::new("kill").args(["-INT", &import.id().to_string()]).status().unwrap().success());
    let stopped = wait_for(import);
    assert_eq!(stopped.code, 1, "the import ended before the signal");
    assert!(stopped.stderr.contains("prism: interrupted\n  lines 1 to "), "{}", stopped.stderr);
    assert!(prism.ok(&["export", "n"]).len() < input.len());
    let resumed = prism.run(&["import", "n", "in", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(prism.ok(&["export", "n"]), input);
}

#[test]
fn an_import_waits_out_an_outage() {
    let mut prism = Prism::serve(Backend::Sqlite);
    let input = records(MANY);
    fs::write(prism.path("in"), &input).unwrap();
    let relay = crate::broken::Relay::to(prism.address());
    let import = start_import(&prism, &["--retry-for", "60s", "--endpoint", &relay.endpoint()]);
    prism.kill();
    prism.restart();
    relay.redirect(prism.address());
    let ran = wait_for(import);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(prism.ok(&["export", "n"]), input);
}
