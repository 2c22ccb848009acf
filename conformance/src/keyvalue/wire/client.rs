//! A server as a KeyValue store: one attempt per call, with a timeout.

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_wire::message::{WireRequest, WireResponse};
use tonic::transport::Channel;

use crate::core::Failure;
use crate::core::wire::{Connection, Record, answer, malformed, with_timeout};
use crate::keyvalue::Store;

const PUT: &str = "/prism.keyvalue.v1.KeyValueService/Put";
const GET: &str = "/prism.keyvalue.v1.KeyValueService/Get";
const DELETE: &str = "/prism.keyvalue.v1.KeyValueService/Delete";
const SCAN: &str = "/prism.keyvalue.v1.KeyValueService/Scan";
const DESCRIBE: &str = "/prism.keyvalue.v1.KeyValueService/Describe";

fn client(connection: &Connection) -> KeyValueServiceClient<Channel> {
    KeyValueServiceClient::new(connection.channel())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}

#[async_trait]
impl Store for Connection {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        let record = Record { namespace: request.namespace.clone(), id: request.id.clone() };
        let tracked = self.track_all(vec![record]);
        let answer = answer(PUT, client(self).put(self.request(request.into_message()))).await;
        if let Some(tracked) = tracked {
            tracked.completed(answer.as_ref().err());
        }
        answer
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        answer(GET, client(self).get(self.request(request.into_message()))).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        answer(DELETE, client(self).delete(self.request(request.into_message()))).await
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
        let mut client = client(self);
        let stream =
            with_timeout(SCAN, client.scan(self.request(request.into_message()))).await?.into_inner();
        let messages = futures::stream::try_unfold(stream, |mut stream| async move {
            let Some(message) = with_timeout(SCAN, stream.message()).await? else { return Ok(None) };
            let message = ScanResponse::from_message(message).map_err(malformed)?;
            Ok(Some((message, stream)))
        });
        Ok(messages.boxed())
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        answer(DESCRIBE, client(self).describe(self.request(request.into_message()))).await
    }
}
