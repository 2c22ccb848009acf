//! TimeSeries through a gateway: the generated client, on default channels.

use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_client::TimeSeriesServiceClient;
use prost_types::Timestamp;
use tonic::transport::{Channel, Endpoint};

use super::events::{Batch, FULL, Layout, name_of};
use crate::failure::Failure;

/// The namespace of the events.
pub(super) const NAMESPACE: &str = "events";
/// What makes it a namespace of TimeSeries, in the gateway's configuration.
pub(super) const CONFIG: &str = "namespaces:\n  rules:\n    - {match: events, abstraction: timeseries}\n";

/// A client of a gateway.
#[derive(Debug, Clone)]
pub(super) struct Gateway(TimeSeriesServiceClient<Channel>);

impl Gateway {
    /// Connects to `http://host:port`.
    pub(super) async fn connect(endpoint: &str) -> Result<Self, Failure> {
        let failed = |why| Failure::of(endpoint, &why);
        let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(failed)?;
        let client = TimeSeriesServiceClient::new(channel.connect().await.map_err(failed)?);
        Ok(Self(client.max_decoding_message_size(usize::MAX)))
    }

    /// Appends events of these series.
    pub(super) async fn append(
        &mut self,
        layout: &Layout,
        batch: Batch,
        series: impl Fn(u64) -> String,
    ) -> Result<(), Failure> {
        let event = |number| pb::SeriesEvent {
            series: series(number),
            event: Some(pb::Event {
                time: Some(timestamp(Layout::time_of(number))),
                id: Layout::id_of(number).to_vec().into(),
                payload: layout.payload_of(number),
                ..pb::Event::default()
            }),
        };
        let events = (batch.first..batch.first + batch.count).map(event).collect();
        let request = pb::AppendRequest { namespace: NAMESPACE.to_owned(), events };
        let answer = self.0.append(request).await.map_err(|status| Failure::of("Append", &status))?;
        let results = answer.into_inner().results;
        if results.len() as u64 != batch.count || results.iter().any(|result| result.duplicate) {
            return Err(Failure::Failed(format!("the Append of event {} was answered wrongly", batch.first)));
        }
        Ok(())
    }

    /// The numbers of the last events of a series.
    pub(super) async fn last(&mut self, layout: &Layout, series: u64) -> Result<Vec<u64>, Failure> {
        let request = pb::QueryRequest {
            namespace: NAMESPACE.to_owned(),
            series: name_of(series),
            reverse: true,
            limit: FULL,
            ..pb::QueryRequest::default()
        };
        let failed = |status: tonic::Status| Failure::of("Query", &status);
        let mut messages = self.0.query(request).await.map_err(failed)?.into_inner();
        let mut numbers = Vec::new();
        while let Some(message) = messages.message().await.map_err(failed)? {
            for event in message.events {
                numbers.push(number_of(layout, &event)?);
            }
        }
        Ok(numbers)
    }

    /// Opens a Tail of a series, from its end on.
    pub(super) async fn tail(
        &mut self,
        series: String,
    ) -> Result<tonic::Streaming<pb::TailResponse>, Failure> {
        let from = Some(pb::tail_request::From::Now(pb::Now {}));
        let request =
            pb::TailRequest { namespace: NAMESPACE.to_owned(), series, from, ..pb::TailRequest::default() };
        let failed = |status: tonic::Status| Failure::of("Tail", &status);
        let mut messages = self.0.tail(request).await.map_err(failed)?.into_inner();
        match messages.message().await.map_err(failed)? {
            Some(first) if first.events.is_empty() => Ok(messages),
            _ => Err(Failure::Failed("the first message of a Tail is not empty".to_owned())),
        }
    }
}

/// The number of an event.
pub(super) fn number_of(layout: &Layout, event: &pb::Event) -> Result<u64, Failure> {
    let time = event.time.as_ref().map_or(0, |time| time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000);
    layout.check(time, &event.id, &event.payload).map_err(Failure::Failed)
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default() * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}
