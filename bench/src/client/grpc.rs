//! A client of Prism and of the echo: the generated client on default channels, as in a typical application.

use std::net::SocketAddr;

use bytes::Bytes;
use prism_proto::keyvalue::v1::key_predicate::Predicate;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use prism_proto::keyvalue::v1::{
    DescribeRequest, GetRequest, Item, KeyPredicate, MatchKeys, MatchRange, Precondition, PutRequest,
    ScanRequest, Selection,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{CallFailure, Found, NAMESPACE, id_of, key_of};
use crate::failure::Failure;

/// A client of Prism or of the echo.
#[derive(Debug, Clone)]
pub struct Grpc {
    inner: KeyValueServiceClient<Channel>,
    /// Whether its versions are meaningful.
    versions: bool,
}

/// Outcome of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Applied: the first item has this version now.
    At(i64),
    /// The version had changed: FAILED_PRECONDITION.
    LostRace,
}

impl Grpc {
    /// Connects to `http://host:port`. `versions` is false for the echo, whose versions are meaningless.
    ///
    /// # Errors
    /// The address is invalid, or the server is unreachable.
    pub async fn connect(endpoint: &str, versions: bool) -> Result<Self, Failure> {
        let failed = |why| Failure::of(endpoint, &why);
        let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(failed)?;
        let channel = channel.connect().await.map_err(failed)?;
        Ok(Self { inner: KeyValueServiceClient::new(channel), versions })
    }

    /// The endpoint URL of an address.
    pub fn endpoint(address: SocketAddr) -> String {
        format!("http://{address}")
    }

    /// The generated client itself.
    pub fn inner(&mut self) -> &mut KeyValueServiceClient<Channel> {
        &mut self.inner
    }

    /// The server's description of itself.
    ///
    /// # Errors
    /// The call fails.
    pub async fn describe(&mut self) -> Result<String, Failure> {
        let request = DescribeRequest { namespace: NAMESPACE.to_owned() };
        let response =
            self.inner.describe(request).await.map_err(|status| Failure::of("Describe", &status))?;
        let answer = response.into_inner();
        Ok(format!("prism {}, contract {}", answer.server_version, answer.contract_version))
    }

    /// Writes numbered items into a record, optionally on condition that the first has the version `only_if`.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn write(
        &mut self,
        record: u64,
        items: Vec<(u32, Bytes)>,
        only_if: Option<i64>,
    ) -> Result<Written, CallFailure> {
        let count = items.len();
        let items: Vec<Item> = items
            .into_iter()
            .map(|(item, value)| Item { key: key_of(item), value, metadata: None })
            .collect();
        let preconditions = only_if.iter().zip(&items);
        let preconditions =
            preconditions.map(|(&version, item)| Precondition { key: item.key.clone(), version }).collect();
        let request = PutRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            items,
            preconditions,
            ..PutRequest::default()
        };
        let response = match self.inner.put(request).await {
            Ok(response) => response.into_inner(),
            Err(status) if only_if.is_some() && status.code() == Code::FailedPrecondition => {
                return Ok(Written::LostRace);
            }
            Err(status) => return Err(failed(&status)),
        };
        match response.results.first() {
            Some(first)
                if response.results.len() == count
                    && response.results.iter().all(|result| result.applied) =>
            {
                Ok(Written::At(first.version))
            }
            _ => Err(CallFailure::Wrong(format!(
                "record r{record}: a Put of {count} items returned {:?}",
                response.results
            ))),
        }
    }

    /// Reads one item of a record.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn read(&mut self, record: u64, item: u32) -> Result<Option<Found>, CallFailure> {
        let key = key_of(item);
        let keys = MatchKeys { keys: vec![key.clone()] };
        let request = GetRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            predicate: Some(KeyPredicate { predicate: Some(Predicate::MatchKeys(keys)) }),
            ..GetRequest::default()
        };
        let mut response = self.inner.get(request).await.map_err(|status| failed(&status))?.into_inner();
        let Some(found) = response.items.pop() else { return Ok(None) };
        if !response.items.is_empty() || found.key != key {
            return Err(CallFailure::Wrong(format!(
                "record r{record}: a Get of one key returned other items"
            )));
        }
        let version = found.metadata.map_or(0, |metadata| metadata.version);
        Ok(Some(Found { value: found.value, version: self.versions.then_some(version) }))
    }

    /// Streams the first items of a record, at most `limit`: keys and values.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn scan(&mut self, record: u64, limit: u64) -> Result<Vec<(Bytes, Bytes)>, CallFailure> {
        let request = ScanRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            limit,
            ..ScanRequest::default()
        };
        let mut stream = self.inner.scan(request).await.map_err(|status| failed(&status))?.into_inner();
        let mut items = Vec::new();
        while let Some(message) = stream.message().await.map_err(|status| failed(&status))? {
            items.extend(
                message.entries.into_iter().filter_map(|entry| entry.item).map(|item| (item.key, item.value)),
            );
        }
        Ok(items)
    }

    /// Reads a page of a record's items, from `first` on: keys and values.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn page(
        &mut self,
        record: u64,
        first: u32,
        limit: u32,
    ) -> Result<Vec<(Bytes, Bytes)>, CallFailure> {
        let range = MatchRange { start: key_of(first), end: Bytes::new() };
        let request = GetRequest {
            namespace: NAMESPACE.to_owned(),
            id: id_of(record),
            predicate: Some(KeyPredicate { predicate: Some(Predicate::MatchRange(range)) }),
            selection: Some(Selection { item_limit: limit, ..Selection::default() }),
            ..GetRequest::default()
        };
        let response = self.inner.get(request).await.map_err(|status| failed(&status))?.into_inner();
        Ok(response.items.into_iter().map(|item| (item.key, item.value)).collect())
    }

    pub(super) async fn put(&mut self, record: u64, value: Bytes) -> Result<Option<i64>, CallFailure> {
        match self.write(record, vec![(0, value)], None).await? {
            Written::At(version) if version > 0 => Ok(self.versions.then_some(version)),
            other => Err(CallFailure::Wrong(format!("record r{record}: a Put returned {other:?}"))),
        }
    }
}

fn failed(status: &Status) -> CallFailure {
    match status.code() {
        Code::ResourceExhausted => CallFailure::Shed,
        code => CallFailure::Error(format!("{code:?}: {}", status.message())),
    }
}
