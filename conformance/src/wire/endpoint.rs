//! A server at an address, which somebody else runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::keyvalue::Capabilities;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, DescribeResponse, GetRequest, ItemInput, KeyPredicate, PutRequest,
};
use prism_wire::channel::Options;
use tokio::time::timeout;

use super::gateway::Connected;
use super::{Connection, Gateway, Ledger, Unreachable, probe};
use crate::run::fresh_namespace;
use crate::{Abilities, Ability, Failure, Harness, Instance, Mode, OpenError, StatusCode, Store};

/// The span that tests of expiry let pass on a real clock: long enough for a busy machine to tell before from after.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How long the first answer may take: the contract's own bound on a Describe.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server at an address. It was asked what it claims before it became a harness, which has to know.
pub struct Endpoint {
    name: String,
    options: Options,
    /// More gateways on the same data.
    others: Vec<String>,
    description: DescribeResponse,
    /// What the run writes there.
    ledger: Arc<Ledger>,
}

impl Endpoint {
    /// Connects, and asks what the server claims.
    pub async fn connect(name: impl Into<String>, options: Options) -> Result<Self, Unreachable> {
        let description = describe(&options).await?;
        Ok(Self { name: name.into(), options, others: Vec::new(), description, ledger: Arc::default() })
    }

    /// The same server, and another gateway on its data, reached with the same credentials. Cases about several gateways
    /// spread their clients over all of them. An address given twice, two that claim different things, and two of which one
    /// does not read what the other has acknowledged (LIN-1) are refused.
    pub async fn and(mut self, endpoint: String) -> Result<Self, Unreachable> {
        if self.addresses().contains(&endpoint) {
            return Err(Unreachable::Usage(format!("the address {endpoint} is given twice")));
        }
        let options = Options { endpoint: endpoint.clone(), ..self.options.clone() };
        let description = describe(&options).await?;
        let (ours, theirs) = (&self.description, &description);
        if (ours.capabilities, ours.limits) != (theirs.capabilities, theirs.limits) {
            let first = &self.options.endpoint;
            let why = format!(
                "{first} and {endpoint} claim different things, so they are not gateways of one kind"
            );
            return Err(Unreachable::Usage(why));
        }
        shares(&self.options, &options, &self.ledger).await?;
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
    pub fn description(&self) -> &DescribeResponse {
        &self.description
    }
}

/// What the server at an address says of itself.
async fn describe(options: &Options) -> Result<DescribeResponse, Unreachable> {
    let connection = connected(options).await?;
    let asked = connection.describe(DescribeRequest { namespace: "conformance".to_owned() });
    let answer = timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        Err(Failure::new(StatusCode::DeadlineExceeded, format!("no answer within {PATIENCE:?}")))
    });
    match answer {
        Ok(description) => Ok(description),
        Err(failure) => Err(probe::undescribed(options, &failure).await),
    }
}

/// Whether what is written at one address is read at the other. The record is of a namespace that nothing else uses, and
/// is deleted again.
async fn shares(one: &Options, other: &Options, ledger: &Arc<Ledger>) -> Result<(), Unreachable> {
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
    let item = ItemInput { key: "k".into(), value: "v".into(), ..ItemInput::default() };
    let put = PutRequest {
        namespace: namespace.clone(),
        id: id.clone(),
        items: vec![item],
        ..PutRequest::default()
    };
    writer.put(put).await.map_err(|failure| failed(one, "Put", &failure))?;
    let get = GetRequest { namespace: namespace.clone(), id: id.clone(), ..GetRequest::default() };
    let read = reader.get(get).await.map_err(|failure| failed(other, "Get", &failure))?;
    let predicate = Some(KeyPredicate::MatchKeys(vec!["k".into()]));
    let delete = DeleteRequest { namespace, id, predicate, ..DeleteRequest::default() };
    writer.delete(delete).await.map_err(|failure| failed(one, "Delete", &failure))?;
    if read.items.iter().any(|item| item.value == "v") {
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
impl Harness for Endpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn mode(&self) -> Mode {
        Mode::Wire
    }

    fn claims(&self) -> Capabilities {
        self.description.capabilities
    }

    fn abilities(&self) -> Abilities {
        if self.others.is_empty() { Abilities::NONE } else { Abilities::NONE.with(Ability::Gateways) }
    }

    async fn open(&self) -> Result<Box<dyn Instance>, OpenError> {
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
