//! A client's connection to a server: connecting, probing and diagnosis of failures.

mod connect;
mod diagnosis;
mod fault;
mod probe;
mod socket;

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, TimeoutExpired};

pub use self::connect::{ConnectError, Options};
use self::diagnosis::Diagnosis;
pub use self::fault::Fault;
use crate::message::{Unreadable, WireResponse};
use crate::status::Decoded;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// A status, from the server or from the connection to it.
    #[error(transparent)]
    Status(Box<Decoded>),
    /// The server's response violates the contract.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(Decoded::from_status(&by_contract(status))))
    }
}

/// The message for a connection that broke for an unknown reason.
const LOST: &str = "the connection to the server was lost";

/// Maps a status made by the client itself for a broken connection or a passed deadline to the contract's code (ERR-1): the
/// framework reports them as UNKNOWN and CANCELLED.
fn by_contract(status: Status) -> Status {
    let Some(source) = status.source() else { return status };
    let mut chain = successors(Some(source), |&error| error.source());
    match status.code() {
        Code::Cancelled if chain.any(<dyn Error>::is::<TimeoutExpired>) => {
            Status::deadline_exceeded("the deadline passed before the server answered")
        }
        // The framework reports a call that was dispatched to a connection just as it broke as CANCELLED.
        Code::Unknown | Code::Cancelled | Code::Unavailable => match Fault::read(&fault::reasons(source)) {
            Some(fault) => Status::unavailable(fault.to_string()),
            None if status.code() == Code::Unavailable => status,
            None => Status::unavailable(LOST),
        },
        _ => status,
    }
}

impl CallError {
    /// The status, if there is one.
    pub fn status(&self) -> Option<&Decoded> {
        match self {
            Self::Status(status) => Some(status),
            Self::Unreadable(_) => None,
        }
    }
}

/// The response to a call, with the contract's types.
pub(crate) fn read<A: WireResponse>(answer: Result<Response<A::Message>, Status>) -> Result<A, CallError> {
    Ok(A::from_message(answer?.into_inner())?)
}

/// A connection to one server, with credentials and timeout for calls. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Connection {
    channel: Channel,
    bearer: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
    /// The headers of W3C Trace Context.
    trace: Vec<(&'static str, MetadataValue<Ascii>)>,
    diagnosis: Diagnosis,
}

impl Connection {
    /// Connects according to `options`.
    pub async fn open(options: &Options) -> Result<Self, ConnectError> {
        let bearer = options.bearer()?;
        let (channel, diagnosis) = options.channel().await?;
        Ok(Self { channel, bearer, timeout: options.timeout, trace: Vec::new(), diagnosis })
    }

    /// A connection on an existing channel; its calls carry no credentials and no deadline.
    pub fn from_channel(channel: Channel) -> Self {
        Self { channel, bearer: None, timeout: None, trace: Vec::new(), diagnosis: Diagnosis::default() }
    }

    /// The same connection with another deadline for each call; `None`: the server's.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self }
    }

    /// The same connection, whose calls are part of a trace: the values of the headers `traceparent` and `tracestate` of W3C
    /// Trace Context, the latter empty if there is none. What cannot be a header is left out.
    #[must_use]
    pub fn with_trace(self, traceparent: &str, tracestate: &str) -> Self {
        let headers = [("traceparent", traceparent), ("tracestate", tracestate)];
        let trace = headers
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        Self { trace, ..self }
    }

    /// The result of a call made on the channel; if its connection broke, with the reason if known.
    pub fn observe<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        self.diagnosis.observe(answer)
    }

    /// The channel, for a generated client.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request that carries the credentials, the trace and no deadline, for a stream without end.
    pub(crate) fn endless_request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        for (name, value) in &self.trace {
            request.metadata_mut().insert(*name, value.clone());
        }
        request
    }

    /// A request that carries the credentials, the trace and the deadline.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = self.endless_request(message);
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use tonic::transport::Endpoint;

    use super::*;

    #[tokio::test]
    async fn a_request_without_end_carries_the_credentials_and_no_deadline() {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let bearer = Some(MetadataValue::from_static("Bearer t"));
        let connection = Connection { bearer, ..Connection::from_channel(channel) };
        let connection = connection.with_timeout(Some(Duration::from_secs(1)));
        for (request, has_deadline) in
            [(connection.request(()), true), (connection.endless_request(()), false)]
        {
            assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer t");
            assert_eq!(request.metadata().contains_key("grpc-timeout"), has_deadline);
        }
    }
}
