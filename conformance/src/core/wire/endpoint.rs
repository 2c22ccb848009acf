//! A server at an address, which somebody else runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_wire::channel::Options;
use tokio::time::timeout;

use super::gateway::Connected;
use super::{Connection, Gateway, Ledger, Remote, Unreachable, probe};
use crate::core::run::fresh_namespace;
use crate::core::{Abilities, Ability, Failure, Harness, Instance, Mode, OpenError, StatusCode};

/// The span that tests of expiry let pass on a real clock: long enough for a busy machine to tell before from after.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How long the first answer may take: the contract's own bound on a Describe.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server at an address. It was asked what it claims before it became a harness, which has to know.
pub struct Endpoint<A: Remote> {
    name: String,
    options: Options,
    /// More gateways on the same data.
    others: Vec<String>,
    description: A::Description,
    /// What the run writes there.
    ledger: Arc<Ledger>,
}

impl<A: Remote> Endpoint<A> {
    /// Connects, and asks what the server claims.
    pub async fn connect(name: impl Into<String>, options: Options) -> Result<Self, Unreachable> {
        let description = describe::<A>(&options).await?;
        let ledger = Arc::new(Ledger::new::<A>());
        Ok(Self { name: name.into(), options, others: Vec::new(), description, ledger })
    }

    /// The same server, and another gateway on its data, reached with the same credentials. Cases about several gateways
    /// spread their clients over all of them. An address given twice, two that claim different things, and two of which one
    /// does not read what the other has acknowledged (LIN-1) are refused.
    pub async fn and(mut self, endpoint: String) -> Result<Self, Unreachable> {
        if self.addresses().contains(&endpoint) {
            return Err(Unreachable::Usage(format!("the address {endpoint} is given twice")));
        }
        let options = Options { endpoint: endpoint.clone(), ..self.options.clone() };
        let description = describe::<A>(&options).await?;
        if !A::is_alike(&self.description, &description) {
            let first = &self.options.endpoint;
            let why = format!(
                "{first} and {endpoint} claim different things, so they are not gateways of one kind"
            );
            return Err(Unreachable::Usage(why));
        }
        shares::<A>(&self.options, &options, &self.ledger).await?;
        self.others.push(endpoint);
        Ok(self)
    }

    fn addresses(&self) -> Vec<String> {
        std::iter::once(&self.options.endpoint).chain(&self.others).cloned().collect()
    }

    /// What is written there, as it is written.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// What the server said of itself.
    pub fn description(&self) -> &A::Description {
        &self.description
    }
}

/// What the server at an address says of itself.
async fn describe<A: Remote>(options: &Options) -> Result<A::Description, Unreachable> {
    let connection = connected(options).await?;
    let asked = A::describe(&connection, "conformance");
    let answer = timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        Err(Failure::new(StatusCode::DeadlineExceeded, format!("no answer within {PATIENCE:?}")))
    });
    match answer {
        Ok(description) => Ok(description),
        Err(failure) => Err(probe::undescribed::<A>(options, &failure).await),
    }
}

/// Whether what is written at one address is read at the other. The record is of a namespace that nothing else uses, and
/// is deleted again.
async fn shares<A: Remote>(one: &Options, other: &Options, ledger: &Arc<Ledger>) -> Result<(), Unreachable> {
    let (namespace, id) = (fresh_namespace(), "shared".to_owned());
    let (writer, reader) = (connected(one).await?, connected(other).await?);
    let writer = writer.noting(Some(Arc::clone(ledger)));
    let failed = |options: &Options, call: &str, failure: &Failure| {
        let Failure { code, message, .. } = failure;
        let address = &options.endpoint;
        Unreachable::Away(format!(
            "{address} answers {code} ({message}) to the {call} that shows whether {} and {} are gateways on the same data",
            one.endpoint, other.endpoint
        ))
    };
    A::write(&writer, &namespace, &id).await.map_err(|failure| failed(one, "write", &failure))?;
    let read =
        A::is_there(&reader, &namespace, &id).await.map_err(|failure| failed(other, "read", &failure))?;
    A::delete(&writer, &namespace, &id).await.map_err(|failure| failed(one, "delete", &failure))?;
    if read {
        return Ok(());
    }
    Err(Unreachable::Usage(format!(
        "what {} acknowledges is not read at {}, so they are not gateways on the same data",
        one.endpoint, other.endpoint
    )))
}

async fn connected(options: &Options) -> Result<Connection, Unreachable> {
    match Connection::open(options).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(probe::unconnected(options, &error).await),
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

    fn claims(&self) -> A::Capabilities {
        A::claims(&self.description)
    }

    fn abilities(&self) -> Abilities {
        if self.others.is_empty() { Abilities::NONE } else { Abilities::NONE.with(Ability::Gateways) }
    }

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        let gateway = Arc::new(Fixed(self.addresses()));
        Ok(Box::new(Connected::noting(gateway, self.options.clone(), Some(self.ledger())).await?))
    }
}

/// Gateways that can only be asked, by the real clock.
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
        // The server's clock is the real one, so time passes by waiting.
        tokio::time::sleep(by).await;
    }
}
