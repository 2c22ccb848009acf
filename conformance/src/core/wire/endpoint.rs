//! An external server at an address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_wire::channel::Options;
use tokio::time::timeout;

use super::gateway::Connected;
use super::{Configuration, Connection, Gateway, Ledger, Remote, Unreachable, probe};
use crate::core::run::fresh_namespace;
use crate::core::{Abilities, Ability, Failure, Harness, Instance, Mode, OpenError, StatusCode, span};

/// The clock tick of tests of expiry on a real clock: long enough for a busy machine to distinguish before from after.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Timeout of the first call: the contract's timeout of Describe.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server at an address. Its capabilities are read when connecting, since a harness must know them.
pub struct Endpoint<A: Remote> {
    name: String,
    options: Options,
    /// The addresses of further gateways on the same data.
    others: Vec<String>,
    description: A::Description,
    configuration: Configuration,
    /// The writes of the run.
    ledger: Arc<Ledger>,
}

impl<A: Remote> Endpoint<A> {
    /// Connects, and reads the server's description.
    pub async fn connect(name: impl Into<String>, options: Options) -> Result<Self, Unreachable> {
        let description = describe::<A>(&options).await?;
        let configuration = configuration::<A>(&options).await?;
        let (ledger, others) = (Arc::new(Ledger::new::<A>()), Vec::new());
        Ok(Self { name: name.into(), options, others, description, configuration, ledger })
    }

    /// Adds another gateway on the same data, with the same credentials. Cases about several gateways spread their clients
    /// over all of them. Rejects an address given twice, gateways with different capabilities, and a gateway that does not
    /// read what the first has acknowledged.
    pub async fn and(mut self, endpoint: String) -> Result<Self, Unreachable> {
        if self.addresses().contains(&endpoint) {
            return Err(Unreachable::Usage(format!("the address {endpoint} is given twice")));
        }
        let options = Options { endpoint: endpoint.clone(), ..self.options.clone() };
        let description = describe::<A>(&options).await?;
        if !A::is_alike(&self.description, &description) {
            let first = &self.options.endpoint;
            let why = format!(
                "{first} and {endpoint} declare different capabilities or limits, so they are not gateways of one kind"
            );
            return Err(Unreachable::Usage(why));
        }
        let can_delete = A::cannot_delete(&description).is_none();
        check_shared_data::<A>(&self.options, &options, &self.ledger, can_delete).await?;
        self.others.push(endpoint);
        Ok(self)
    }

    fn addresses(&self) -> Vec<String> {
        std::iter::once(&self.options.endpoint).chain(&self.others).cloned().collect()
    }

    /// The ledger of the run's writes.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// The server's description.
    pub fn description(&self) -> &A::Description {
        &self.description
    }
}

/// The configuration of the server at an address.
async fn configuration<A: Remote>(options: &Options) -> Result<Configuration, Unreachable> {
    let connection = connect(options).await?;
    match A::configuration(&connection).await {
        Ok(configuration) => Ok(configuration),
        Err(failure) => Err(probe::describe_error::<A>(options, &failure).await),
    }
}

/// The description of the server at an address.
async fn describe<A: Remote>(options: &Options) -> Result<A::Description, Unreachable> {
    let connection = connect(options).await?;
    let namespace = format!("{}conformance", A::NAMESPACES[0]);
    let call = A::describe(&connection, &namespace);
    let result = timeout(DESCRIBE_TIMEOUT, call).await.unwrap_or_else(|_| {
        let (path, span) = (probe::describe_path::<A>(), span(DESCRIBE_TIMEOUT));
        Err(Failure::new(StatusCode::DeadlineExceeded, format!("{path}: no answer within {span}")))
    });
    match result {
        Ok(description) => Ok(description),
        Err(failure) => Err(probe::describe_error::<A>(options, &failure).await),
    }
}

/// Checks that a write at one address is read at the other. The record is in a separate namespace, and deleted afterwards if
/// the server can.
async fn check_shared_data<A: Remote>(
    one: &Options,
    other: &Options,
    ledger: &Arc<Ledger>,
    can_delete: bool,
) -> Result<(), Unreachable> {
    let namespace = format!("{}{}", A::NAMESPACES[0], fresh_namespace());
    let id = "shared".to_owned();
    let (writer, reader) = (connect(one).await?, connect(other).await?);
    let writer = writer.with_ledger(Some(Arc::clone(ledger)));
    let failed = |options: &Options, call: &str, failure: &Failure| {
        let Failure { code, message, .. } = failure;
        let address = &options.endpoint;
        Unreachable::Unavailable(format!(
            "{address}: {call} failed with {code} ({message}); it checks whether {} and {} are gateways on the same data",
            one.endpoint, other.endpoint
        ))
    };
    A::write(&writer, &namespace, &id).await.map_err(|failure| failed(one, "write", &failure))?;
    let read =
        A::is_there(&reader, &namespace, &id).await.map_err(|failure| failed(other, "read", &failure))?;
    // Where records cannot be deleted, the ledger reports this one with the others of the run.
    if can_delete {
        A::delete(&writer, &namespace, &id).await.map_err(|failure| failed(one, "delete", &failure))?;
    }
    if read {
        return Ok(());
    }
    Err(Unreachable::Usage(format!(
        "{} does not read what {} has acknowledged, so they are not gateways on the same data",
        other.endpoint, one.endpoint
    )))
}

async fn connect(options: &Options) -> Result<Connection, Unreachable> {
    match Connection::open(options).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(probe::connect_error(options, &error).await),
    }
}

#[async_trait]
impl<A: Remote> Harness<A> for Endpoint<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn mode(&self) -> Mode {
        Mode::Wire
    }

    fn capabilities(&self) -> A::Capabilities {
        A::described_capabilities(&self.description)
    }

    fn abilities(&self) -> Abilities {
        let abilities = self.configuration.abilities;
        if self.others.is_empty() { abilities } else { abilities.with(Ability::Gateways) }
    }

    fn why_missing(&self, ability: Ability) -> String {
        self.configuration.why_missing(ability)
    }

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        let gateway = Arc::new(Fixed(self.addresses()));
        Ok(Box::new(Connected::with_ledger(gateway, self.options.clone(), Some(self.ledger())).await?))
    }
}

/// Gateways without control over them, on the real clock.
struct Fixed(Vec<String>);

#[async_trait]
impl Gateway for Fixed {
    fn addresses(&self) -> Vec<String> {
        self.0.clone()
    }

    fn tick(&self) -> Duration {
        TICK
    }

    async fn advance(&self, by: Duration) {
        // The server uses the real clock.
        tokio::time::sleep(by).await;
    }
}
