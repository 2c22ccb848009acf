//! Parser for lines of text as operations.

use std::str::FromStr;

use super::text::UNITS;
use super::{Append, At, Delete, From, Histogram, Input, List, Op, Origin, Query, Space, Tail};
use crate::core::Restart;
use crate::core::line::{self, ParseError, Parsed, Word, Words, error};
use crate::timeseries::policies::POLICIES;

impl TryFrom<String> for Op {
    type Error = ParseError;

    fn try_from(line: String) -> Parsed<Self> {
        line.parse()
    }
}

impl FromStr for Op {
    type Err = ParseError;

    fn from_str(line: &str) -> Parsed<Self> {
        line::parse(line, Words::op)
    }
}

type Tags = Vec<(String, String)>;

impl Words<Op> {
    fn op(&mut self) -> Parsed<Op> {
        Ok(match self.unquoted("an operation")?.as_str() {
            "append" => Op::Append(self.append()?),
            "query" => Op::Query(self.query()?),
            "tail" => Op::Tail(self.tail()?),
            "list" => Op::List(self.list()?),
            "histogram" => Op::Histogram(self.histogram()?),
            "delete" => Op::Delete(self.delete()?),
            "advance" => Op::Advance(span(&self.unquoted("a span")?)?),
            "sweep" => Op::Sweep,
            "restart" => Op::Restart(match self.unquoted("clean or crash")?.as_str() {
                "clean" => Restart::Clean,
                "crash" => Restart::Crash,
                other => return error(format!("'{other}' is not a restart; clean and crash are allowed")),
            }),
            other => return error(format!("'{other}' is not an operation")),
        })
    }

    fn append(&mut self) -> Parsed<Append> {
        let (space, mut events) = (self.space()?, Vec::new());
        while matches!(self.0.peek(), Some(Word::Quoted(_))) {
            events.push(self.input()?);
            self.skip(",");
        }
        Ok(Append { space, events })
    }

    fn input(&mut self) -> Parsed<Input> {
        let (series, at, id) = (self.text("a series")?, self.at()?, self.bytes("an id")?);
        if !self.skip("=") {
            return error("an id without '='");
        }
        let payload = self.bytes("a payload")?;
        let content_type = if self.skip("type") { self.text("a content type")? } else { String::new() };
        Ok(Input { series, at, id, payload, content_type, tags: self.tags()? })
    }

    fn query(&mut self) -> Parsed<Query> {
        let (space, series) = (self.space()?, self.text("a series")?);
        let (start, end) = self.range()?;
        let tags = self.tags()?;
        let (reverse, without_payload) = (self.skip("reverse"), self.without_payload()?);
        let mut page_bytes = 0;
        if self.skip("page") {
            self.skip("of");
            page_bytes = self.number()?;
            self.skip("bytes");
        }
        let limit = self.limit()?;
        let cut = if self.skip("cut") { Some(self.number()?) } else { None };
        let next = self.skip("next");
        Ok(Query { space, series, start, end, tags, reverse, without_payload, page_bytes, limit, cut, next })
    }

    fn tail(&mut self) -> Parsed<Tail> {
        let space = self.space()?;
        let has_series = matches!(self.0.peek(), Some(Word::Quoted(_)));
        let series = if has_series { Some(self.text("a series")?) } else { None };
        let (tags, without_payload) = (self.tags()?, self.without_payload()?);
        let from = if self.skip("after") {
            From::Token(self.number()?)
        } else if self.skip("from") {
            match self.unquoted("beginning or now")?.as_str() {
                "beginning" => From::Beginning,
                "now" => From::Now,
                other => return error(format!("'{other}' is not where a Tail begins")),
            }
        } else {
            return error("a Tail without 'from' or 'after'");
        };
        Ok(Tail { space, series, tags, without_payload, from })
    }

