//! A client that speaks the contract's types.

mod connect;
mod diagnosis;
mod fault;
mod probe;
mod scan;
mod socket;

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest,
};
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, TimeoutExpired};

pub use self::connect::{ConnectError, Options};
pub use self::diagnosis::Diagnosis;
pub use self::fault::Fault;
pub use self::scan::{Messages, Resume};
use crate::convert::{Unreadable, WireRequest, WireResponse};
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

/// What is said of a connection that broke for a reason that is not known.
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

/// A connection to one server. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: KeyValueServiceClient<Channel>,
    channel: Channel,
    bearer: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
    diagnosis: Diagnosis,
}

impl Client {
    /// Connects as `options` say.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let bearer = options.bearer()?;
        let (channel, diagnosis) = options.channel().await?;
        Ok(Self { bearer, timeout: options.timeout, diagnosis, ..Self::from_channel(channel) })
    }

    /// A client on a channel that somebody else set up; it sends no credentials and no deadline. Answers of any size
    /// are read: what bounds a page is the server.
    pub fn from_channel(channel: Channel) -> Self {
        let inner = KeyValueServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
        Self { inner, channel, bearer: None, timeout: None, diagnosis: Diagnosis::default() }
    }

    /// The same connection with another deadline for each call; `None`: the server's own.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self }
    }

    /// Writes items.
    pub async fn put(&self, request: PutRequest) -> Result<PutResponse, CallError> {
        let request = self.request(request);
        let mut client = self.inner.clone();
        read(self.probed(client.put(request)).await)
    }

    /// Reads a page of a record.
    pub async fn get(&self, request: GetRequest) -> Result<GetResponse, CallError> {
        let request = self.request(request);
        let mut client = self.inner.clone();
        read(self.probed(client.get(request)).await)
    }

    /// Removes items.
    pub async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, CallError> {
        let request = self.request(request);
        let mut client = self.inner.clone();
        read(self.probed(client.delete(request)).await)
    }

    /// Reads a namespace or a record as a stream of messages. Nothing is sent before the stream is polled.
    pub fn scan(&self, request: ScanRequest, resume: Resume) -> Messages {
        Messages::new(self.clone(), request, resume)
    }

    /// Asks what the server offers.
    pub async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, CallError> {
        let request = self.request(request);
        let mut client = self.inner.clone();
        read(self.probed(client.describe(request)).await)
    }

    fn request<R: WireRequest>(&self, request: R) -> Request<R::Message> {
        let mut request = Request::new(request.into_message());
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }
}

fn read<A: WireResponse>(answer: Result<Response<A::Message>, Status>) -> Result<A, CallError> {
    Ok(A::from_message(answer?.into_inner())?)
}
