//! Kafka brokers for tests.

mod container;
mod metadata;
mod noida;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use crate::process::Process;
use crate::runtime::{block_on_testkit_runtime, on_testkit_runtime};
use crate::{Backend, Error, binaries, run, watchdog};

use container::Container;
use noida::Noida;

/// The variable with the address of a broker.
const ADDRESS: &str = "PRISM_TEST_KAFKA";

/// The variable that selects a way of starting one.
const WAY: &str = "PRISM_TEST_KAFKA_WAY";

/// Time for a broker to be ready.
const START: Duration = Duration::from_mins(1);

/// Time between two questions whether it is.
const PAUSE: Duration = Duration::from_millis(20);

/// Time for an answer of a broker that accepts connections.
const ANSWER: Duration = Duration::from_secs(5);

/// A Kafka broker for tests, or another one of its protocol. Each test has a separate prefix of topics on it.
///
/// Lookup order: the broker at `PRISM_TEST_KAFKA`; a container with `apache/kafka`; `noida-db`, a small broker from a package
/// registry, pinned by version and hash. `PRISM_TEST_KAFKA_WAY=container` or `download` forces one of the last two.
///
/// noida-db acknowledges a record before it has saved it, so no test of the durability of brokers can run on it.
#[derive(Debug)]
pub struct Kafka {
    broker: Broker,
    address: String,
    description: String,
    home: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Broker {
    /// One that the tests did not start.
    External,
    Container(Container),
    Noida(Noida),
}

static SHARED: OnceCell<Result<Kafka, Error>> = OnceCell::const_new();

impl Kafka {
    /// The broker of this process, which is removed when the process ends.
    ///
    /// # Errors
    /// There is none by any way, or `PRISM_TEST_BACKENDS` excludes Kafka. Every test of the process gets the same error.
    pub async fn shared() -> Result<&'static Self, Error> {
        let start = async {
            let external = std::env::var(ADDRESS).ok().filter(|address| !address.trim().is_empty());
            match external {
                Some(address) => Self::external(address).await,
                None => Self::launch().await,
            }
        };
        let shared = SHARED.get_or_init(|| async {
            let shared = start.await;
            if let Ok(kafka) = &shared {
                crate::report(&kafka.description);
            }
            shared
        });
        shared.await.as_ref().map_err(Clone::clone)
    }

    async fn external(address: String) -> Result<Self, Error> {
        check_selected()?;
        let server = format!("{ADDRESS}={address}");
        match ready(&address, Duration::from_secs(10)).await {
            Ok(()) => {
                let description = format!("Kafka: the broker of {server}");
                Ok(Self { broker: Broker::External, address, description, home: None })
            }
            Err(problem) => Err(Error::Server { server, problem }),
        }
    }

    /// Starts a broker for one test, which may stop it.
    ///
    /// # Errors
    /// There is none by any way but `PRISM_TEST_KAFKA`, whose broker tests must not stop.
    pub async fn launch() -> Result<Self, Error> {
        check_selected()?;
        on_testkit_runtime(async {
            let mut tried = Vec::new();
            for way in ways()? {
                // A folder per attempt: a watchdog ends when its folder disappears.
                let owner = Process::own();
                let name = binaries::random().map_err(Error::Machine)?;
                let home = watchdog::home(&owner, &format!("kafka-{name}"))?;
                let launched = match way {
                    "container" => Container::launch(&owner, &home).await.map(Broker::Container),
                    _ => Noida::launch(&owner, &home).await.map(Broker::Noida),
                };
                match launched {
                    Ok(broker) => {
                        let (address, origin) = match &broker {
                            Broker::Container(container) => (container.address(), container.origin()),
                            Broker::Noida(noida) => (noida.address(), Noida::origin()),
                            Broker::External => continue,
                        };
                        let notes = [vec![format!("Kafka: {origin} at {address}")], tried].concat();
                        let description = notes.join("; ");
                        return Ok(Self { broker, address, description, home: Some(home) });
                    }
                    Err(problem) => tried.push(format!("no {way}: {problem}")),
                }
            }
            Err(Error::NoKafka { tried: run::lines(&tried) })
        })
        .await
    }

