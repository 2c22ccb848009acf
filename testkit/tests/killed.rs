//! Nothing is left behind by a run, whichever of its processes was killed and when.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use prism_testkit::{Backend, Private, skips};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A run of its own: a process called cargo that runs a script, and below it one that holds a server or a schema, and says
/// what address it has.
struct Starting {
    runner: Child,
    said: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Starting {
    fn new(script: &str, what: &str, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        // What a run is goes by the name of the process that starts its tests.
        let cargo = folder.path().join("cargo");
        std::os::unix::fs::symlink("/bin/sh", &cargo).unwrap();
        let mut command = Command::new(cargo);
        command.arg("-c").arg(script).arg("cargo").arg(env!("CARGO_BIN_EXE_hold-postgres")).arg(what);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command.env_remove("PRISM_TEST_POSTGRES_URL");
        let mut runner = command.envs(variables.iter().copied()).spawn().unwrap();
        let said = BufReader::new(runner.stdout.take().unwrap());
        Self { runner, said, _folder: folder }
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the run ended before it had anything");
        line.trim().to_owned()
    }

    /// SIGKILL to the run and its tests at once, so that none can clean up.
    fn kill(mut self) {
        kill_process_group(Pid::from_child(&self.runner), Signal::KILL).unwrap();
        self.runner.wait().unwrap();
    }
}

/// A run that has what it was asked for.
struct Holder {
    run: Starting,
    url: String,
}

impl Holder {
    fn start(what: &str, variables: &[(&str, &str)]) -> Self {
        // The shell stays, since something follows the command.
        let mut run = Starting::new("\"$@\"; exit $?", what, variables);
        let url = run.line();
        Self { run, url }
    }

    fn kill(self) -> String {
        self.run.kill();
        self.url
    }

    /// Lets it end by itself, and returns whether it was content.
    fn end(mut self) -> bool {
        drop(self.run.runner.stdin.take());
        self.run.runner.wait().unwrap().success()
    }
}

/// Waits until `gone` says so, which the watchdog sees to within some seconds.
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
    let asked = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)";
    sqlx::query_scalar(asked).bind(name).fetch_one(&mut connection).await.unwrap()
}

/// The database of an address: the one that a run makes for its schemas.
fn database(url: &str) -> String {
    let (address, _) = url.split_once('?').unwrap_or((url, ""));
    let (_, name) = address.rsplit_once('/').expect("a database");
    name.to_owned()
}

/// What the provider keeps on the machine for the process or run with this id: its folders of the registry.
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

/// What the watchdog of a folder of the registry was told to take away.
fn leftover(home: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(home.join("leftover.json")).ok()?).ok()
}

