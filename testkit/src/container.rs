//! A Postgres container, started by testcontainers and removed by the engine's CLI.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _, core::IntoContainerPort as _};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::binaries::{SETTINGS, SUPERUSER, free_port, random};
use crate::process::Process;
use crate::session;
use crate::watchdog::{self, Leftover};

/// Port of Postgres inside the container.
const PORT: u16 = 5432;

/// Timeout for starting a container whose image is present, and for its server to accept sessions or to stop.
const STATE_TIMEOUT: Duration = Duration::from_mins(1);

/// Timeout for pulling the image and starting the container.
pub(crate) const PULL_TIMEOUT: Duration = Duration::from_mins(5);

/// Size of /dev/shm; the engines' default is 64 MB.
const SHARED_MEMORY: u64 = 256 << 20;

/// A container by name. Dropping it removes nothing: the watchdog or [`Container::remove`] does.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    name: String,
    image: String,
    url: Url,
}

impl Container {
    /// Starts a container that is removed when `owner` ends, and waits until its server accepts sessions. The port survives
    /// a restart.
    pub(crate) async fn start_new(image: &str, owner: &Process, home: &Path) -> Result<Self, String> {
        let host = engine_host();
        let engine = engine(&host).await?;
        let (name, password) = (format!("prism-postgres-{}", random()?), random()?);
        // Watchdog first: whatever is created from here on is removed, wherever this process is killed.
        watchdog::watch(owner, home, &Leftover::Container { engine, host: host.clone(), name: name.clone() })
            .map_err(|error| error.to_string())?;

        let local = is_local(&host).await;
        let container = timeout(PULL_TIMEOUT, request(image, &name, &password, local)?.start())
            .await
            .map_err(|_| {
                format!("{image} was neither pulled nor started within {} s", PULL_TIMEOUT.as_secs())
            })?
            .map_err(|error| with_causes(&error))?;
        let started = Self::await_server(&container, image, name, &password, local).await;
        if started.is_ok() {
            // Dropping the handle would remove the container, which later processes of the run need.
            std::mem::forget(container);
        }
        started
    }

    async fn await_server(
        container: &ContainerAsync<GenericImage>,
        image: &str,
        name: String,
        password: &str,
        local: bool,
    ) -> Result<Self, String> {
        let host = if local {
            "127.0.0.1".to_owned()
        } else {
            container.get_host().await.map_err(|error| with_causes(&error))?.to_string()
        };
        let port = container.get_host_port_ipv4(PORT.tcp()).await.map_err(|error| with_causes(&error))?;
        let url = Url::parse(&format!("postgres://{SUPERUSER}:{password}@{host}:{port}/postgres"))
            .map_err(|error| format!("{host}: {error}"))?;
        let started = Self { name, image: image.to_owned(), url };
        started.await_session().await?;
        Ok(started)
    }

