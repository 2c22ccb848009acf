//! A client's connection to a server: how it is made, kept and explained.

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
use tonic::{Code, Request, Status, TimeoutExpired};

pub use self::connect::{ConnectError, Options};
use self::diagnosis::Diagnosis;
pub use self::fault::Fault;
use crate::message::Unreadable;
use crate::status::Decoded;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The server, or the way to it, answered a status.
    #[error(transparent)]
    Status(Box<Decoded>),
    /// The server's answer breaks the contract.
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

/// A status that no server sent, but that was made here of a broken connection or a passed deadline, by the code that the
/// contract has for it (ERR-1): the framework calls them UNKNOWN and CANCELLED.
fn by_contract(status: Status) -> Status {
    let Some(source) = status.source() else { return status };
    let mut chain = successors(Some(source), |&error| error.source());
    match status.code() {
        Code::Cancelled if chain.any(<dyn Error>::is::<TimeoutExpired>) => {
            Status::deadline_exceeded("the deadline passed before the server answered")
        }
        // A call that was handed to a connection just as it broke is CANCELLED to the framework.
        Code::Unknown | Code::Cancelled | Code::Unavailable => match Fault::read(&fault::reasons(source)) {
            Some(fault) => Status::unavailable(fault.to_string()),
            None if status.code() == Code::Unavailable => status,
            None => Status::unavailable(LOST),
        },
        _ => status,
    }
}

impl CallError {
    /// The status, where there is one.
    pub fn status(&self) -> Option<&Decoded> {
        match self {
            Self::Status(status) => Some(status),
            Self::Unreadable(_) => None,
        }
    }
}

/// A connection to one server, and how calls are made on it. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Connection {
    channel: Channel,
    bearer: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
    diagnosis: Diagnosis,
}

impl Connection {
    /// Connects as `options` say.
    pub async fn open(options: &Options) -> Result<Self, ConnectError> {
        let bearer = options.bearer()?;
        let (channel, diagnosis) = options.channel().await?;
        Ok(Self { channel, bearer, timeout: options.timeout, diagnosis })
    }

    /// A connection on a channel that was set up elsewhere; calls on it carry no credentials and no deadline.
    pub fn from_channel(channel: Channel) -> Self {
        Self { channel, bearer: None, timeout: None, diagnosis: Diagnosis::default() }
    }

    /// The same connection with another deadline for each call; `None`: the server's own.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self }
    }

    /// The answer to a call that was made on the channel; where its connection broke, with the reason if it is known.
    pub fn observe<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        self.diagnosis.observe(answer)
    }

    /// The channel, for a generated client.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request that carries the credentials and the deadline.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }
}
