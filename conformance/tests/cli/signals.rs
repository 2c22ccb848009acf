//! Termination by signals: each acts like Ctrl-C, and the run leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Sends a signal by name, and waits up to 30 s for the end of the process.
pub(crate) async fn end_by(child: Child, signal: &str) -> Output {
    send(&child, signal).await;
    timeout(Duration::from_secs(30), child.wait_with_output())
        .await
        .expect("the run ends in time")
        .expect("the run can be waited for")
}

async fn send(child: &Child, signal: &str) {
    let id = child.id().expect("the run has not ended").to_string();
    let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().await.unwrap();
    assert!(sent.success(), "no SIG{signal} to {id}");
}

/// A run with a spawned server that never answers; it may write to this folder only.
struct Run {
    folder: tempfile::TempDir,
    child: Child,
    server: u32,
}

impl Run {
    /// `before` is executed by the shell that then becomes the run.
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

    /// Ends it by `signal`, checks that server and folder are gone, and returns the exit code.
    async fn end_by(self, signal: &str) -> Option<i32> {
        let temporary = self.folder.path().join("temporary");
        assert_eq!(entries(&temporary).len(), 1, "the server has a folder");
        let output = end_by(self.child, signal).await;
        assert_eq!(entries(&temporary), Vec::<PathBuf>::new(), "after SIG{signal}");
        // The run has waited for the server, so its process is gone and not a zombie.
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
async fn a_run_ended_by_a_signal_stops_its_server_and_removes_its_folder() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let ended = Run::start("").await.end_by(signal).await;
        // nohup, for one, makes this process and its children ignore SIGHUP.
        assert_eq!(ended, Some(code), "SIG{signal}; is it ignored where the tests were started?");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ignores_hangups_outlives_its_terminal() {
    let run = Run::start("trap '' HUP;").await;
    send(&run.child, "HUP").await;
    // If SIGHUP had ended the run, this would be its exit code.
    assert_eq!(run.end_by("TERM").await, Some(143));
}
