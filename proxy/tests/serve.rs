//! The binary: its output, its shutdown, and startup failures.
#![cfg(unix)]

#[path = "serve/audit.rs"]
mod audit;
#[path = "serve/backup.rs"]
mod backup;
#[path = "serve/check.rs"]
mod check;
#[path = "serve/collector.rs"]
mod collector;
#[path = "serve/gc.rs"]
mod gc;
#[path = "serve/killed.rs"]
mod killed;
#[path = "serve/log.rs"]
mod log;
#[path = "serve/namespaces.rs"]
mod namespaces;
#[path = "serve/ns.rs"]
mod ns;
#[path = "serve/otlp.rs"]
mod otlp;
#[path = "serve/partitions.rs"]
mod partitions;
#[path = "serve/rekey.rs"]
mod rekey;
#[path = "serve/reload.rs"]
mod reload;
#[path = "serve/slow.rs"]
mod slow;
#[path = "serve/startup.rs"]
mod startup;
#[path = "serve/status.rs"]
mod status;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// `prism` in `folder`, without the environment variables that it reads.
fn prism(folder: &Path) -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_prism")), folder)
}

/// Prepares a command that runs `prism`: its folder, its streams and its environment.
fn isolated(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRISM_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    // Servers of tests that run at the same time would share the default address.
    command.env("PRISM_ADMIN_LISTEN", "off");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A listening server, killed at the end of the test.
struct Serving {
    child: Child,
    address: String,
    /// The lines before `started`.
    before: Vec<Value>,
    started: Value,
    log: BufReader<Box<dyn Read + Send>>,
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
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
        let mut log = BufReader::new(stderr);
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            log.read_line(&mut line).unwrap();
            let started: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a log line: {line}"));
            let Some(address) = started["address"].as_str().map(str::to_owned) else {
                before.push(started);
                continue;
            };
            return Self { child, address, before, started, log };
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("prism did not exit");
    }

    /// Closes the reading end of the log.
    fn close_log(&mut self) {
        self.log = BufReader::new(Box::new(std::io::empty()));
    }

    /// Reads the log in the background; returns its lines of the level ERROR so far.
    fn errors(&mut self) -> Arc<Mutex<Vec<String>>> {
        let log = std::mem::replace(&mut self.log, BufReader::new(Box::new(std::io::empty())));
        let errors = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&errors);
        std::thread::spawn(move || {
            let is_error = |line: &String| line.contains("\"level\":\"ERROR\"");
            for line in log.lines().map_while(Result::ok).filter(is_error) {
                kept.lock().unwrap().push(line);
            }
        });
        errors
    }

    /// The log until the process exits.
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

fn wait_until_healthy(folder: &Path, address: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !health(folder, address).status.success() {
        assert!(Instant::now() < deadline, "never healthy: {}", stderr(&health(folder, address)));
    }
}

#[test]
fn it_logs_its_address_and_database_and_shuts_down_gracefully_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let folder = TempDir::new().unwrap();
        let mut serving = Serving::start(&mut serve(folder.path()));
        assert_eq!(serving.started["backend"], "sqlite");
        assert_eq!(serving.started["database"], "./prism.db");
        assert_eq!(serving.started["version"], env!("CARGO_PKG_VERSION"));
        wait_until_healthy(folder.path(), &serving.address);
        assert!(folder.path().join("prism.db").exists());
        serving.signal(signal);
        assert_eq!(serving.wait().code(), Some(0));
        let log = serving.rest_of_log();
        assert!(log.contains("draining") && log.contains("stopped"), "{log}");
        let stopped = health(folder.path(), &serving.address);
        assert_eq!(stopped.status.code(), Some(1));
        assert!(stderr(&stopped).contains("cannot be reached"), "{}", stderr(&stopped));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_open_file_limit_is_raised_to_the_hard_limit_with_a_warning_if_that_is_too_low() {
    for (hard, connections, enough) in [(900, 900, false), (2_048, 960, true)] {
        let folder = TempDir::new().unwrap();
        let server = serve(folder.path());
        // The shell lowers its limits, then executes the server.
        let mut command = isolated(Command::new("sh"), folder.path());
        let script = format!("ulimit -Sn 256 && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(server.get_program()).args(server.get_args());
        command.env("PRISM_SERVER_MAX_CONNECTIONS", connections.to_string());
        let mut serving = Serving::start(&mut command);
        assert_eq!(serving.started["open_files"], hard);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<_> = line.split_whitespace().skip(3).take(2).map(str::to_owned).collect();
        assert_eq!(numbers, [hard.to_string(), hard.to_string()]);
        serving.signal("-TERM");
        serving.wait();
        let log = serving.rest_of_log();
        assert_eq!(log.contains("the open file limit is too low"), !enough, "{log}");
    }
}

#[test]
fn flags_take_precedence_over_the_environment_and_the_environment_over_the_file() {
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
fn written_items_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let endpoint = |serving: &Serving| format!("http://{}", serving.address);
    let mut serving = Serving::start(&mut serve(folder.path()));
    let url = endpoint(&serving);
    let put = run(prism(folder.path()).args(["put", "--endpoint", &url, "orders", "o-1", "state=paid"]));
    assert!(put.status.success(), "{}", stderr(&put));
    serving.signal("-KILL");
    serving.wait();
    let serving = Serving::start(&mut serve(folder.path()));
    let url = endpoint(&serving);
    let get = run(prism(folder.path()).args(["get", "--endpoint", &url, "orders", "o-1", "--json"]));
    assert!(get.status.success(), "{}", stderr(&get));
    assert!(String::from_utf8_lossy(&get.stdout).contains("state"));
}

#[test]
fn an_address_in_use_is_reported_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let output = run(prism(folder.path()).args(["serve", "--listen", &address]));
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains(&format!("cannot listen on {address}: another program listens there")),
        "{message}"
    );
}

