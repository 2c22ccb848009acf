//! A server at an address, which somebody else runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::keyvalue::Capabilities;
use prism_contract::keyvalue::request::{DescribeRequest, DescribeResponse};
use prism_wire::client::Options;
use tokio::time::timeout;

use super::gateway::Connected;
use super::{Connection, Gateway, Unreachable, probe};
use crate::{Abilities, Failure, Harness, Instance, Mode, OpenError, StatusCode, Store};

/// The span that tests of expiry let pass on a real clock: long enough for a busy machine to tell before from after.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How long the first answer may take: the contract's own bound on a Describe.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server at an address. It was asked what it claims before it became a harness, which has to know.
pub struct Endpoint {
    name: String,
    options: Options,
    description: DescribeResponse,
}

impl Endpoint {
    /// Connects, and asks what the server claims.
    pub async fn connect(name: impl Into<String>, options: Options) -> Result<Self, Unreachable> {
        let connection = match Connection::open(&options).await {
            Ok(connection) => connection,
            Err(error) => return Err(probe::unconnected(&options, &error).await),
        };
        let asked = connection.describe(DescribeRequest { namespace: "conformance".to_owned() });
        let answer = timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            Err(Failure::new(StatusCode::DeadlineExceeded, format!("no answer within {PATIENCE:?}")))
        });
        match answer {
            Ok(description) => Ok(Self { name: name.into(), options, description }),
            Err(failure) => Err(probe::undescribed(&options, &failure).await),
        }
    }

    /// What the server said of itself.
    pub fn description(&self) -> &DescribeResponse {
        &self.description
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
        Abilities::NONE
    }

    async fn open(&self) -> Result<Box<dyn Instance>, OpenError> {
        let gateway = Arc::new(Fixed(self.options.endpoint.clone()));
        Ok(Box::new(Connected::to(gateway, self.options.clone()).await?))
    }
}

/// A server that can only be asked, by the real clock.
struct Fixed(String);

#[async_trait]
impl Gateway for Fixed {
    fn addresses(&self) -> Vec<String> {
        vec![self.0.clone()]
    }

    fn tick(&self) -> Duration {
        TICK
    }

    async fn advance(&self, by: Duration) {
        // The server's clock is the real one, so time passes by waiting.
        tokio::time::sleep(by).await;
    }
}
