//! The context of a trace that a caller sends, by W3C Trace Context.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header with the ids of the caller's trace and span.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what tracing systems add to it.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Maximum bytes of `tracestate` that are passed on; the standard asks for at least 512.
const MAX_STATE: usize = 512;

/// The trace of a caller: the value of `traceparent`, which may be invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallerTrace(HeaderValue);

impl CallerTrace {
    /// The one in these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(&TRACEPARENT)?;
        // Of several, none counts.
        (headers.get_all(&TRACEPARENT).iter().count() == 1).then(|| Self(value.clone()))
    }

    /// The id of the trace, in hexadecimal, if the header is valid.
    pub(crate) fn id(&self) -> Option<&str> {
        Some(Parent::parse(self.0.to_str().ok()?)?.trace)
    }

    /// The caller's span, with the state in these headers, if the header is valid.
    pub(super) fn span(&self, headers: &HeaderMap) -> Option<SpanContext> {
        let parent = Parent::parse(self.0.to_str().ok()?)?;
        let trace = TraceId::from_hex(parent.trace).ok()?;
        let span = SpanId::from_hex(parent.span).ok()?;
        let flags = TraceFlags::new(u8::from_str_radix(parent.flags, 16).ok()?);
        Some(SpanContext::new(trace, span, flags, true, state(headers)))
    }
}

/// The state in these headers; none if it is invalid or too long, which has no bearing on `traceparent`.
fn state(headers: &HeaderMap) -> TraceState {
    let values = headers.get_all(&TRACESTATE).iter();
    let values: Option<Vec<_>> = values.map(|value| value.to_str().ok()).collect();
    let joined = values.unwrap_or_default().join(",");
    if joined.len() > MAX_STATE { TraceState::NONE } else { joined.parse().unwrap_or(TraceState::NONE) }
}

/// The parts of a valid `traceparent`.
#[derive(Debug, PartialEq, Eq)]
struct Parent<'a> {
    trace: &'a str,
    span: &'a str,
    flags: &'a str,
}

impl<'a> Parent<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hexadecimal(parts.next()?, 2)?;
        let (trace, span) = (hexadecimal(parts.next()?, 32)?, hexadecimal(parts.next()?, 16)?);
        let flags = hexadecimal(parts.next()?, 2)?;
        // A later version may have more; its first four parts are those of this one.
        let is_allowed = version != "ff" && (version != "00" || parts.next().is_none());
        let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
        (is_allowed && !is_zero(trace) && !is_zero(span)).then_some(Self { trace, span, flags })
    }
}

/// A number of so many hexadecimal digits, in lower case.
fn hexadecimal(text: &str, digits: usize) -> Option<&str> {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (text.len() == digits && text.bytes().all(is_digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[rstest]
    #[case::sampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(true))]
    #[case::not_sampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(false))]
    #[case::other_flags("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", Some(true))]
    #[case::later_version("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever", Some(true))]
    #[case::later_version_alone("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(true))]
    #[case::more_than_this_version_has("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", None)]
    #[case::forbidden_version("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None)]
    #[case::no_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None)]
    #[case::no_span("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None)]
    #[case::upper_case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None)]
    #[case::short_trace("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None)]
    #[case::short_flags("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", None)]
    #[case::longer_flags("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", None)]
    #[case::no_flags("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None)]
    #[case::empty("", None)]
    fn a_traceparent_is_read_by_the_standard(#[case] value: &str, #[case] sampled: Option<bool>) {
        let headers = headers(&[("traceparent", value)]);
        let trace = CallerTrace::of(&headers).unwrap();
        assert_eq!(trace.id(), sampled.map(|_| TRACE));
        let span = trace.span(&headers);
        assert_eq!(span.as_ref().map(SpanContext::is_sampled), sampled);
        if let Some(span) = span {
            assert_eq!(span.trace_id().to_string(), TRACE);
            assert_eq!((span.span_id().to_string().as_str(), span.is_remote()), ("00f067aa0ba902b7", true));
        }
    }

    #[test]
    fn of_two_traceparents_none_counts() {
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(CallerTrace::of(&headers(&[("traceparent", value), ("traceparent", value)])), None);
        assert_eq!(CallerTrace::of(&HeaderMap::new()), None);
    }

    #[rstest]
    #[case::one("a=1,b=2", "a=1,b=2")]
    #[case::invalid("a", "")]
    #[case::too_long(&format!("a={}", "x".repeat(512)), "")]
    fn a_tracestate_is_passed_on_if_it_is_valid(#[case] state: &str, #[case] passed: &str) {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = headers(&[("traceparent", parent), ("tracestate", state)]);
        let span = CallerTrace::of(&headers).unwrap().span(&headers).unwrap();
        assert_eq!(span.trace_state().header(), passed);
    }

    #[test]
    fn several_tracestates_are_one() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = headers(&[("traceparent", parent), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        let span = CallerTrace::of(&headers).unwrap().span(&headers).unwrap();
        assert_eq!(span.trace_state().header(), "a=1,b=2");
    }
}