    /// `host:port`. A restart keeps it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How it was found, in a line.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Which of these texts, in records without compression, the broker has saved: all that it has acknowledged, unless it
    /// acknowledges before it saves.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn saved(&self, texts: &[String]) -> Result<Vec<bool>, Error> {
        match &self.broker {
            Broker::External | Broker::Container(_) => Ok(vec![true; texts.len()]),
            Broker::Noida(noida) => noida.saved(texts).map_err(|problem| self.problem(problem)),
        }
    }

    /// A start of topics' names that no other test has.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn prefix(&self) -> Result<String, Error> {
        Ok(format!("t{}-", binaries::random().map_err(Error::Machine)?))
    }

    /// Stops it as an operator does: it saves its data.
    ///
    /// # Errors
    /// It is not one that tests may stop, or does not stop.
    pub async fn stop(&self) -> Result<(), Error> {
        self.outcome(match self.broker.clone() {
            Broker::External => Err("tests must not stop it".to_owned()),
            Broker::Container(container) => on_testkit_runtime(async move { container.stop().await }).await,
            Broker::Noida(noida) => blocking(move || noida.stop()).await,
        })
    }

    /// Starts it again, with the same data and address; returns when it answers.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(&self) -> Result<(), Error> {
        let started = match self.broker.clone() {
            Broker::External => Err("tests must not start it".to_owned()),
            Broker::Container(container) => on_testkit_runtime(async move { container.start().await }).await,
            Broker::Noida(noida) => return self.outcome(noida.restart().await),
        };
        self.outcome(started)?;
        self.outcome(ready(&self.address, START).await)
    }

    fn outcome(&self, result: Result<(), String>) -> Result<(), Error> {
        result.map_err(|problem| self.problem(problem))
    }

    fn problem(&self, problem: String) -> Error {
        Error::Server { server: self.description.clone(), problem }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let broker = self.broker.clone();
        block_on_testkit_runtime(async move {
            match broker {
                Broker::External => {}
                Broker::Container(container) => container.remove().await,
                Broker::Noida(noida) => drop(blocking(move || noida.remove()).await),
            }
        });
        // Without its folder, the watchdog checks once more for leftovers and ends.
        if let Some(home) = &self.home {
            let _ = std::fs::remove_dir_all(home);
        }
    }
}

impl fmt::Display for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

fn check_selected() -> Result<(), Error> {
    if crate::left_out(Backend::Kafka).is_some() {
        return Err(Error::left_out(Backend::Kafka));
    }
    Ok(())
}

fn ways() -> Result<Vec<&'static str>, Error> {
    const WAYS: [&str; 2] = ["container", "download"];
    let Ok(value) = std::env::var(WAY) else { return Ok(WAYS.to_vec()) };
    let way = WAYS.into_iter().find(|way| *way == value);
    way.map(|way| vec![way]).ok_or_else(|| {
        let allowed =
            "not a way; container and download are allowed, unset means both in this order".to_owned();
        Error::Variable { variable: WAY, value, allowed }
    })
}

async fn blocking(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    spawn_blocking(work).await.map_err(|failure| failure.to_string())?
}

/// Waits until a broker answers.
async fn ready(address: &str, within: Duration) -> Result<(), String> {
    let deadline = Instant::now() + within;
    // One of several.
    let first = address.split(',').next().unwrap_or_default().trim();
    loop {
        let Err(error) = answer(first).await else { return Ok(()) };
        if Instant::now() > deadline {
            return Err(format!("{first} is not ready within {} s: {error}", within.as_secs()));
        }
        sleep(PAUSE).await;
    }
}

/// Asks a broker once.
async fn answer(address: &str) -> Result<(), String> {
    match timeout(ANSWER, metadata::ask(address)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}
