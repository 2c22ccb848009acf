//! An etcd client: Put and Range, with the required message fields only.

use bytes::Bytes;
use tonic::client;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{CallFailure, Found, path_of};
use crate::failure::Failure;

const PUT: PathAndQuery = PathAndQuery::from_static("/etcdserverpb.KV/Put");
const RANGE: PathAndQuery = PathAndQuery::from_static("/etcdserverpb.KV/Range");

/// An etcd client. Revisions serve as versions.
#[derive(Debug, Clone)]
pub struct Etcd(client::Grpc<Channel>);

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(int64, tag = "3")]
    revision: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(string, tag = "1")]
    key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(int64, tag = "3")]
    mod_revision: i64,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

impl Etcd {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// The server is unreachable.
    pub async fn connect(endpoint: &str) -> Result<Self, Failure> {
        let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(|why| Failure::of("etcd", &why))?;
        let channel = channel.connect().await.map_err(|why| Failure::of("etcd", &why))?;
        Ok(Self(client::Grpc::new(channel)))
    }

    pub(super) async fn put(&mut self, record: u64, value: Bytes) -> Result<i64, CallFailure> {
        self.ready().await?;
        let request = Request::new(PutRequest { key: path_of(record), value });
        let codec = ProstCodec::<PutRequest, PutResponse>::default();
        let response = self.0.unary(request, PUT, codec).await.map_err(|status| failed(&status))?;
        Ok(response.into_inner().header.map_or(0, |header| header.revision))
    }

    /// Reads a record's value; linearizable, which is etcd's default.
    pub(crate) async fn get(&mut self, record: u64) -> Result<Option<Found>, CallFailure> {
        self.ready().await?;
        let request = Request::new(RangeRequest { key: path_of(record) });
        let codec = ProstCodec::<RangeRequest, RangeResponse>::default();
        let response = self.0.unary(request, RANGE, codec).await.map_err(|status| failed(&status))?;
        let pair = response.into_inner().kvs.pop();
        Ok(pair.map(|pair| Found { value: pair.value, version: Some(pair.mod_revision) }))
    }

    async fn ready(&mut self) -> Result<(), CallFailure> {
        self.0.ready().await.map_err(|why| CallFailure::Error(why.to_string()))
    }
}

fn failed(status: &Status) -> CallFailure {
    match status.code() {
        Code::ResourceExhausted => CallFailure::Shed,
        code => CallFailure::Error(format!("{code:?}: {}", status.message())),
    }
}
