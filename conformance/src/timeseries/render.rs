//! Transcripts as text, for readers.

use std::fmt::Write;

use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, DescribeRequest, EventInput, HistogramRequest, ListSeriesRequest,
    QueryRequest, TagsInput, TailFrom, TailRequest, TimeInput,
};

use super::{Action, Outcome, Request, Response, Step, TailUntil, Transcript, show};
use crate::core::{Show, bytes};

/// The lines of each step; `None` for a step that is not a request.
pub(super) fn lines(transcript: &Transcript) -> Vec<Option<(String, Vec<String>)>> {
    let step = |step: &Step| {
        let Action::Call(call) = &step.action else { return None };
        Some((request(transcript, call), outcome(&step.outcome)))
    };
    transcript.steps.iter().map(step).collect()
}

fn request(transcript: &Transcript, request: &Request) -> String {
    let named = |namespace: &str| {
        let name = transcript.namespaces.get(namespace).cloned();
        name.unwrap_or_else(|| bytes(namespace.as_bytes()))
    };
    match request {
        Request::Append(AppendRequest { namespace, events }) => {
            let events: Vec<_> = events.iter().map(input).collect();
            format!("append {} {}", named(namespace), events.join(", "))
        }
        Request::Query(query, messages) => self::query(&named(&query.namespace), query, *messages),
        Request::Tail(tail, until) => format!("tail {}", self::tail(&named(&tail.namespace), tail, *until)),
        Request::TailFurther(tail, until) => {
            format!("read on {}", self::tail(&named(&tail.namespace), tail, *until))
        }
        Request::ListSeries(list, messages) => {
            let ListSeriesRequest { namespace, prefix, limit, resume_token } = list;
            let mut text = format!("list {} prefix {}", named(namespace), bytes(prefix.as_bytes()));
            push_stream(&mut text, *limit, resume_token, *messages);
            text
        }
        Request::Histogram(histogram) => {
            let HistogramRequest { namespace, series, start, end, bucket, tags } = histogram;
            let mut text = format!("histogram {} {}", named(namespace), bytes(series.as_bytes()));
            push_range(&mut text, *start, *end);
            let _ = write!(text, " bucket {}", bucket.show());
            push_tags(&mut text, tags);
            text
        }
        Request::DeleteEvents(DeleteEventsRequest { namespace, series, start, end, all }) => {
            let mut text = format!("delete {} {}", named(namespace), bytes(series.as_bytes()));
            push_range(&mut text, *start, *end);
            if *all {
                text.push_str(" all");
            }
            text
        }
        Request::Describe(DescribeRequest { namespace }) => format!("describe {}", named(namespace)),
    }
}

fn query(namespace: &str, query: &QueryRequest, messages: Option<usize>) -> String {
    let mut text = format!("query {namespace} {}", bytes(query.series.as_bytes()));
    push_range(&mut text, query.start, query.end);
    push_tags(&mut text, &query.tags);
    if query.reverse {
        text.push_str(" reverse");
    }
    if query.page_size_bytes > 0 {
        let _ = write!(text, " page of {} bytes", query.page_size_bytes);
    }
    if query.without_payload {
        text.push_str(" without payload");
    }
    push_stream(&mut text, query.limit, &query.resume_token, messages);
    text
}

fn tail(namespace: &str, tail: &TailRequest, until: TailUntil) -> String {
    let mut text = namespace.to_owned();
    if !tail.series.is_empty() {
        let _ = write!(text, " {}", bytes(tail.series.as_bytes()));
    }
    text.push_str(match &tail.from {
        TailFrom::Unset => " from unset",
        TailFrom::Beginning => " from the beginning",
        TailFrom::Now => " from now",
        TailFrom::Token(_) => " from a token",
    });
    push_tags(&mut text, &tail.tags);
    if tail.without_payload {
        text.push_str(" without payload");
    }
    let _ = match until {
        TailUntil::CaughtUp | TailUntil::CaughtUpWith(_) => write!(text, " until caught up"),
        TailUntil::Events(events) => write!(text, " until {events} events"),
        TailUntil::Messages(messages) => write!(text, " until {messages} messages"),
    };
    text
}

fn push_range(text: &mut String, start: Option<TimeInput>, end: Option<TimeInput>) {
    if let Some(start) = start {
        let _ = write!(text, " from {}", start.show());
    }
    if let Some(end) = end {
        let _ = write!(text, " to {}", end.show());
    }
}

fn push_tags(text: &mut String, tags: &TagsInput) {
    if !tags.is_empty() {
        let _ =
            write!(text, " {}", show::tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))));
    }
}

fn push_stream(text: &mut String, limit: u64, token: &[u8], messages: Option<usize>) {
    if limit > 0 {
        let _ = write!(text, " limit {limit}");
    }
    if !token.is_empty() {
        text.push_str(" from a token");
    }
    if let Some(messages) = messages {
        let _ = write!(text, " cut after {messages} messages");
    }
}

fn input(event: &EventInput) -> String {
    let EventInput { series, time, id, payload, content_type, tags, is_missing } = event;
    let mut text = bytes(series.as_bytes());
    match time {
        Some(time) => {
            let _ = write!(text, " {}", time.show());
        }
        None => text.push_str(" now"),
    }
    let _ = write!(text, " {}={}", bytes(id), bytes(payload));
    if !content_type.is_empty() {
        let _ = write!(text, " type {}", bytes(content_type.as_bytes()));
    }
    push_tags(&mut text, tags);
    if *is_missing {
        text.push_str(" without an event");
    }
    text
}

fn outcome(outcome: &Outcome) -> Vec<String> {
    let response = match outcome {
        Outcome::Answered(response) => response,
        Outcome::Failed(failure) => {
            return [failure.code.to_string()].into_iter().chain(failure.cause_lines()).collect();
        }
        Outcome::Done => return Vec::new(),
    };
    match response {
        Response::Append(answer) => {
            let result = |result: &prism_contract::timeseries::request::AppendResult| {
                let what = if result.duplicate { "duplicate" } else { "appended" };
                format!("{} {} {what}", result.time.show(), bytes(&result.id))
            };
            answer.results.iter().map(result).collect()
        }
        Response::Query(messages) => messages
            .iter()
            .flat_map(|message| {
                let end = if message.resume_token.is_empty() { "end" } else { "more" };
                message.events.iter().map(Show::show).chain([end.to_owned()]).collect::<Vec<_>>()
            })
            .collect(),
        Response::Tail(messages) => messages
            .iter()
            .flat_map(|message| {
                message.events.iter().map(Show::show).chain(["token".to_owned()]).collect::<Vec<_>>()
            })
            .collect(),
        Response::ListSeries(messages) => messages
            .iter()
            .flat_map(|message| {
                let end = if message.resume_token.is_empty() { "end" } else { "more" };
                message.series.iter().map(Show::show).chain([end.to_owned()]).collect::<Vec<_>>()
            })
            .collect(),
        Response::Histogram(messages) => {
            let buckets = messages.iter().flat_map(|message| &message.buckets);
            let line = |bucket: &prism_contract::timeseries::Bucket| {
                format!("{} {} events, {} bytes", bucket.start.show(), bucket.count, bucket.payload_bytes)
            };
            let lines: Vec<_> = buckets.map(line).collect();
            if lines.is_empty() { vec!["nothing".to_owned()] } else { lines }
        }
        Response::DeleteEvents(answer) => vec![format!("deleted {}", answer.deleted_count)],
        Response::Describe(answer) => {
            vec![format!("capabilities {}", answer.capabilities.show()), answer.policy.show()]
        }
    }
}
