//! Operations as lines of text.

use std::fmt::{self, Display, Formatter};

use super::{Append, At, Delete, From, Histogram, Input, List, Op, Origin, Query, Space, Tail};
use crate::core::Restart;
use crate::core::line::quote;

/// Units of time and their microseconds, the largest first.
pub(super) const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl std::convert::From<Op> for String {
    fn from(op: Op) -> Self {
        op.to_string()
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(append) => append.fmt(f),
            Self::Query(query) => query.fmt(f),
            Self::Tail(tail) => tail.fmt(f),
            Self::List(list) => list.fmt(f),
            Self::Histogram(histogram) => histogram.fmt(f),
            Self::Delete(delete) => delete.fmt(f),
            Self::Advance(by) => write!(f, "advance {}", Span(*by)),
            Self::Sweep => f.write_str("sweep"),
            Self::Restart(Restart::Clean) => f.write_str("restart clean"),
            Self::Restart(Restart::Crash) => f.write_str("restart crash"),
        }
    }
}

impl Display for Space {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "${}ns{}", self.policy.prefix, self.suffix)
    }
}

/// Microseconds in the largest units: `1h30m`.
struct Span(u64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, micros) in UNITS {
            if left >= micros {
                write!(f, "{}{unit}", left / micros)?;
                left %= micros;
            }
        }
        Ok(())
    }
}

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { '-' } else { '+' };
        match (self.origin, self.micros) {
            (Origin::Now, 0) => f.write_str("now"),
            (Origin::Now, micros) => write!(f, "now{sign}{}", Span(micros.unsigned_abs())),
            (Origin::Start, micros) => write!(f, "{sign}{}", Span(micros.unsigned_abs())),
        }
    }
}

impl Display for Append {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "append {}", self.space)?;
        for (at, event) in self.events.iter().enumerate() {
            write!(f, "{} {event}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Display for Input {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { series, at, id, payload, content_type, tags } = self;
        write!(f, "{} {at} {}={}", quote(series.as_bytes()), quote(id), quote(payload))?;
        if !content_type.is_empty() {
            write!(f, " type {}", quote(content_type.as_bytes()))?;
        }
        self::tags(f, tags)
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "query {} {}", self.space, quote(self.series.as_bytes()))?;
        range(f, self.start, self.end)?;
        tags(f, &self.tags)?;
        flag(f, self.reverse, "reverse")?;
        flag(f, self.without_payload, "without payload")?;
        if self.page_bytes > 0 {
            write!(f, " page of {} bytes", self.page_bytes)?;
        }
        limit(f, self.limit)?;
        if let Some(cut) = self.cut {
            write!(f, " cut {cut}")?;
        }
        flag(f, self.next, "next")
    }
}

impl Display for Tail {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "tail {}", self.space)?;
        if let Some(series) = &self.series {
            write!(f, " {}", quote(series.as_bytes()))?;
        }
        tags(f, &self.tags)?;
        flag(f, self.without_payload, "without payload")?;
        match self.from {
            From::Beginning => f.write_str(" from beginning"),
            From::Now => f.write_str(" from now"),
            From::Token(age) => write!(f, " after {age}"),
        }
    }
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "list {}", self.space)?;
        if !self.prefix.is_empty() {
            write!(f, " prefix {}", quote(self.prefix.as_bytes()))?;
        }
        limit(f, self.limit)?;
        flag(f, self.next, "next")
    }
}

impl Display for Histogram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "histogram {} {}", self.space, quote(self.series.as_bytes()))?;
        range(f, Some(self.start), Some(self.end))?;
        write!(f, " bucket {}", Span(self.bucket))?;
        tags(f, &self.tags)
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "delete {} {}", self.space, quote(self.series.as_bytes()))?;
        flag(f, self.start.is_none() && self.end.is_none(), "all")?;
        range(f, self.start, self.end)
    }
}

fn range(f: &mut Formatter<'_>, start: Option<At>, end: Option<At>) -> fmt::Result {
    if let Some(start) = start {
        write!(f, " from {start}")?;
    }
    if let Some(end) = end {
        write!(f, " to {end}")?;
    }
    Ok(())
}

fn tags(f: &mut Formatter<'_>, tags: &[(String, String)]) -> fmt::Result {
    for (key, value) in tags {
        write!(f, " #{key}={}", quote(value.as_bytes()))?;
    }
    Ok(())
}

fn limit(f: &mut Formatter<'_>, limit: u64) -> fmt::Result {
    if limit > 0 { write!(f, " limit {limit}") } else { Ok(()) }
}

fn flag(f: &mut Formatter<'_>, is_set: bool, word: &str) -> fmt::Result {
    if is_set { write!(f, " {word}") } else { Ok(()) }
}
