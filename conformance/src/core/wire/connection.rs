//! The suite's connection to a server: each call once, without a retry, with a timeout.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prism_wire::channel::{self, ConnectError, Options};
use prism_wire::message::WireResponse;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::Ledger;
use super::failure::{failure_of, malformed, named};
use crate::core::call_log::request_id;
use crate::core::{Failure, StatusCode, span};

/// The header with the id of a call, by which a server's log can be searched.
const REQUEST_ID: &str = "x-request-id";

/// Timeout of a call, or of each message of a Scan: twice the contract's timeout of any method except Scan.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a server.
#[derive(Clone)]
pub struct Connection {
    connection: channel::Connection,
    /// Records the writes, if the server outlives the run.
    ledger: Option<Arc<Ledger>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(options: &Options) -> Result<Self, ConnectError> {
        Ok(Self { connection: channel::Connection::open(options).await?, ledger: None })
    }

    /// Sets the ledger that records the writes of this connection.
    pub(super) fn with_ledger(self, ledger: Option<Arc<Ledger>>) -> Self {
        Self { ledger, ..self }
    }

    pub(crate) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.connection.channel()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = self.connection.request(message);
        if let Some(id) = request_id().and_then(|id| id.parse().ok()) {
            request.metadata_mut().insert(REQUEST_ID, id);
        }
        request
    }
}

/// Awaits a response to a call of the method `path` with the call timeout.
pub(crate) async fn with_timeout<T>(
    path: &str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    let Ok(response) = tokio::time::timeout(CALL_TIMEOUT, call).await else {
        let message = named(path, &format!("no answer within {}", span(CALL_TIMEOUT)));
        return Err(Failure::new(StatusCode::DeadlineExceeded, message));
    };
    response.map_err(|status| failure_of(path, &status))
}

/// Awaits and decodes a response to a call of the method `path`.
pub(crate) async fn answer<A: WireResponse>(
    path: &str,
    call: impl Future<Output = Result<Response<A::Message>, Status>>,
) -> Result<A, Failure> {
    A::from_message(with_timeout(path, call).await?.into_inner()).map_err(malformed)
}
