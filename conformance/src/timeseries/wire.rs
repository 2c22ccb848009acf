//! TimeSeries stores behind gRPC.

mod client;
mod configuration;
mod service;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, DescribeRequest, DescribeResponse, EventInput, QueryRequest,
};
use prism_contract::timeseries::{Capabilities, Capability};
use prism_proto::timeseries::v1 as pb;
use prost::Message;
use tonic::service::Routes;

use super::policies::POLICIES;
use super::{Store, TimeSeries, time};
use crate::core::wire::{self, Configuration, Connection, Drain, Gateway, Record, Remote};
use crate::core::{Failure, OpenError, StatusCode};

/// A TimeSeries server at an address.
pub type Endpoint = wire::Endpoint<TimeSeries>;
/// TimeSeries stores in this process, reached through a socket.
pub type OverGrpc = wire::OverGrpc<TimeSeries>;
/// A TimeSeries server that a closure starts.
pub type Served = wire::Served<TimeSeries>;
/// A TimeSeries server that the suite starts.
pub type Spawn = wire::Spawn<TimeSeries>;

impl Remote for TimeSeries {
    type Description = DescribeResponse;

    const SERVICE: &'static str = "prism.timeseries.v1.TimeSeriesService";

    const NAMESPACES: &'static [&'static str] =
        &[POLICIES[0].prefix, POLICIES[1].prefix, POLICIES[2].prefix, POLICIES[3].prefix];

    const COUNTED: (&'static str, &'static str) = ("series", "series");

    const REMAINS: &'static str = "expired events are out of a client's reach, the server sweeps them";

    fn store(connection: Connection) -> Arc<dyn Store> {
        Arc::new(connection)
    }

    fn routes(store: Arc<dyn Store>, drain: Drain) -> Routes {
        service::routes(store, drain)
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
        (one.capabilities, one.limits, &one.policy) == (other.capabilities, other.limits, &other.policy)
    }

    async fn configuration(connection: &Connection) -> Result<Configuration, Failure> {
        configuration::read(connection).await
    }

    fn written(path: &str, message: &Bytes) -> Vec<Record> {
        let append = path.ends_with("/Append").then(|| pb::AppendRequest::decode(message.clone()));
        let Some(Ok(append)) = append else { return Vec::new() };
        records(&append.namespace, append.events.iter().map(|event| event.series.as_str()))
    }

    fn cannot_delete(description: &DescribeResponse) -> Option<&'static str> {
        let can = description.capabilities.contains(Capability::Delete);
        (!can).then_some(Capability::Delete.name())
    }

    async fn write(connection: &Connection, namespace: &str, id: &str) -> Result<(), Failure> {
        // A time of the client, so that the identity is known. Clocks differ by less than any window but one of zero.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::EPOCH.saturating_add(now);
        let event = EventInput {
            series: id.to_owned(),
            time: Some(time(now)),
            id: "shared".into(),
            ..EventInput::default()
        };
        let namespace = namespace.to_owned();
        connection.append(AppendRequest { namespace, events: vec![event] }).await.map(drop)
    }

    async fn is_there(connection: &Connection, namespace: &str, id: &str) -> Result<bool, Failure> {
        let (namespace, series) = (namespace.to_owned(), id.to_owned());
        let read =
            connection.query(QueryRequest { namespace, series, ..QueryRequest::default() }, None).await?;
        Ok(read.iter().flat_map(|message| &message.events).any(|event| event.id.as_bytes() == b"shared"))
    }

    async fn delete(connection: &Connection, namespace: &str, id: &str) -> Result<(), Failure> {
        let (namespace, series) = (namespace.to_owned(), id.to_owned());
        let request = DeleteEventsRequest { namespace, series, all: true, ..DeleteEventsRequest::default() };
        match connection.delete_events(request).await {
            // An invalid name: no Append under it was accepted either.
            Err(failure) if failure.code != StatusCode::InvalidArgument => Err(failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The records of an Append: its series.
fn records<'a>(namespace: &str, series: impl Iterator<Item = &'a str>) -> Vec<Record> {
    let series: BTreeSet<_> = series.collect();
    let record = |id: &str| Record { namespace: namespace.to_owned(), id: id.to_owned() };
    series.into_iter().map(record).collect()
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