#[test]
fn a_file_that_is_not_a_database_is_reported_and_unchanged() {
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
fn an_unreachable_postgres_server_is_reported_without_the_password() {
    let folder = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://u:hunter2@{free}/d");
    let output = run(serve(folder.path()).env("DATABASE_URL", url));
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains(&format!("cannot open the Postgres database 'd' at {free} as user 'u': ")),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_mistyped_postgres_url_is_reported_without_the_password() {
    let folder = TempDir::new().unwrap();
    let output = run(serve(folder.path()).env("DATABASE_URL", "postgres://u:hunter2@h/d?sslmod=require"));
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("it has a parameter 'sslmod'; write postgres://"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn an_unreadable_password_file_is_reported() {
    let folder = TempDir::new().unwrap();
    let mut command = serve(folder.path());
    command.env("DATABASE_URL", "postgres://h/d").env("PRISM_DATABASE_POSTGRES_PASSWORD_FILE", "none");
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let expected = "database.postgres.password_file: the file cannot be read";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn an_invalid_configuration_exits_with_2_and_lists_every_mistake() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("c.yaml"), "server:\n  lisen: a\nlogging:\n  level: loud\n").unwrap();
    for command in ["serve", "check-config"] {
        let output = run(prism(folder.path()).args([command, "--config", "c.yaml"]));
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(message.contains("c.yaml:2:3: 'server.lisen' is not a key"), "{message}");
        assert!(message.contains("c.yaml:4:10: logging.level: the value is not a level"), "{message}");
        assert!(output.stdout.is_empty());
    }
    let missing = run(prism(folder.path()).args(["check-config", "--config", "none.yaml"]));
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("the file 'none.yaml' cannot be read"));
    assert_eq!(run(prism(folder.path()).arg("sevre")).status.code(), Some(2));
}

#[test]
fn check_config_prints_the_effective_configuration() {
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
fn an_empty_variable_of_the_command_line_is_as_if_unset() {
    let folder = TempDir::new().unwrap();
    let output = run(prism(folder.path()).arg("check-config").env("PRISM_CONFIG", ""));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = run(prism(folder.path()).args(["check-config", "--config", ""]));
    assert_eq!(output.status.code(), Some(2));
    let output = run(prism(folder.path()).args(["health", "--timeout", "1"]).env("PRISM_ENDPOINT", " "));
    assert!(!stderr(&output).contains("is not an address"), "{}", stderr(&output));
}

#[test]
fn the_binary_prints_no_misplaced_secret() {
    let folder = TempDir::new().unwrap();
    let urls = [
        "postgres://u:hunter2@h/d",
        "postgres://u:12/hunter2@127.0.0.1/d",
        "postgres://u:12?hunter2@127.0.0.1/d",
        "postgres://u:hunter2/d",
        "postgres://u:hunter2@127.0.0.1:1/d",
    ];
    let places =
        ["PRISM_CONFIG", "PRISM_DATABASE_PATH", "PRISM_SERVER_LISTEN", "DATABASE_URL", "PRISM_ENDPOINT"];
    let flags = ["--config", "--listen", "--database"];
    let files = ["PRISM_SERVER_TLS_CERT", "PRISM_SERVER_TLS_KEY", "PRISM_DATABASE_POSTGRES_PASSWORD_FILE"];
    let mut outputs = Vec::new();
    for url in urls {
        for place in places {
            for command in
                [&["check-config"][..], &["serve", "--listen", "127.0.0.1:0"], &["serve", "--help"]]
            {
                if command[0] == "serve" && place == "PRISM_ENDPOINT" {
                    continue;
                }
                outputs.push((place, run(prism(folder.path()).args(command).env(place, url))));
            }
        }
        for command in ["health", "get"] {
            let args = if command == "get" {
                &["get", "n", "r", "--endpoint", url][..]
            } else {
                &["health", "--endpoint", url]
            };
            outputs.push((command, run(prism(folder.path()).args(args))));
        }
        for flag in flags {
            outputs.push((flag, run(prism(folder.path()).args(["serve", flag, url]))));
        }
    }
    for place in files {
        let mut command = serve(folder.path());
        command
            .env("PRISM_SERVER_TLS_CERT", "none")
            .env("PRISM_SERVER_TLS_KEY", "none")
            .env("DATABASE_URL", "postgres://h/d");
        outputs.push((place, run(command.env(place, "hunter2"))));
    }
    for (place, output) in outputs {
        let printed = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert!(!printed.contains("hunter2"), "{place}: {printed}");
        assert!(!printed.is_empty(), "{place}");
    }
}
