//! A server as the suite asks it: each call once, without a retry, with a bound on how long an answer may take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prism_wire::channel::{self, ConnectError, Options};
use prism_wire::message::WireResponse;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::Ledger;
use super::failure::{failure, malformed};
use crate::core::{Failure, StatusCode};

/// Twice the timeout of any method but Scan, whose messages it bounds one by one: a server that has not answered by then
/// never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a server.
#[derive(Clone)]
pub struct Connection {
    connection: channel::Connection,
    /// Where to note what is written, if the server outlives the run.
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

    /// The same connection, which notes in `ledger` what it writes.
    pub(super) fn noting(self, ledger: Option<Arc<Ledger>>) -> Self {
        Self { ledger, ..self }
    }

    pub(crate) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.connection.channel()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.connection.request(message)
    }
}

/// Waits for an answer, and no longer than is reasonable.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|status| failure(&status)),
        Err(_) => Err(Failure::new(StatusCode::DeadlineExceeded, format!("no answer within {PATIENCE:?}"))),
    }
}

/// A response as it was sent, read in full.
pub(crate) async fn answer<A: WireResponse>(
    answer: impl Future<Output = Result<Response<A::Message>, Status>>,
) -> Result<A, Failure> {
    A::from_message(in_time(answer).await?.into_inner()).map_err(malformed)
}
