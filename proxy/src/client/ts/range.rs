//! The options that select events: times and tags.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use prism_contract::{TimeInput, Timestamp};
use prism_wire::clock::{Clock, SystemClock};

use super::line::time_input;
use crate::client::time::{parse, parse_duration};

/// A range of times.
#[derive(Debug, Clone, Args)]
pub(super) struct RangeArgs {
    /// Only events of the last SPAN, such as 15m, 1h or 7d
    #[arg(long, value_name = "SPAN", value_parser = parse_duration, conflicts_with = "from")]
    since: Option<Duration>,

    /// Only events from this time on (itself included), such as 2030-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,

    /// Only events before this time (itself excluded)
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
}

impl RangeArgs {
    /// The bounds of a request; `--since` counts from the clock of this machine.
    pub(super) fn bounds(&self) -> (Option<TimeInput>, Option<TimeInput>) {
        let since = self.since.map(|span| SystemClock.now().saturating_sub(span).max(Timestamp::EPOCH));
        (self.from.or(since).map(time_input), self.to.map(time_input))
    }

    /// Whether it names a bound.
    pub(super) fn is_given(&self) -> bool {
        self.since.is_some() || self.from.is_some() || self.to.is_some()
    }
}

/// Tags that events must have.
#[derive(Debug, Clone, Args)]
pub(super) struct TagArgs {
    /// Only events with this tag; may be repeated: an event must have all
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

impl TagArgs {
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        self.tags.iter().cloned().collect()
    }
}

/// Parses a time of an event.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let time = parse(text).map_err(|why| format!("it {why}"))?;
    if time < Timestamp::EPOCH {
        return Err("it is before 1970, where no event can be".to_owned());
    }
    Ok(time)
}

/// Parses a tag.
pub(super) fn tag(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("it is not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_split_at_its_first_equals_sign() {
        assert_eq!(tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(tag("a="), Ok(("a".to_owned(), String::new())));
        assert_eq!(tag("a"), Err("it is not KEY=VALUE"));
    }

    #[test]
    fn a_time_before_1970_is_refused() {
        assert!(time("1969-12-31T23:59:59Z").unwrap_err().contains("before 1970"));
        assert!(time("soon").unwrap_err().starts_with("it is not a time"));
        assert_eq!(time("1970-01-01T00:00:00Z"), Ok(Timestamp::EPOCH));
    }
}
