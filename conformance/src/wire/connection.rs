//! A server as the suite asks it: each call once, without a retry, with a bound on how long an answer may take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_wire::channel::{self, ConnectError, Options};
use prism_wire::message::{WireRequest, WireResponse};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::Ledger;
use super::failure::{failure, malformed};
use crate::{Failure, StatusCode, Store};

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

    pub(super) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    pub(super) fn channel(&self) -> Channel {
        self.connection.channel()
    }

    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        self.connection.request(message)
    }

    fn client(&self) -> KeyValueServiceClient<Channel> {
        KeyValueServiceClient::new(self.channel())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }
}

/// Waits for an answer, and no longer than is reasonable.
async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|status| failure(&status)),
        Err(_) => Err(Failure::new(StatusCode::DeadlineExceeded, format!("no answer within {PATIENCE:?}"))),
    }
}

async fn answer<A: WireResponse>(
    answer: impl Future<Output = Result<Response<A::Message>, Status>>,
) -> Result<A, Failure> {
    A::from_message(in_time(answer).await?.into_inner()).map_err(malformed)
}

#[async_trait]
impl Store for Connection {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        let noted = self.ledger().map(|ledger| (ledger, request.namespace.clone(), request.id.clone()));
        if let Some((ledger, namespace, id)) = &noted {
            ledger.sends(namespace, id);
        }
        let answer = answer(self.client().put(self.request(request.into_message()))).await;
        if let Some((ledger, namespace, id)) = &noted {
            ledger.answered(namespace, id, answer.as_ref().err());
        }
        answer
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        answer(self.client().get(self.request(request.into_message()))).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        answer(self.client().delete(self.request(request.into_message()))).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        let mut stream = self.scan_messages(request).await?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = stream.next().await else { break };
            read.push(message?);
        }
        Ok(read)
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        let mut client = self.client();
        let stream = in_time(client.scan(self.request(request.into_message()))).await?.into_inner();
        let messages = futures::stream::try_unfold(stream, |mut stream| async move {
            let Some(message) = in_time(stream.message()).await? else { return Ok(None) };
            let message = ScanResponse::from_message(message).map_err(malformed)?;
            Ok(Some((message, stream)))
        });
        Ok(messages.boxed())
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        answer(self.client().describe(self.request(request.into_message()))).await
    }
}
