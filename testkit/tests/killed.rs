//! A run leaves nothing behind, whichever of its processes is killed and when.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use prism_testkit::{Backend, Private, skips};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A separate run: a process named cargo that runs a script, with a child that holds a server or a schema and prints its
/// address.
struct Starting {
    runner: Child,
    output: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Starting {
    fn new(script: &str, kind: &str, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        // A run is identified by the name of the process that starts its tests.
        let cargo = folder.path().join("cargo");
        std::os::unix::fs::symlink("/bin/sh", &cargo).unwrap();
        let mut command = Command::new(cargo);
        command.arg("-c").arg(script).arg("cargo").arg(env!("CARGO_BIN_EXE_hold-postgres")).arg(kind);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command.env_remove("PRISM_TEST_POSTGRES_URL");
        let mut runner = command.envs(variables.iter().copied()).spawn().unwrap();
        let output = BufReader::new(runner.stdout.take().unwrap());
        Self { runner, output, _folder: folder }
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the run ended without output");
        line.trim().to_owned()
    }

    /// SIGKILL to the whole process group at once, so that no process can clean up.
    fn kill(mut self) {
        kill_process_group(Pid::from_child(&self.runner), Signal::KILL).unwrap();
        self.runner.wait().unwrap();
    }
}

/// A run that has printed its address.
struct Holder {
    run: Starting,
    url: String,
}

impl Holder {
    fn start(kind: &str, variables: &[(&str, &str)]) -> Self {
        // The trailing command keeps the shell from replacing itself by exec.
        let mut run = Starting::new("\"$@\"; exit $?", kind, variables);
        let url = run.line();
        Self { run, url }
    }

    fn kill(self) -> String {
        self.run.kill();
        self.url
    }

