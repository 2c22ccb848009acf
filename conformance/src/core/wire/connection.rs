//! The suite's connection to a server: each call once, without a retry, with a timeout.

use std::fmt;
use std::sync::{Arc, OnceLock};
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

/// Timeout of a call, or of each message of a stream: twice the contracts' timeout of a call with one answer.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a server.
#[derive(Clone)]
pub struct Connection {
    inner: channel::Connection,
    /// Records the writes, if the server outlives the run.
    ledger: Option<Arc<Ledger>>,
    caught_up: CaughtUp,
    /// The longest silence of an endless stream of this server, once it is known.
    silence: Arc<OnceLock<Duration>>,
}

/// How an endless stream shows that everything that is there has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaughtUp {
    /// By a second without a message that brings something, which is the longest that it may take, and a margin for a busy
    /// machine. This is all that contracts promise.
    #[default]
    Quiet,
    /// By a message that brings nothing: this server makes one only after it has looked.
    EmptyMessage,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("connection", &self.inner).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(options: &Options) -> Result<Self, ConnectError> {
        let connection = channel::Connection::open(options).await?;
        Ok(Self { inner: connection, ledger: None, caught_up: CaughtUp::default(), silence: Arc::default() })
    }

    /// Sets the ledger that records the writes of this connection.
    pub(super) fn with_ledger(self, ledger: Option<Arc<Ledger>>) -> Self {
        Self { ledger, ..self }
    }

    /// Sets how an endless stream shows that everything has been sent.
    pub(super) fn with_caught_up(self, caught_up: CaughtUp) -> Self {
        Self { caught_up, ..self }
    }

    /// How an endless stream shows that everything has been sent.
    pub(crate) fn caught_up(&self) -> CaughtUp {
        self.caught_up
    }

    /// The longest silence of an endless stream of this server, once it is known.
    pub(crate) fn silence(&self) -> &OnceLock<Duration> {
        &self.silence
    }

    pub(crate) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.inner.channel()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = self.inner.request(message);
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
    within(CALL_TIMEOUT, path, call).await
}

/// The same with another timeout.
pub(crate) async fn within<T>(
    limit: Duration,
    path: &str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    let Ok(response) = tokio::time::timeout(limit, call).await else {
        let message = named(path, &format!("no answer within {}", span(limit)));
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
