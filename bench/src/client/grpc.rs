//! A client of Prism and of the echo: the generated one, on plain channels, as anybody would write it.

use std::net::SocketAddr;

use bytes::Bytes;
use prism_proto::keyvalue::v1::key_predicate::Predicate;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_proto::keyvalue::v1::{GetRequest, Item, KeyPredicate, MatchKeys, PutRequest};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{CallFailure, Found, KEY, NAMESPACE, id_of};
use crate::failure::Failure;

/// A client of Prism or of the echo.
#[derive(Debug, Clone)]
pub struct Grpc {
    inner: KeyValueServiceClient<Channel>,
    /// Whether its versions mean anything.
    versions: bool,
}

impl Grpc {
    /// Connects to `http://host:port`. The echo's `versions` are those of nothing.
    ///
    /// # Errors
    /// The address is none, or nobody answers there.
    pub async fn connect(endpoint: &str, versions: bool) -> Result<Self, Failure> {
        let endpoint =
            Endpoint::from_shared(endpoint.to_owned()).map_err(|why| Failure::of(endpoint, &why))?;
        let uri = endpoint.uri().clone();
        let channel = endpoint.connect().await.map_err(|why| Failure::of(&uri.to_string(), &why))?;
        Ok(Self { inner: KeyValueServiceClient::new(channel), versions })
    }

    /// The endpoint of an address.
    pub fn endpoint(address: SocketAddr) -> String {
        format!("http://{address}")
    }

    pub(super) async fn put(&mut self, record: u64, value: Bytes) -> Result<Option<i64>, CallFailure> {
        let item = Item { key: Bytes::from_static(KEY), value, metadata: None };
        let request = PutRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            items: vec![item],
            ..PutRequest::default()
        };
        let response = self.inner.put(request).await.map_err(|status| failed(&status))?.into_inner();
        match response.results.as_slice() {
            [result] if result.applied && result.version > 0 => Ok(self.versions.then_some(result.version)),
            results => Err(CallFailure::Wrong(format!(
                "record r{record}: a Put of one item was answered by {results:?}"
            ))),
        }
    }

    pub(super) async fn get(&mut self, record: u64) -> Result<Option<Found>, CallFailure> {
        let keys = MatchKeys { keys: vec![Bytes::from_static(KEY)] };
        let request = GetRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            predicate: Some(KeyPredicate { predicate: Some(Predicate::MatchKeys(keys)) }),
            ..GetRequest::default()
        };
        let mut response = self.inner.get(request).await.map_err(|status| failed(&status))?.into_inner();
        let Some(item) = response.items.pop() else { return Ok(None) };
        if !response.items.is_empty() || item.key != KEY {
            return Err(CallFailure::Wrong(format!(
                "record r{record}: a Get of one key brought other items"
            )));
        }
        let version = item.metadata.map_or(0, |metadata| metadata.version);
        Ok(Some(Found { value: item.value, version: self.versions.then_some(version) }))
    }
}

fn failed(status: &Status) -> CallFailure {
    match status.code() {
        Code::ResourceExhausted => CallFailure::Shed,
        code => CallFailure::Error(format!("{code:?}: {}", status.message())),
    }
}
