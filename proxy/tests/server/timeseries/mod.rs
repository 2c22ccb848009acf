//! TimeSeries namespaces beside KeyValue ones, over a real connection.

mod audit;
mod drain;
mod idle;
mod namespaces;
mod stores;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use prism_contract::timeseries::request::{
    AppendRequest, EventInput, QueryRequest, QueryResponse, TailFrom, TailRequest, TailResponse,
};
use prism_contract::timeseries::{Memory, Policy};
use prism_proxy::server::Services;
use prism_wire::channel::CallError;
use prism_wire::timeseries::{Client, Resume, TailMessages};

use crate::support::{Mode, Steered, timeseries_rule, with_rules};

/// The time of the servers, in seconds since 1970.
const NOW: i64 = 1;

/// A store with the TimeSeries namespaces `events` and `events-*`; others are KeyValue.
fn services() -> Services {
    on(&Steered::new(Mode::Works), &Arc::new(Memory::default()))
}

fn on(keyvalue: &Arc<Steered>, timeseries: &Arc<Memory>) -> Services {
    let rules = ["events", "events-*"].map(|name| timeseries_rule(name, Policy::default()));
    with_rules(Arc::clone(keyvalue), Arc::clone(timeseries) as _, rules.to_vec())
}

/// An event of a series at [`NOW`].
fn event(series: &str, id: &str) -> EventInput {
    let time = Some(prism_contract::TimeInput { seconds: NOW, nanos: 0 });
    let (series, id) = (series.to_owned(), id.to_owned().into());
    EventInput { series, time, id, payload: "payload".into(), ..EventInput::default() }
}

fn append(namespace: &str, events: Vec<EventInput>) -> AppendRequest {
    AppendRequest { namespace: namespace.to_owned(), events }
}

fn query(namespace: &str, series: &str) -> QueryRequest {
    let (namespace, series) = (namespace.to_owned(), series.to_owned());
    QueryRequest { namespace, series, ..QueryRequest::default() }
}

fn tail(namespace: &str, series: &str, from: TailFrom) -> TailRequest {
    let (namespace, series) = (namespace.to_owned(), series.to_owned());
    TailRequest { namespace, series, from, ..TailRequest::default() }
}

/// The only message of a Query, or its error.
async fn read(client: &Client, request: QueryRequest) -> Result<QueryResponse, CallError> {
    client.query(request, Resume::Never).next().await.expect("a Query has an answer")
}

/// The next message of a Tail, which comes at once or after an Append.
async fn next(messages: &mut TailMessages) -> Result<TailResponse, CallError> {
    let next = tokio::time::timeout(Duration::from_secs(10), messages.next()).await;
    next.expect("never: the next message").expect("a Tail has no end")
}

/// The next message with events: their ids.
async fn ids(messages: &mut TailMessages) -> Vec<String> {
    loop {
        let message = next(messages).await.unwrap();
        if !message.events.is_empty() {
            let id = |event: prism_contract::timeseries::SeriesEvent| event.event.id.into_bytes().to_vec();
            return message.events.into_iter().map(|event| String::from_utf8(id(event)).unwrap()).collect();
        }
    }
}