/// Whether a cluster's folder, or a container, is still there.
fn is_there(leftover: &serde_json::Value) -> bool {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    if let Some(cluster) = leftover.get("cluster") {
        return Path::new(&text(&cluster["folder"])).exists();
    }
    let container = &leftover["container"];
    let asked = Command::new(text(&container["engine"]))
        .args(["container", "inspect", &text(&container["name"])])
        .env("DOCKER_HOST", text(&container["host"]))
        .env("CONTAINER_HOST", text(&container["host"]))
        .output()
        .unwrap();
    asked.status.success()
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_no_server_no_data_and_no_record() {
    if skips(Backend::Postgres, "a_run_that_is_killed_leaves_no_server_no_data_and_no_record") {
        return;
    }
    let holder = Holder::start("server", &[]);
    let run = holder.run.runner.id();
    let made: Vec<_> = homes(run).iter().filter_map(|home| leftover(home)).collect();
    assert_eq!(made.len(), 1, "one server for the run");
    assert!(is_there(&made[0]), "{}", made[0]);
    drop(PgConnection::connect(&holder.url).await.unwrap());
    let url = holder.kill();
    until("the server", async || PgConnection::connect(&url).await.is_err()).await;
    until("its data", async || !is_there(&made[0])).await;
    until("its record", async || homes(run).is_empty()).await;
}

#[tokio::test]
async fn a_run_that_is_killed_while_it_starts_its_server_leaves_none() {
    if skips(Backend::Postgres, "a_run_that_is_killed_while_it_starts_its_server_leaves_none") {
        return;
    }
    let starting = Starting::new("\"$@\"; exit $?", "server", &[]);
    let run = starting.runner.id();
    let mut made = None;
    until("nothing but an empty folder", async || {
        made = homes(run).iter().find_map(|home| leftover(home));
        made.as_ref().is_some_and(is_there)
    })
    .await;
    starting.kill();
    until("its record", async || homes(run).is_empty()).await;
    assert!(!is_there(&made.unwrap()));
}

#[tokio::test]
async fn a_test_that_is_killed_leaves_the_server_to_the_next_of_its_run() {
    if skips(Backend::Postgres, "a_test_that_is_killed_leaves_the_server_to_the_next_of_its_run") {
        return;
    }
    // The first test of the run says its id, so that it alone can be killed; the second finds what the first started.
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
async fn a_private_server_goes_with_its_process() {
    if skips(Backend::Postgres, "a_private_server_goes_with_its_process") {
        return;
    }
    let holder = Holder::start("private", &[]);
    let url = holder.kill();
    until("the server", async || PgConnection::connect(&url).await.is_err()).await;
}

#[tokio::test]
async fn what_was_made_on_a_server_of_somebody_else_goes_at_the_start_of_the_next_run() {
    let test = "what_was_made_on_a_server_of_somebody_else_goes_at_the_start_of_the_next_run";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    // Without a psql there is no watchdog that could drop the database of a run.
    let given = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", server.url()), ("PATH", "")];
    let killed = database(&Holder::start("schema", &given).kill());
    assert!(has(server.url(), &killed).await, "nobody has cleared it away yet");
    let next = Holder::start("schema", &given);
    assert!(!has(server.url(), &killed).await, "what the dead run made");
    assert!(has(server.url(), &database(&next.url)).await, "what a living run has stays");
    next.kill();
    assert!(has(server.url(), &database(server.url())).await, "what somebody else made stays");
}

#[tokio::test]
async fn what_was_made_on_a_server_of_somebody_else_goes_with_its_run_where_there_is_a_psql() {
    let test = "what_was_made_on_a_server_of_somebody_else_goes_with_its_run_where_there_is_a_psql";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    let psql = Command::new("psql").arg("--version").output();
    let given = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", server.url())];
    for killed in [true, false] {
        let holder = Holder::start("schema", &given);
        let name = database(&holder.url);
        if killed {
            holder.kill();
        } else {
            assert!(holder.end());
        }
        if psql.is_ok() {
            until("the database of the run", async || !has(server.url(), &name).await).await;
        } else {
            assert!(has(server.url(), &name).await, "there is no psql that could drop it");
        }
    }
}

#[tokio::test]
async fn a_schema_on_a_server_of_somebody_else_goes_with_its_test_also_after_a_panic() {
    let test = "a_schema_on_a_server_of_somebody_else_goes_with_its_test_also_after_a_panic";
    if skips(Backend::Postgres, test) {
        return;
    }
    let server = Private::launch().await.unwrap();
    // A role that may not make databases has its schemas in the database of the address.
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let name = database(server.url());
    let role = format!("CREATE ROLE poor LOGIN PASSWORD 'p'; GRANT CREATE ON DATABASE \"{name}\" TO poor");
    sqlx::raw_sql(sqlx::AssertSqlSafe(role)).execute(&mut connection).await.unwrap();
    let (_, place) = server.url().split_once('@').unwrap();
    let poor = format!("postgres://poor:p@{place}");
    let given = [("PRISM_TEST_POSTGRES", "url"), ("PRISM_TEST_POSTGRES_URL", poor.as_str())];
    for (what, content) in [("schema", true), ("schema panic", false)] {
        let mut run = Starting::new("\"$1\" $2; exit $?", what, &given);
        let url = run.line();
        assert_eq!(database(&url), name);
        assert_eq!(schemas(&mut connection).await, 1);
        assert_eq!(Holder { run, url }.end(), content);
        assert_eq!(schemas(&mut connection).await, 0, "after {what}");
    }
}

async fn schemas(connection: &mut PgConnection) -> i64 {
    let asked = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'prism\\_test\\_%'";
    sqlx::query_scalar(asked).fetch_one(connection).await.unwrap()
}

/// What a run of its own says on stderr when it does not get what it asks for.
fn refused(variables: &[(&str, &str)]) -> String {
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
fn without_a_way_the_error_names_the_four_and_what_was_tried() {
    let said =
        refused(&[("PATH", ""), ("PRISM_TEST_POSTGRES", "container"), ("PRISM_TEST_BACKENDS", "postgres")]);
    for part in [
        "there is no Postgres for the tests.\n",
        "\n  no container: neither docker nor podman is on PATH\n",
        "\n  1. PRISM_TEST_POSTGRES_URL=",
        "\n  2. a container engine",
        "\n  3. PostgreSQL's own programs",
        "\n  4. a package registry that answers",
    ] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
}

#[test]
fn a_test_that_asks_although_postgres_is_left_out_is_told_so() {
    let said = refused(&[("PRISM_TEST_BACKENDS", "sqlite")]);
    assert!(
        said.contains("PRISM_TEST_BACKENDS=sqlite leaves Postgres out, and yet a test asked for it"),
        "{said}"
    );
}
