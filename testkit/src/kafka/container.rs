//! A Kafka container, started by testcontainers and removed by the engine's CLI.

use std::path::Path;
use std::time::Duration;

use testcontainers::core::IntoContainerPort as _;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt as _};
use tokio::time::timeout;

use super::START;
use crate::binaries::{free_port, random};
use crate::container::{
    PULL_TIMEOUT, bind_port_to_loopback, engine, engine_host, is_local, kill, remove, start, with_causes,
};
use crate::process::Process;
use crate::watchdog::{self, Leftover};

/// The image, with its tag.
const IMAGE: &str = "apache/kafka";
const TAG: &str = "4.1.0";

/// Port for clients inside the container.
const PORT: u16 = 9092;

/// A container by name.
#[derive(Clone, Debug)]
pub(super) struct Container {
    name: String,
    address: String,
}

impl Container {
    /// Starts a container that is removed when `owner` ends, and waits until its broker answers. A restart keeps the port.
    pub(super) async fn launch(owner: &Process, home: &Path) -> Result<Self, String> {
        let host = engine_host();
        let engine = engine(&host).await?;
        let (name, port) = (format!("prism-kafka-{}", random()?), free_port()?);
        // Watchdog first: whatever is created from here on is removed, wherever this process is killed.
        watchdog::watch(owner, home, &Leftover::Container { engine, host: host.clone(), name: name.clone() })
            .map_err(|error| error.to_string())?;
        // The broker tells its clients this address.
        let address = format!("127.0.0.1:{port}");
        let advertised = format!("PLAINTEXT://{address}");
        let settings = [
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("KAFKA_ADVERTISED_LISTENERS", advertised.as_str()),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
            ("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false"),
            ("KAFKA_HEAP_OPTS", "-Xmx512m -Xms512m"),
        ];
        let mut request = GenericImage::new(IMAGE, TAG)
            .with_exposed_port(PORT.tcp())
            .with_container_name(&name)
            .with_label("prism-testkit", "a Kafka for tests; removed after the run")
            .with_startup_timeout(START);
        for (variable, value) in settings {
            request = request.with_env_var(variable, value);
        }
        request = if is_local(&host).await {
            request.with_host_config_modifier(move |config| bind_port_to_loopback(config, port, PORT))
        } else {
            return Err("the engine is not on this machine".to_owned());
        };
        let container = timeout(PULL_TIMEOUT, request.start())
            .await
            .map_err(|_| {
                format!("{IMAGE}:{TAG} was neither pulled nor started within {} s", PULL_TIMEOUT.as_secs())
            })?
            .map_err(|error| with_causes(&error))?;
        super::ready(&address, START).await?;
        // Dropping the handle would remove the container; the watchdog does.
        std::mem::forget(container);
        Ok(Self { name, address })
    }

    pub(super) async fn start(&self) -> Result<(), String> {
        start(&self.name).await
    }

    pub(super) async fn stop(&self) -> Result<(), String> {
        kill(&self.name, "SIGTERM", Duration::from_mins(1)).await
    }

    pub(super) async fn remove(&self) {
        remove(&self.name).await;
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) fn origin(&self) -> String {
        format!("the container {} of {IMAGE}:{TAG}", self.name)
    }
}
