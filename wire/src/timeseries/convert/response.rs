//! Conversion of responses.

use std::time::Duration;

use prism_contract::DurationInput;
use prism_contract::timeseries::request::{
    AppendResponse, AppendResult, DeleteEventsResponse, DescribeResponse, HistogramResponse,
    ListSeriesResponse, QueryResponse, TailResponse,
};
use prism_contract::timeseries::{
    Bucket, Capabilities, Capability, Event, EventId, Limits, Policy, Series, SeriesEvent, Tags, Window,
};
use prism_proto::timeseries::v1 as pb;

use crate::message::{Unreadable, WireResponse, duration_from, input_duration, timestamp, timestamp_from};

impl WireResponse for AppendResponse {
    type Message = pb::AppendResponse;

    fn from_message(message: pb::AppendResponse) -> Result<Self, Unreadable> {
        let results = message.results.into_iter().map(|result| {
            let time = result.time.ok_or_else(|| Unreadable::missing("results.time"))?;
            let time = timestamp_from("results.time", time)?;
            Ok(AppendResult { time, id: result.id, duplicate: result.duplicate })
        });
        Ok(Self { results: results.collect::<Result<_, Unreadable>>()? })
    }

    fn into_message(self) -> pb::AppendResponse {
        let results = self.results.into_iter().map(|result| pb::AppendResult {
            time: Some(timestamp(result.time)),
            id: result.id,
            duplicate: result.duplicate,
        });
        pb::AppendResponse { results: results.collect() }
    }
}

impl WireResponse for QueryResponse {
    type Message = pb::QueryResponse;

    fn from_message(message: pb::QueryResponse) -> Result<Self, Unreadable> {
        let events = message.events.into_iter().map(event_from).collect::<Result<_, _>>()?;
        Ok(Self { events, resume_token: message.resume_token, tail_token: message.tail_token })
    }

    fn into_message(self) -> pb::QueryResponse {
        let events = self.events.into_iter().map(event_into).collect();
        pb::QueryResponse { events, resume_token: self.resume_token, tail_token: self.tail_token }
    }
}

impl WireResponse for TailResponse {
    type Message = pb::TailResponse;

    fn from_message(message: pb::TailResponse) -> Result<Self, Unreadable> {
        let events = message.events.into_iter().map(series_event_from).collect::<Result<_, _>>()?;
        Ok(Self { events, token: message.token })
    }

    fn into_message(self) -> pb::TailResponse {
        let events = self.events.into_iter().map(series_event_into).collect();
        pb::TailResponse { events, token: self.token }
    }
}

impl WireResponse for ListSeriesResponse {
    type Message = pb::ListSeriesResponse;

    fn from_message(message: pb::ListSeriesResponse) -> Result<Self, Unreadable> {
        Ok(Self { series: message.series, resume_token: message.resume_token })
    }

    fn into_message(self) -> pb::ListSeriesResponse {
        pb::ListSeriesResponse { series: self.series, resume_token: self.resume_token }
    }
}

impl WireResponse for HistogramResponse {
    type Message = pb::HistogramResponse;

    fn from_message(message: pb::HistogramResponse) -> Result<Self, Unreadable> {
        let buckets = message.buckets.into_iter().map(|bucket| {
            let pb::Bucket { start, count, payload_bytes } = bucket;
            let start = start.ok_or_else(|| Unreadable::missing("buckets.start"))?;
            Ok(Bucket { start: timestamp_from("buckets.start", start)?, count, payload_bytes })
        });
        Ok(Self { buckets: buckets.collect::<Result<_, Unreadable>>()? })
    }

    fn into_message(self) -> pb::HistogramResponse {
        let buckets = self.buckets.into_iter().map(|bucket| {
            let Bucket { start, count, payload_bytes } = bucket;
            pb::Bucket { start: Some(timestamp(start)), count, payload_bytes }
        });
        pb::HistogramResponse { buckets: buckets.collect() }
    }
}

impl WireResponse for DeleteEventsResponse {
    type Message = pb::DeleteEventsResponse;

    fn from_message(message: pb::DeleteEventsResponse) -> Result<Self, Unreadable> {
        Ok(Self { deleted_count: message.deleted_count })
    }

    fn into_message(self) -> pb::DeleteEventsResponse {
        pb::DeleteEventsResponse { deleted_count: self.deleted_count }
    }
}

impl WireResponse for DescribeResponse {
    type Message = pb::DescribeResponse;

