//! Nothing is left behind by a run that was killed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prism_testkit::{Backend, Private, skips};
use rustix::process::{Pid, Signal, kill_process_group};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A run of its own: a process called cargo, and below it one that holds a server or a schema, and says what address it has.
struct Holder {
    runner: Child,
    url: String,
    _folder: TempDir,
}

impl Holder {
    fn start(what: &str, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        // What a run is goes by the name of the process that starts its tests.
        let cargo = folder.path().join("cargo");
        std::os::unix::fs::symlink("/bin/sh", &cargo).unwrap();
        let mut command = Command::new(cargo);
        // The shell stays, since something follows the command.
        command
            .arg("-c")
            .arg("\"$@\"; exit $?")
            .arg("cargo")
            .arg(env!("CARGO_BIN_EXE_hold-postgres"))
            .arg(what);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command.env_remove("PRISM_TEST_POSTGRES_URL").env_remove("PRISM_TEST_POSTGRES");
        let mut runner = command.envs(variables.iter().copied()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(runner.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(!url.is_empty(), "the run ended before it had anything");
        Self { runner, url: url.trim().to_owned(), _folder: folder }
    }

    /// SIGKILL to the run and its test at once, so that neither can clean up.
    fn kill(mut self) -> String {
        let group = Pid::from_child(&self.runner);
        kill_process_group(group, Signal::KILL).unwrap();
        self.runner.wait().unwrap();
        self.url
    }
}

/// Waits until `gone` says so, which the watchdog sees to within some seconds.
async fn until(what: &str, gone: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !gone().await {
        assert!(Instant::now() < deadline, "{what} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a server has the database of this name.
async fn has(server: &str, name: &str) -> bool {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let asked = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)";
    sqlx::query_scalar(asked).bind(name).fetch_one(&mut connection).await.unwrap()
}

/// The database of an address: the one that a run makes for its schemas.
fn database(url: &str) -> String {
    let (address, _) = url.split_once('?').unwrap_or((url, ""));
    let (_, name) = address.rsplit_once('/').expect("a database");
    name.to_owned()
}

#[tokio::test]
async fn a_server_goes_with_a_run_that_was_killed() {
    if skips(Backend::Postgres, "a_server_goes_with_a_run_that_was_killed") {
        return;
    }
    for what in ["server", "private"] {
        let holder = Holder::start(what, &[]);
        drop(PgConnection::connect(&holder.url).await.unwrap());
        let url = holder.kill();
        until("the server", async || PgConnection::connect(&url).await.is_err()).await;
    }
}

#[tokio::test]
async fn what_was_made_on_a_server_of_somebody_else_goes_at_the_start_of_the_next_run() {
    let test = "what_was_made_on_a_server_of_somebody_else_goes_at_the_start_of_the_next_run";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    let given = [("PRISM_TEST_POSTGRES_URL", server.url())];
    let killed = database(&Holder::start("schema", &given).kill());
    assert!(has(server.url(), &killed).await, "nobody has cleared it away yet");
    let next = Holder::start("schema", &given);
    until("what the dead run made", async || !has(server.url(), &killed).await).await;
    assert!(has(server.url(), &database(&next.url)).await, "what a living run has stays");
    next.kill();
    assert!(has(server.url(), &database(server.url())).await, "what somebody else made stays");
}