    /// Waits until the server accepts sessions. During the image's setup the server does not listen on TCP, so the first
    /// session is with the final server.
    async fn await_session(&self) -> Result<(), String> {
        let deadline = Instant::now() + STATE_TIMEOUT;
        loop {
            let Err(error) = session::connect(&self.url).await else { return Ok(()) };
            if !self.running().await? {
                return Err(format!("the container ended:\n{}", self.log().await));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "no session within {} s: {error}\n{}",
                    STATE_TIMEOUT.as_secs(),
                    self.log().await
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Restarts it after [`Container::stop`] or [`Container::kill`], with the same data and port.
    pub(crate) async fn start(&self) -> Result<(), String> {
        start(&self.name).await?;
        self.await_session().await
    }

    /// Fast shutdown: sessions are cut, the data is flushed.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        self.signal("SIGINT").await
    }

    /// SIGKILL to all processes in the container.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        self.signal("SIGKILL").await
    }

    async fn signal(&self, signal: &str) -> Result<(), String> {
        kill(&self.name, signal, STATE_TIMEOUT).await
    }

    async fn running(&self) -> Result<bool, String> {
        running(&self.name).await
    }

    /// Removes it with its data. On failure, the watchdog does.
    pub(crate) async fn remove(&self) {
        remove(&self.name).await;
    }

    /// The server's URL, with the database `postgres`, which every cluster has.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Image and container name.
    pub(crate) fn origin(&self) -> String {
        format!("{}, {}", self.image, self.name)
    }

    /// The last lines of the container's log.
    async fn log(&self) -> String {
        let Ok(engine) = engine(&engine_host()).await else { return String::new() };
        let output = Command::new(engine)
            .args(["logs", "--tail", "10", &self.name])
            .env("DOCKER_HOST", engine_host())
            .env("CONTAINER_HOST", engine_host())
            .output()
            .await;
        output
            .map(|output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
            .unwrap_or_default()
    }
}

fn request(
    image: &str,
    name: &str,
    password: &str,
    local: bool,
) -> Result<testcontainers::ContainerRequest<GenericImage>, String> {
    // A colon may also separate a registry's port.
    let (repository, tag) = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    };
    let mut command = vec!["postgres".to_owned()];
    for (setting, value) in SETTINGS {
        command.extend(["-c".to_owned(), format!("{setting}={value}")]);
    }
    let port = free_port()?;
    let mut request = GenericImage::new(repository, tag)
        .with_exposed_port(PORT.tcp())
        .with_container_name(name)
        .with_label("prism-testkit", "a Postgres for tests; removed after the run")
        .with_env_var("POSTGRES_USER", SUPERUSER)
        .with_env_var("POSTGRES_PASSWORD", password)
        .with_env_var("POSTGRES_DB", "postgres")
        // As for a cluster: SCRAM would cost each connection milliseconds of hashing in a debug build.
        .with_env_var("POSTGRES_HOST_AUTH_METHOD", "password")
        .with_cmd(command)
        .with_shm_size(SHARED_MEMORY)
        .with_startup_timeout(STATE_TIMEOUT);
    // A fixed port: a restarted container would get another one.
    request = if local {
        request.with_host_config_modifier(move |config| bind_to_loopback(config, port))
    } else {
        request.with_mapped_port(port, PORT.tcp())
    };
    Ok(request)
}

/// Starts a stopped container again.
pub(crate) async fn start(name: &str) -> Result<(), String> {
    client().await?.start_container(name, None::<StartContainerOptions>).await.map_err(text)
}

/// Sends a signal to a container, and waits until it has ended.
pub(crate) async fn kill(name: &str, signal: &str, within: Duration) -> Result<(), String> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    client().await?.kill_container(name, Some(options)).await.map_err(text)?;
    let deadline = Instant::now() + within;
    while running(name).await? {
        if Instant::now() > deadline {
            return Err(format!("the container still runs {} s after {signal}", within.as_secs()));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn running(name: &str) -> Result<bool, String> {
    let found = client().await?.inspect_container(name, None).await.map_err(text)?;
    Ok(found.state.and_then(|state| state.running).unwrap_or(false))
}

/// Removes a container with its data. On failure, the watchdog does.
pub(crate) async fn remove(name: &str) {
    if let Ok(client) = client().await {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = client.remove_container(name, Some(options)).await;
    }
}

fn bind_to_loopback(config: &mut HostConfig, port: u16) {
    bind_port_to_loopback(config, port, PORT);
}

/// Publishes a container's port on loopback.
pub(crate) fn bind_port_to_loopback(config: &mut HostConfig, port: u16, inside: u16) {
    let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{inside}/tcp"), Some(vec![binding]))]));
}

/// Whether ports that the engine publishes on loopback, out of reach of other machines, are reachable from this process. Not
/// so for a remote engine, nor for the host's engine when the tests run in a container: its bridge is no interface here.
/// (/.dockerenv alone does not decide: a container may run its own engine.)
pub(crate) async fn is_local(host: &str) -> bool {
    const NAME: &str = "com.docker.network.bridge.name";
    if !host.starts_with("unix:") {
        return false;
    }
    if !Path::new("/.dockerenv").exists() {
        return true;
    }
    let Ok(client) = client().await else { return false };
    let Ok(network) = client.inspect_network("bridge", None).await else { return false };
    let bridge = network.options.and_then(|mut options| options.remove(NAME)).unwrap_or("docker0".to_owned());
    Path::new("/sys/class/net").join(bridge).exists()
}

/// The engine that testcontainers uses: `DOCKER_HOST`, else the first existing socket in its lookup order.
pub(crate) fn engine_host() -> String {
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        return host;
    }
    let in_folder = |variable: &str, rest: &str| {
        std::env::var_os(variable).map(|folder| PathBuf::from(folder).join(rest))
    };
    [
        Some(PathBuf::from("/var/run/docker.sock")),
        in_folder("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        in_folder("HOME", ".docker/run/docker.sock"),
        in_folder("HOME", ".docker/desktop/docker.sock"),
    ]
    .into_iter()
    .flatten()
    .find(|socket| socket.exists())
    .map_or_else(|| "unix:///var/run/docker.sock".to_owned(), |socket| format!("unix://{}", socket.display()))
}

/// Path of the engine's CLI, after a successful probe. The watchdog needs it to remove the container of a killed run.
pub(crate) async fn engine(host: &str) -> Result<PathBuf, String> {
    let mut problem = "neither docker nor podman is on PATH".to_owned();
    for program in ["docker", "podman"] {
        let Some(path) = watchdog::find_program(program) else { continue };
        let probe = Command::new(&path)
            .args(["container", "ls", "--quiet"])
            .env("DOCKER_HOST", host)
            .env("CONTAINER_HOST", host)
            .kill_on_drop(true)
            .output();
        match timeout(Duration::from_secs(10), probe).await {
            Ok(Ok(output)) if output.status.success() => return Ok(path),
            Ok(Ok(output)) => {
                problem = format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            Ok(Err(error)) => problem = format!("{program}: {error}"),
            Err(_) => problem = format!("{program}: no answer from the engine at {host} within 10 s"),
        }
    }
    Err(problem)
}

async fn client() -> Result<Docker, String> {
    docker_client_instance().await.map_err(|error| with_causes(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn text(error: testcontainers::bollard::errors::Error) -> String {
    with_causes(&error)
}

/// An error with its chain of causes; the outermost message alone is too vague.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        next = cause.source();
    }
    text
}
