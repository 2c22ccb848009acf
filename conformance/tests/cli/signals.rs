//! What ends a run from outside: each signal as Ctrl-C does, with nothing left behind.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Sends a signal by its name, and waits for the end, for half a minute.
pub(crate) async fn end_by(child: Child, signal: &str) -> Output {
    send(&child, signal).await;
    timeout(Duration::from_secs(30), child.wait_with_output())
        .await
        .expect("it ends")
        .expect("it is waited for")
}

async fn send(child: &Child, signal: &str) {
    let id = child.id().expect("it still runs").to_string();
    let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().await.unwrap();
    assert!(sent.success(), "no SIG{signal} to {id}");
}

/// A run that has started a server which never answers; the folder is all that it may write to.
struct Run {
    folder: tempfile::TempDir,
    child: Child,
    server: u32,
}

impl Run {
    /// `before` is done by the shell that then becomes the run.
    async fn start(before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let temporary = folder.path().join("temporary");
        std::fs::create_dir(&temporary).unwrap();
        let pid = folder.path().join("pid");
        let program = env!("CARGO_BIN_EXE_prism-conformance");
        let server = format!("sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600'", pid.display());
        let child = Command::new("sh")
            .args(["-c", &format!("{before} exec \"$0\" run --spawn \"$1\""), program, &server])
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let server = timeout(Duration::from_secs(20), written(&pid)).await.expect("the server starts");
        Self { folder, child, server }
    }

    /// Ends it by `signal`, and answers the exit code once server and folder are known to be gone.
    async fn end_by(self, signal: &str) -> Option<i32> {
        let temporary = self.folder.path().join("temporary");
        assert_eq!(entries(&temporary).len(), 1, "the server has a folder");
        let output = end_by(self.child, signal).await;
        assert_eq!(entries(&temporary), Vec::<PathBuf>::new(), "after SIG{signal}");
        // It was waited for, so that its process is gone and not only dead.
        let there =
            Command::new("kill").args(["-0", &self.server.to_string()]).stderr(Stdio::null()).status();
        assert!(!there.await.unwrap().success(), "the server outlives SIG{signal}");
        output.status.code()
    }
}

async fn written(pid: &Path) -> u32 {
    loop {
        if let Ok(text) = std::fs::read_to_string(pid) {
            return text.trim().parse().unwrap();
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_by_a_signal_stops_its_server_and_removes_its_folder() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        assert_eq!(Run::start("").await.end_by(signal).await, Some(code), "SIG{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_started_to_outlive_its_terminal_does() {
    let run = Run::start("trap '' HUP;").await;
    send(&run.child, "HUP").await;
    // Had the first signal ended it, this would be the code of that.
    assert_eq!(run.end_by("TERM").await, Some(143));
}
