//! The binary itself: what it prints, how it ends, and what stops it from starting.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// `prism` in a folder of its own, without anything of this process' environment that it would read.
fn prism(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism"));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRISM_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that is listening, ended with its test.
struct Serving {
    child: Child,
    address: String,
    started: Value,
    log: BufReader<std::process::ChildStderr>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        command.env("PRISM_LOGGING_FORMAT", "json");
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a log line: {line}"));
        let address = started["address"].as_str().unwrap().to_owned();
        Self { child, address, started, log }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("prism did not end");
    }

    /// What it logged until its end.
    fn rest_of_log(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn serve(folder: &Path) -> Command {
    let mut command = prism(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

fn health(folder: &Path, address: &str) -> Output {
    run(prism(folder).args(["health", "--endpoint", &format!("http://{address}")]))
}

fn becomes_healthy(folder: &Path, address: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !health(folder, address).status.success() {
        assert!(Instant::now() < deadline, "never healthy: {}", stderr(&health(folder, address)));
    }
}

#[test]
fn it_says_where_it_listens_and_what_it_serves_and_a_signal_ends_it_in_good_order() {
    for signal in ["-TERM", "-INT"] {
        let folder = TempDir::new().unwrap();
        let mut serving = Serving::start(&mut serve(folder.path()));
        assert_eq!(serving.started["backend"], "sqlite");
        assert_eq!(serving.started["database"], "./prism.db");
        assert_eq!(serving.started["version"], env!("CARGO_PKG_VERSION"));
        becomes_healthy(folder.path(), &serving.address);
        assert!(folder.path().join("prism.db").exists());
        serving.signal(signal);
        assert_eq!(serving.ends().code(), Some(0));
        let log = serving.rest_of_log();
        assert!(log.contains("draining") && log.contains("stopped"), "{log}");
        let away = health(folder.path(), &serving.address);
        assert_eq!(away.status.code(), Some(1));
        assert!(stderr(&away).contains("cannot be reached"), "{}", stderr(&away));
    }
}

#[test]
fn flags_win_over_the_environment_and_it_over_the_file() {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join("c.yaml"),
        "server: {listen: '127.0.0.1:1'}\ndatabase: {path: file.db}\n",
    )
    .unwrap();
    let mut command = serve(folder.path());
    command.args(["--config", "c.yaml"]).env("PRISM_DATABASE_PATH", "env.db");
    assert_eq!(Serving::start(&mut command).started["database"], "env.db");
    command.args(["--database", "flag.db"]);
    assert_eq!(Serving::start(&mut command).started["database"], "flag.db");
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let endpoint = |serving: &Serving| format!("http://{}", serving.address);
    let mut serving = Serving::start(&mut serve(folder.path()));
    let url = endpoint(&serving);
    let put = run(prism(folder.path()).args(["put", "--endpoint", &url, "orders", "o-1", "state=paid"]));
    assert!(put.status.success(), "{}", stderr(&put));
    serving.signal("-KILL");
    serving.ends();
    let serving = Serving::start(&mut serve(folder.path()));
    let url = endpoint(&serving);
    let get = run(prism(folder.path()).args(["get", "--endpoint", &url, "orders", "o-1", "--json"]));
    assert!(get.status.success(), "{}", stderr(&get));
    assert!(String::from_utf8_lossy(&get.stdout).contains("state"));
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let output = run(prism(folder.path()).args(["serve", "--listen", &address]));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&format!("cannot listen on {address}: another program listens there")), "{said}");
}

#[test]
fn a_file_that_is_no_database_is_told_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("text.db");
    let text = "this is not a database\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let output = run(serve(folder.path()).args(["--database", "text.db"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("text.db' is not a SQLite database"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_postgres_server_that_is_not_there_is_told_without_the_password() {
    let folder = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://u:hunter2@{free}/d");
    let output = run(serve(folder.path()).env("DATABASE_URL", url));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&format!("cannot open the Postgres database 'd' at {free} as user 'u': ")),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_postgres_url_that_is_mistyped_is_told_without_the_password() {
    let folder = TempDir::new().unwrap();
    let output = run(serve(folder.path()).env("DATABASE_URL", "postgres://u:hunter2@h/d?sslmod=require"));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("it has a parameter 'sslmod'; write postgres://"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_password_file_that_cannot_be_read_is_told() {
    let folder = TempDir::new().unwrap();
    let mut command = serve(folder.path());
    command.env("DATABASE_URL", "postgres://h/d").env("PRISM_DATABASE_POSTGRES_PASSWORD_FILE", "none");
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let wanted = "database.postgres.password_file: the file 'none' cannot be read";
    assert!(stderr(&output).contains(wanted), "{}", stderr(&output));
}

#[test]
fn a_configuration_that_is_not_valid_ends_with_2_and_every_mistake() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("c.yaml"), "server:\n  lisen: a\nlogging:\n  level: loud\n").unwrap();
    for command in ["serve", "check-config"] {
        let output = run(prism(folder.path()).args([command, "--config", "c.yaml"]));
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(said.contains("c.yaml:2:3: 'server.lisen' is not a key"), "{said}");
        assert!(said.contains("c.yaml:4:10: logging.level: 'loud' is not a level"), "{said}");
        assert!(output.stdout.is_empty());
    }
    let missing = run(prism(folder.path()).args(["check-config", "--config", "none.yaml"]));
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("the file 'none.yaml' cannot be read"));
    assert_eq!(run(prism(folder.path()).arg("sevre")).status.code(), Some(2));
}

#[test]
fn check_config_prints_what_is_in_effect() {
    let folder = TempDir::new().unwrap();
    let output = run(prism(folder.path()).arg("check-config").env("PRISM_LOGGING_LEVEL", "debug"));
    assert_eq!(output.status.code(), Some(0));
    let yaml = String::from_utf8(output.stdout).unwrap();
    assert!(yaml.contains("  listen: 127.0.0.1:8980\n") && yaml.contains("  level: debug\n"), "{yaml}");
    std::fs::write(folder.path().join("same.yaml"), &yaml).unwrap();
    let again = run(prism(folder.path()).args(["check-config", "--config", "same.yaml"]));
    assert_eq!(String::from_utf8(again.stdout).unwrap(), yaml);
}

#[test]
fn listening_beyond_loopback_without_tokens_is_warned_of() {
    let folder = TempDir::new().unwrap();
    let mut command = prism(folder.path());
    command.args(["serve", "--listen", "0.0.0.0:0"]).env("PRISM_DATABASE_TYPE", "memory");
    let mut serving = Serving::start(&mut command);
    serving.signal("-TERM");
    serving.ends();
    assert!(serving.rest_of_log().contains("whoever reaches this address may read and write everything"));
}