    fn list(&mut self) -> Parsed<List> {
        let space = self.space()?;
        let prefix = if self.skip("prefix") { self.text("a prefix")? } else { String::new() };
        Ok(List { space, prefix, limit: self.limit()?, next: self.skip("next") })
    }

    fn histogram(&mut self) -> Parsed<Histogram> {
        let (space, series) = (self.space()?, self.text("a series")?);
        let (Some(start), Some(end)) = self.range()? else {
            return error("a histogram without both bounds");
        };
        if !self.skip("bucket") {
            return error("a histogram without a bucket");
        }
        let bucket = span(&self.unquoted("a span")?)?;
        Ok(Histogram { space, series, start, end, bucket, tags: self.tags()? })
    }

    fn delete(&mut self) -> Parsed<Delete> {
        let (space, series, all) = (self.space()?, self.text("a series")?, self.skip("all"));
        let (start, end) = self.range()?;
        if all == (start.is_some() || end.is_some()) {
            return error("a delete has either 'all' or a bound");
        }
        Ok(Delete { space, series, start, end })
    }

    fn space(&mut self) -> Parsed<Space> {
        let word = self.unquoted("a namespace")?;
        let found = POLICIES.iter().find_map(|policy| {
            let suffix = word.strip_prefix('$')?.strip_prefix(policy.prefix)?.strip_prefix("ns")?;
            Some(Space { policy: *policy, suffix: suffix.to_owned() })
        });
        found.map_or_else(|| error(format!("'{word}' is not a namespace; $free-ns is one")), Ok)
    }

    fn at(&mut self) -> Parsed<At> {
        let word = self.unquoted("a time")?;
        let (origin, offset) = match word.strip_prefix("now") {
            Some(offset) => (Origin::Now, offset),
            None => (Origin::Start, word.as_str()),
        };
        let micros = |text: &str| Ok(i64::try_from(span(text)?).unwrap_or(i64::MAX));
        let micros = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
            (Some(after), _) => micros(after)?,
            (_, Some(before)) => -micros(before)?,
            (None, None) if offset.is_empty() && origin == Origin::Now => 0,
            (None, None) => return error(format!("'{word}' is not a time; +1h and now-5m are")),
        };
        Ok(At { origin, micros })
    }

    fn range(&mut self) -> Parsed<(Option<At>, Option<At>)> {
        let start = if self.skip("from") { Some(self.at()?) } else { None };
        let end = if self.skip("to") { Some(self.at()?) } else { None };
        Ok((start, end))
    }

    fn tags(&mut self) -> Parsed<Tags> {
        let mut tags = Tags::new();
        while let Some(key) = self.tag_key() {
            if !self.skip("=") {
                return error("a tag without '='");
            }
            tags.push((key, self.text("a value")?));
        }
        Ok(tags)
    }

    fn tag_key(&mut self) -> Option<String> {
        let Some(Word::Plain(word)) = self.0.peek() else { return None };
        let key = word.strip_prefix('#')?.to_owned();
        self.0.next();
        Some(key)
    }

    fn without_payload(&mut self) -> Parsed<bool> {
        match (self.skip("without"), self.skip("payload")) {
            (false, false) => Ok(false),
            (true, true) => Ok(true),
            _ => error("'without payload' is one clause"),
        }
    }

    fn limit(&mut self) -> Parsed<u64> {
        if self.skip("limit") { self.number() } else { Ok(0) }
    }
}

/// Microseconds: numbers with units, such as `1h30m`.
fn span(text: &str) -> Parsed<u64> {
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = &after[..after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len())];
        let found = UNITS.iter().find(|(name, _)| *name == unit);
        let (Ok(number), Some((_, micros))) = (number.parse::<u64>(), found) else {
            return error(format!("'{text}' is not a span; 1h30m is one"));
        };
        total = total.saturating_add(number.saturating_mul(*micros));
        rest = &after[unit.len()..];
    }
    if text.is_empty() { error("a span is missing") } else { Ok(total) }
}
