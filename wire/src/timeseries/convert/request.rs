//! Conversion of requests, without validation.

use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, DescribeRequest, EventInput, HistogramRequest, ListSeriesRequest,
    QueryRequest, TailFrom, TailRequest,
};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::tail_request::From;

use crate::message::{WireRequest, duration_input, input_duration, input_time, time_input};

impl WireRequest for AppendRequest {
    type Message = pb::AppendRequest;

    fn from_message(message: pb::AppendRequest) -> Self {
        let events = message.events.into_iter().map(event_from);
        Self { namespace: message.namespace, events: events.collect() }
    }

    fn into_message(self) -> pb::AppendRequest {
        let events = self.events.into_iter().map(event_into);
        pb::AppendRequest { namespace: self.namespace, events: events.collect() }
    }
}

impl WireRequest for QueryRequest {
    type Message = pb::QueryRequest;

    fn from_message(message: pb::QueryRequest) -> Self {
        Self {
            namespace: message.namespace,
            series: message.series,
            start: message.start.map(time_input),
            end: message.end.map(time_input),
            tags: message.tags,
            reverse: message.reverse,
            limit: message.limit,
            page_size_bytes: message.page_size_bytes,
            without_payload: message.without_payload,
            resume_token: message.resume_token,
        }
    }

    fn into_message(self) -> pb::QueryRequest {
        pb::QueryRequest {
            namespace: self.namespace,
            series: self.series,
            start: self.start.map(input_time),
            end: self.end.map(input_time),
            tags: self.tags,
            reverse: self.reverse,
            limit: self.limit,
            page_size_bytes: self.page_size_bytes,
            without_payload: self.without_payload,
            resume_token: self.resume_token,
        }
    }
}

impl WireRequest for TailRequest {
    type Message = pb::TailRequest;

    /// A starting point of a kind that is unknown stays unset: taking it for another would skip or repeat events.
    fn from_message(message: pb::TailRequest) -> Self {
        let from = match message.from {
            None => TailFrom::Unset,
            Some(From::Beginning(pb::Beginning {})) => TailFrom::Beginning,
            Some(From::Now(pb::Now {})) => TailFrom::Now,
            Some(From::Token(token)) => TailFrom::Token(token),
        };
        Self {
            namespace: message.namespace,
            series: message.series,
            tags: message.tags,
            from,
            without_payload: message.without_payload,
        }
    }

    fn into_message(self) -> pb::TailRequest {
        let from = match self.from {
            TailFrom::Unset => None,
            TailFrom::Beginning => Some(From::Beginning(pb::Beginning {})),
            TailFrom::Now => Some(From::Now(pb::Now {})),
            TailFrom::Token(token) => Some(From::Token(token)),
        };
        pb::TailRequest {
            namespace: self.namespace,
            series: self.series,
            tags: self.tags,
            from,
            without_payload: self.without_payload,
        }
    }
}

impl WireRequest for ListSeriesRequest {
    type Message = pb::ListSeriesRequest;

    fn from_message(message: pb::ListSeriesRequest) -> Self {
        let pb::ListSeriesRequest { namespace, prefix, limit, resume_token } = message;
        Self { namespace, prefix, limit, resume_token }
    }

    fn into_message(self) -> pb::ListSeriesRequest {
        let Self { namespace, prefix, limit, resume_token } = self;
        pb::ListSeriesRequest { namespace, prefix, limit, resume_token }
    }
}

impl WireRequest for HistogramRequest {
    type Message = pb::HistogramRequest;

    fn from_message(message: pb::HistogramRequest) -> Self {
        Self {
            namespace: message.namespace,
            series: message.series,
            start: message.start.map(time_input),
            end: message.end.map(time_input),
            bucket: message.bucket.map(duration_input),
            tags: message.tags,
        }
    }

    fn into_message(self) -> pb::HistogramRequest {
        pb::HistogramRequest {
            namespace: self.namespace,
            series: self.series,
            start: self.start.map(input_time),
            end: self.end.map(input_time),
            bucket: self.bucket.map(input_duration),
            tags: self.tags,
        }
    }
}

impl WireRequest for DeleteEventsRequest {
    type Message = pb::DeleteEventsRequest;

    fn from_message(message: pb::DeleteEventsRequest) -> Self {
        Self {
            namespace: message.namespace,
            series: message.series,
            start: message.start.map(time_input),
            end: message.end.map(time_input),
            all: message.all,
        }
    }

    fn into_message(self) -> pb::DeleteEventsRequest {
        pb::DeleteEventsRequest {
            namespace: self.namespace,
            series: self.series,
            start: self.start.map(input_time),
            end: self.end.map(input_time),
            all: self.all,
        }
    }
}

impl WireRequest for DescribeRequest {
    type Message = pb::DescribeRequest;

    fn from_message(message: pb::DescribeRequest) -> Self {
        Self { namespace: message.namespace }
    }

    fn into_message(self) -> pb::DescribeRequest {
        pb::DescribeRequest { namespace: self.namespace }
    }
}

fn event_from(message: pb::SeriesEvent) -> EventInput {
    let is_missing = message.event.is_none();
    let pb::Event { time, id, payload, content_type, tags } = message.event.unwrap_or_default();
    let time = time.map(time_input);
    EventInput { series: message.series, time, id, payload, content_type, tags, is_missing }
}

fn event_into(event: EventInput) -> pb::SeriesEvent {
    let EventInput { series, time, id, payload, content_type, tags, is_missing } = event;
    let event = pb::Event { time: time.map(input_time), id, payload, content_type, tags };
    pb::SeriesEvent { series, event: (!is_missing).then_some(event) }
}