    /// Unknown capabilities are ignored: a newer server may declare more.
    fn from_message(message: pb::DescribeResponse) -> Result<Self, Unreadable> {
        let known = |number: &i32| Capability::ALL.into_iter().find(|known| *known as i32 == *number);
        let limits = message.limits.ok_or_else(|| Unreadable::missing("limits"))?;
        let policy = message.policy.ok_or_else(|| Unreadable::missing("policy"))?;
        let heartbeat = message.heartbeat.ok_or_else(|| Unreadable::missing("heartbeat"))?;
        Ok(Self {
            server_version: message.server_version,
            contract_version: message.contract_version,
            capabilities: message.capabilities.iter().filter_map(known).collect::<Capabilities>(),
            limits: limits_from(limits),
            policy: policy_from(policy)?,
            heartbeat: duration_from("heartbeat", heartbeat)?,
        })
    }

    fn into_message(self) -> pb::DescribeResponse {
        let capabilities = self.capabilities.iter().map(|capability| capability_into(capability) as i32);
        pb::DescribeResponse {
            server_version: self.server_version,
            contract_version: self.contract_version,
            capabilities: capabilities.collect(),
            limits: Some(limits_into(self.limits)),
            policy: Some(policy_into(&self.policy)),
            heartbeat: Some(duration(self.heartbeat)),
        }
    }
}

fn capability_into(capability: Capability) -> pb::Capability {
    match capability {
        Capability::ListSeries => pb::Capability::ListSeries,
        Capability::Histogram => pb::Capability::Histogram,
        Capability::Delete => pb::Capability::Delete,
        Capability::NamespaceTail => pb::Capability::NamespaceTail,
        Capability::AtomicAppend => pb::Capability::AtomicAppend,
        Capability::DetectsDuplicates => pb::Capability::DetectsDuplicates,
        Capability::ExactTail => pb::Capability::ExactTail,
        Capability::Reverse => pb::Capability::Reverse,
    }
}

fn limits_from(message: pb::Limits) -> Limits {
    Limits {
        series_bytes: message.max_series_bytes,
        id_bytes: message.max_id_bytes,
        payload_bytes: message.max_payload_bytes,
        tags: message.max_tags,
        append_events: message.max_append_events,
        append_bytes: message.max_append_bytes,
        message_events: message.max_message_events,
        message_bytes: message.max_message_bytes,
        buckets: message.max_buckets,
    }
}

fn limits_into(limits: Limits) -> pb::Limits {
    pb::Limits {
        max_series_bytes: limits.series_bytes,
        max_id_bytes: limits.id_bytes,
        max_payload_bytes: limits.payload_bytes,
        max_tags: limits.tags,
        max_append_events: limits.append_events,
        max_append_bytes: limits.append_bytes,
        max_message_events: limits.message_events,
        max_message_bytes: limits.message_bytes,
        max_buckets: limits.buckets,
    }
}

fn policy_from(message: pb::Policy) -> Result<Policy, Unreadable> {
    let pb::Policy { retention, accept_past, accept_future, partitions } = message;
    let span = |field, span: Option<_>| span.map(|span| duration_from(field, span)).transpose();
    let retention = span("policy.retention", retention)?;
    let past = span("policy.accept_past", accept_past)?;
    let future = span("policy.accept_future", accept_future)?;
    Ok(Policy { retention, window: Window { past, future }, partitions })
}

fn policy_into(policy: &Policy) -> pb::Policy {
    let Policy { retention, window, partitions } = policy;
    pb::Policy {
        retention: retention.map(duration),
        accept_past: window.past.map(duration),
        accept_future: window.future.map(duration),
        partitions: *partitions,
    }
}

fn duration(span: Duration) -> prost_types::Duration {
    input_duration(DurationInput::from(span))
}

fn event_from(message: pb::Event) -> Result<Event, Unreadable> {
    let pb::Event { time, id, payload, content_type, tags } = message;
    let time = time.ok_or_else(|| Unreadable::missing("event.time"))?;
    Ok(Event {
        time: timestamp_from("event.time", time)?,
        id: EventId::new(id).map_err(|why| Unreadable::new("event.id", why))?,
        payload,
        content_type,
        tags: Tags::new(tags).map_err(|why| Unreadable::new("event.tags", why))?,
    })
}

fn event_into(event: Event) -> pb::Event {
    let Event { time, id, payload, content_type, tags } = event;
    let tags = tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    pb::Event {
        time: Some(timestamp(time)),
        id: id.into_bytes(),
        payload,
        content_type,
        tags: tags.collect(),
    }
}

fn series_event_from(message: pb::SeriesEvent) -> Result<SeriesEvent, Unreadable> {
    let series = Series::new(message.series).map_err(|why| Unreadable::new("events.series", why))?;
    let event = message.event.ok_or_else(|| Unreadable::missing("events.event"))?;
    Ok(SeriesEvent { series, event: event_from(event)? })
}

fn series_event_into(event: SeriesEvent) -> pb::SeriesEvent {
    pb::SeriesEvent { series: event.series.as_str().to_owned(), event: Some(event_into(event.event)) }
}
