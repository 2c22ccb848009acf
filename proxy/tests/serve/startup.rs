//! What a process logs at its start, and signals at that time.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{Serving, prism, run, serve, stderr};

/// The log of a server that is started and then terminated.
fn log_of(command: &mut Command) -> String {
    let mut serving = Serving::start(command);
    serving.signal("-TERM");
    serving.wait();
    serving.rest_of_log()
}

pub(super) fn beyond_loopback(folder: &Path) -> Command {
    let mut command = prism(folder);
    command.args(["serve", "--listen", "0.0.0.0:0"]).env("PRISM_DATABASE_TYPE", "memory");
    command
}

const ONE_TOKEN: &str = "[{name: a, env: A, permissions: [read]}]";

#[test]
fn unauthenticated_and_unencrypted_access_is_logged_at_startup() {
    let folder = TempDir::new().unwrap();
    let refused = run(&mut beyond_loopback(folder.path()));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("write auth.mode: insecure"), "{}", stderr(&refused));

    let log = log_of(beyond_loopback(folder.path()).env("PRISM_AUTH_MODE", "insecure"));
    assert!(
        log.contains("WARN")
            && log.contains("anyone who can reach this address may read and write everything"),
        "{log}"
    );
    let log = log_of(beyond_loopback(folder.path()).env("PRISM_AUTH_TOKENS", ONE_TOKEN).env("A", "secret"));
    assert!(log.contains("WARN") && log.contains("tokens without TLS"), "{log}");
    let log = log_of(serve(folder.path()).env("PRISM_AUTH_TOKENS", ONE_TOKEN).env("A", "secret"));
    assert!(!log.contains("WARN") && !log.contains("no token is required"), "{log}");
    let log = log_of(&mut serve(folder.path()));
    assert!(!log.contains("WARN") && log.contains("every program on this machine"), "{log}");
}

#[test]
fn an_insecure_server_requires_no_token_and_logs_that() {
    let folder = TempDir::new().unwrap();
    // 4: the call was permitted, and there is no such record; 7: it was not.
    for (mode, code) in [("insecure", Some(4)), ("required", Some(7)), ("", Some(7))] {
        let mut command = serve(folder.path());
        command.env("PRISM_AUTH_MODE", mode).env("PRISM_AUTH_TOKENS", ONE_TOKEN).env("A", "secret");
        let mut serving = Serving::start(&mut command);
        let url = format!("http://{}", serving.address);
        let get = run(prism(folder.path()).args(["get", "--endpoint", &url, "n", "r"]));
        assert_eq!(get.status.code(), code, "{mode}: {}", stderr(&get));
        serving.signal("-TERM");
        serving.wait();
        let logged = serving.rest_of_log().contains("the configured auth.tokens and auth.grants are ignored");
        assert_eq!(logged, mode == "insecure", "{mode}");
    }
}

#[test]
fn a_secret_file_readable_by_other_users_causes_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "secret").unwrap();
    for (mode, warned) in [(0o644, true), (0o602, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let tokens = "[{name: a, file: token, permissions: [read]}]";
        let log = log_of(serve(folder.path()).env("PRISM_AUTH_TOKENS", tokens));
        assert_eq!(log.contains("chmod o-rwx"), warned, "{mode:o}: {log}");
        assert!(!log.contains("secret\""), "{log}");
    }
}

#[test]
fn sighup_is_ignored_before_the_server_listens() {
    let folder = TempDir::new().unwrap();
    // A named pipe blocks the startup until the token is written into it.
    let pipe = folder.path().join("token");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let tokens = "[{name: a, file: token, permissions: [read]}]";
    let mut child = serve(folder.path())
        .env("PRISM_AUTH_TOKENS", tokens)
        .env("PRISM_LOGGING_FORMAT", "json")
        .spawn()
        .unwrap();
    // Opening the pipe blocks until the server has opened it too.
    let mut token = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    std::io::Write::write_all(&mut token, b"secret").unwrap();
    drop(token);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let listens = line.contains("prism is listening") || line.contains("SIGHUP");
    let _ = child.kill();
    let status = child.wait().unwrap();
    assert!(listens, "{status}: {line}");
}