    /// Closes its input, waits for its exit, and returns whether it succeeded.
    fn end(mut self) -> bool {
        drop(self.run.runner.stdin.take());
        self.run.runner.wait().unwrap().success()
    }
}

/// Polls until `gone` returns true; the watchdog needs a few seconds.
async fn until(what: &str, mut gone: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !gone().await {
        assert!(Instant::now() < deadline, "{what} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a server has the database of this name.
async fn has(server: &str, name: &str) -> bool {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)";
    sqlx::query_scalar(sql).bind(name).fetch_one(&mut connection).await.unwrap()
}

/// The database name in a URL: the database that a run creates for its schemas.
fn database(url: &str) -> String {
    let (address, _) = url.split_once('?').unwrap_or((url, ""));
    let (_, name) = address.rsplit_once('/').expect("a database");
    name.to_owned()
}

/// The registry folders of the process or run with this pid.
fn homes(pid: u32) -> Vec<PathBuf> {
    let registry = std::env::temp_dir().join(format!("prism-testkit-{}", rustix::process::getuid().as_raw()));
    let mine = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{pid}-")))
    };
    std::fs::read_dir(registry)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(mine)
        .collect()
}

/// The resource that the watchdog of a registry folder will remove.
fn leftover(home: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(home.join("leftover.json")).ok()?).ok()
}

/// Whether a cluster's folder, or a container, still exists.
fn exists(leftover: &serde_json::Value) -> bool {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    if let Some(cluster) = leftover.get("cluster") {
        return Path::new(&text(&cluster["folder"])).exists();
    }
    let container = &leftover["container"];
    let inspect = Command::new(text(&container["engine"]))
        .args(["container", "inspect", &text(&container["name"])])
        .env("DOCKER_HOST", text(&container["host"]))
        .env("CONTAINER_HOST", text(&container["host"]))
        .output()
        .unwrap();
    inspect.status.success()
}

#[tokio::test]
async fn a_killed_run_leaves_no_server_no_data_and_no_record() {
    if skips(Backend::Postgres, "a_killed_run_leaves_no_server_no_data_and_no_record") {
        return;
    }
    let holder = Holder::start("server", &[]);
    let run = holder.run.runner.id();
    let created: Vec<_> = homes(run).iter().filter_map(|home| leftover(home)).collect();
    assert_eq!(created.len(), 1, "one server for the run");
    assert!(exists(&created[0]), "{}", created[0]);
    drop(PgConnection::connect(&holder.url).await.unwrap());
    let url = holder.kill();
    until("the server", async || PgConnection::connect(&url).await.is_err()).await;
    until("its data", async || !exists(&created[0])).await;
    until("its record", async || homes(run).is_empty()).await;
}

#[tokio::test]
async fn a_run_killed_during_server_startup_leaves_no_server() {
    if skips(Backend::Postgres, "a_run_killed_during_server_startup_leaves_no_server") {
        return;
    }
    let starting = Starting::new("\"$@\"; exit $?", "server", &[]);
    let run = starting.runner.id();
    let mut created = None;
    until("nothing but an empty folder", async || {
        created = homes(run).iter().find_map(|home| leftover(home));
        created.as_ref().is_some_and(exists)
    })
    .await;
    starting.kill();
    until("its record", async || homes(run).is_empty()).await;
    assert!(!exists(&created.unwrap()));
}

#[tokio::test]
async fn a_killed_test_leaves_the_server_to_the_next_test_of_its_run() {
    if skips(Backend::Postgres, "a_killed_test_leaves_the_server_to_the_next_test_of_its_run") {
        return;
    }
    // The first test of the run prints its pid, so that it alone can be killed; the second finds the first one's server.
    let script = "sh -c 'echo $$; exec \"$@\"' sh \"$@\"; \"$@\"; exit $?";
    let mut starting = Starting::new(script, "server", &[]);
    let first: i32 = starting.line().parse().unwrap();
    let url = starting.line();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    assert_eq!(starting.line(), url);
    drop(PgConnection::connect(&url).await.unwrap());
    let run = starting.runner.id();
    starting.kill();
    until("its record", async || homes(run).is_empty()).await;
    match PgConnection::connect(&url).await {
        Err(sqlx::Error::Io(why)) => assert_eq!(why.kind(), std::io::ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_private_server_ends_with_its_process() {
    if skips(Backend::Postgres, "a_private_server_ends_with_its_process") {
        return;
    }
    let holder = Holder::start("private", &[]);
    let url = holder.kill();
    until("the server", async || PgConnection::connect(&url).await.is_err()).await;
}

#[tokio::test]
async fn leftovers_on_an_external_server_are_removed_by_the_next_run() {
    let test = "leftovers_on_an_external_server_are_removed_by_the_next_run";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    // Without psql, no watchdog can drop the database of a run.
    let external = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", server.url()), ("PATH", "")];
    let killed = database(&Holder::start("schema", &external).kill());
    assert!(has(server.url(), &killed).await, "not removed yet");
    let next = Holder::start("schema", &external);
    assert!(!has(server.url(), &killed).await, "the database of the dead run is removed");
    assert!(has(server.url(), &database(&next.url)).await, "the database of a live run is kept");
    next.kill();
    assert!(has(server.url(), &database(server.url())).await, "an external database is kept");
}

#[tokio::test]
async fn with_psql_the_database_on_an_external_server_is_dropped_at_the_end_of_the_run() {
    let test = "with_psql_the_database_on_an_external_server_is_dropped_at_the_end_of_the_run";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    let psql = Command::new("psql").arg("--version").output();
    let external = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", server.url())];
    for killed in [true, false] {
        let holder = Holder::start("schema", &external);
        let name = database(&holder.url);
        if killed {
            holder.kill();
        } else {
            assert!(holder.end());
        }
        if psql.is_ok() {
            until("the database of the run", async || !has(server.url(), &name).await).await;
        } else {
            assert!(has(server.url(), &name).await, "without psql it is kept");
        }
    }
}

#[tokio::test]
async fn a_schema_on_an_external_server_is_dropped_after_its_test_even_on_panic() {
    let test = "a_schema_on_an_external_server_is_dropped_after_its_test_even_on_panic";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    // For a role that may not create databases, schemas go into the URL's database.
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let name = database(server.url());
    let role =
        format!("CREATE ROLE limited LOGIN PASSWORD 'p'; GRANT CREATE ON DATABASE \"{name}\" TO limited");
    sqlx::raw_sql(sqlx::AssertSqlSafe(role)).execute(&mut connection).await.unwrap();
    let (_, address) = server.url().split_once('@').unwrap();
    let limited = format!("postgres://limited:p@{address}");
    let external = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", limited.as_str())];
    for (kind, succeeds) in [("schema", true), ("schema panic", false)] {
        let mut run = Starting::new("\"$1\" $2; exit $?", kind, &external);
        let url = run.line();
        assert_eq!(database(&url), name);
        assert_eq!(schemas(&mut connection).await, 1);
        assert_eq!(Holder { run, url }.end(), succeeds);
        assert_eq!(schemas(&mut connection).await, 0, "after {kind}");
    }
}

async fn schemas(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'prism\\_test\\_%'";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// The stderr output of a separate run that fails to get a server.
fn stderr_of_failed_run(variables: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let errors = folder.path().join("errors");
    let script = "\"$@\" 2>\"$ERRORS\"; exit $?";
    let mut variables = variables.to_vec();
    variables.push(("ERRORS", errors.to_str().unwrap()));
    let run = Starting::new(script, "server", &variables);
    assert!(!Holder { run, url: String::new() }.end());
    std::fs::read_to_string(errors).unwrap()
}

#[test]
fn if_no_way_works_the_error_lists_all_four_and_the_attempts() {
    let errors = stderr_of_failed_run(&[
        ("PATH", ""),
        ("PRISM_TEST_POSTGRES", "container"),
        ("PRISM_TEST_BACKENDS", "postgres"),
    ]);
    for part in [
        "no Postgres for the tests.\n",
        "\n  no container: neither docker nor podman is on PATH\n",
        "\n  1. PRISM_TEST_POSTGRES_URL=",
        "\n  2. a container engine",
        "\n  3. PostgreSQL's binaries",
        "\n  4. a package registry",
    ] {
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
}

#[test]
fn using_excluded_postgres_is_an_error() {
    let errors = stderr_of_failed_run(&[("PRISM_TEST_BACKENDS", "sqlite")]);
    assert!(errors.contains("PRISM_TEST_BACKENDS=sqlite excludes Postgres, but a test uses it"), "{errors}");
}
