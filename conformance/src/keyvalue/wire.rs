//! KeyValue stores behind gRPC.

mod client;
mod service;

use std::sync::Arc;

use bytes::Bytes;
use prism_contract::keyvalue::Capabilities;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, DescribeResponse, GetRequest, ItemInput, KeyPredicate, PutRequest,
    SelectionInput,
};
use prism_proto::keyvalue::v1 as pb;
use prost::Message;
use tonic::service::Routes;

use super::{KeyValue, Store};
use crate::core::wire::{self, Connection, Drain, Gateway, Record, Remote};
use crate::core::{Failure, OpenError, StatusCode};

/// Keys deleted per request if the record cannot be deleted as a whole.
const BATCH: u32 = 500;

/// A KeyValue server at an address.
pub type Endpoint = wire::Endpoint<KeyValue>;
/// KeyValue stores in this process, reached through a socket.
pub type OverGrpc = wire::OverGrpc<KeyValue>;
/// A KeyValue server that a closure starts.
pub type Served = wire::Served<KeyValue>;
/// A KeyValue server that the suite starts.
pub type Spawn = wire::Spawn<KeyValue>;

impl Remote for KeyValue {
    type Description = DescribeResponse;

    const SERVICE: &'static str = "prism.keyvalue.v1.KeyValueService";

    const COUNTED: (&'static str, &'static str) = ("record", "records");

    const REMAINS: &'static str =
        "expired items and tombstones are out of a client's reach, the server sweeps them";

    fn store(connection: Connection) -> Arc<dyn Store> {
        Arc::new(connection)
    }

    fn routes(store: Arc<dyn Store>, _: Drain) -> Routes {
        service::routes(store)
    }

    async fn describe(connection: &Connection, namespace: &str) -> Result<DescribeResponse, Failure> {
        Store::describe(connection, DescribeRequest { namespace: namespace.to_owned() }).await
    }

    fn described_capabilities(description: &DescribeResponse) -> Capabilities {
        description.capabilities
    }

    fn versions(description: &DescribeResponse) -> (&str, &str) {
        (&description.server_version, &description.contract_version)
    }

    fn is_alike(one: &DescribeResponse, other: &DescribeResponse) -> bool {
        (one.capabilities, one.limits) == (other.capabilities, other.limits)
    }

    fn written(path: &str, message: &Bytes) -> Vec<Record> {
        let put = path.ends_with("/Put").then(|| pb::PutRequest::decode(message.clone()));
        let put = put.and_then(Result::ok);
        put.map(|put| Record { namespace: put.namespace, id: put.id }).into_iter().collect()
    }

    async fn write(connection: &Connection, namespace: &str, id: &str) -> Result<(), Failure> {
        let (namespace, id) = (namespace.to_owned(), id.to_owned());
        let items = vec![ItemInput { key: "k".into(), value: "v".into(), ..ItemInput::default() }];
        connection.put(PutRequest { namespace, id, items, ..PutRequest::default() }).await.map(drop)
    }

    async fn is_there(connection: &Connection, namespace: &str, id: &str) -> Result<bool, Failure> {
        let (namespace, id) = (namespace.to_owned(), id.to_owned());
        let read = connection.get(GetRequest { namespace, id, ..GetRequest::default() }).await?;
        Ok(read.items.iter().any(|item| item.value == "v"))
    }

    async fn delete(connection: &Connection, namespace: &str, id: &str) -> Result<(), Failure> {
        delete(connection, namespace, id).await
    }
}

impl Served {
    /// A server started by `open`; it declares every capability and has no abilities beyond requests, unless configured
    /// otherwise.
    pub fn new<G, F, O>(name: impl Into<String>, open: F) -> Self
    where
        G: Gateway + 'static,
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<G, OpenError>> + Send + 'static,
    {
        Self::opened(name, Capabilities::ALL, open)
    }
}

/// Deletes a record's items: in one request, or in batches if the server cannot do that.
async fn delete(store: &dyn Store, namespace: &str, id: &str) -> Result<(), Failure> {
    let request = |predicate| DeleteRequest {
        namespace: namespace.to_owned(),
        id: id.to_owned(),
        predicate: Some(predicate),
        ..DeleteRequest::default()
    };
    match store.delete(request(KeyPredicate::MatchAll)).await {
        Ok(_) => return Ok(()),
        // An invalid name: no Put under it was accepted either.
        Err(failure) if failure.code == StatusCode::InvalidArgument => return Ok(()),
        Err(_) => {}
    }
    loop {
        let selection = SelectionInput { item_limit: BATCH, keys_only: true, ..SelectionInput::default() };
        let get = GetRequest {
            namespace: namespace.to_owned(),
            id: id.to_owned(),
            selection,
            ..GetRequest::default()
        };
        let items = store.get(get).await?.items;
        let keys: Vec<Bytes> = items.into_iter().map(|item| item.key.into_bytes()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        store.delete(request(KeyPredicate::MatchKeys(keys))).await?;
    }
}
