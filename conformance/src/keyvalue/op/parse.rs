//! Parser for lines of text as operations.

use std::str::FromStr;

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, SelectionInput};

use super::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};
use crate::core::Restart;
use crate::core::line::{self, ParseError, Parsed, Word, Words, error};

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

impl Words<Op> {
    fn op(&mut self) -> Parsed<Op> {
        Ok(match self.unquoted("an operation")?.as_str() {
            "put" => Op::Put(self.put()?),
            "get" => Op::Get(self.get()?),
            "delete" => Op::Delete(self.delete()?),
            "scan" => Op::Scan(self.scan()?),
            "describe" => Op::Describe(self.space()?),
            "advance" => Op::Advance(self.span()?),
            "sweep" => Op::Sweep,
            "restart" => Op::Restart(match self.unquoted("clean or crash")?.as_str() {
                "clean" => Restart::Clean,
                "crash" => Restart::Crash,
                other => return error(format!("'{other}' is not a restart; clean and crash are allowed")),
            }),
            other => return error(format!("'{other}' is not an operation")),
        })
    }

    fn put(&mut self) -> Parsed<Put> {
        let (space, id) = (self.space()?, self.id()?);
        let mut put = Put { space, id, items: vec![], token: 0, ttl: None, when: vec![] };
        while let Some(Word::Quoted(key)) = self.0.peek().cloned() {
            self.0.next();
            if !self.skip("=") {
                return error("a key without '='");
            }
            put.items.push(ItemInput { key, value: self.bytes("a value")?, ..ItemInput::default() });
            let Some(item) = put.items.last_mut() else { continue };
            if self.skip("type") {
                item.content_type = self.text("a content type")?;
            }
            if self.skip("compression") {
                item.compression = self.number()?;
            }
        }
        put.token = self.token()?;
        put.ttl = if self.skip("ttl") { Some(self.number()?) } else { None };
        put.when = self.when()?;
        Ok(put)
    }

    fn get(&mut self) -> Parsed<Get> {
        Ok(Get {
            space: self.space()?,
            id: self.id()?,
            predicate: self.predicate()?,
            selection: self.selection()?,
            page: self.page(),
        })
    }

    fn delete(&mut self) -> Parsed<Delete> {
        Ok(Delete {
            space: self.space()?,
            id: self.id()?,
            predicate: self.predicate()?,
            token: self.token()?,
            when: self.when()?,
        })
    }

    fn scan(&mut self) -> Parsed<Scan> {
        let space = self.space()?;
        let id = matches!(self.0.peek(), Some(Word::Quoted(_))).then(|| self.id()).transpose()?;
        let (predicate, selection) = (self.predicate()?, self.selection()?);
        let limit = if self.skip("limit") { self.number()? } else { 0 };
        let cut = if self.skip("cut") { Some(self.number()?) } else { None };
        Ok(Scan { space, id, predicate, selection, limit, cut, page: self.page() })
    }

    fn space(&mut self) -> Parsed<Space> {
        let word = self.unquoted("a namespace")?;
        match word.strip_prefix("$ns") {
            Some(suffix) => Ok(Space(suffix.to_owned())),
            None => error(format!("'{word}' is not a namespace; $ns and a suffix are expected")),
        }
    }

    fn id(&mut self) -> Parsed<String> {
        self.text("an id")
    }

    fn span(&mut self) -> Parsed<Span> {
        let almost = self.skip("almost");
        match (self.unquoted("a number of ticks")?.as_str(), almost) {
            ("retention", false) => Ok(Span::Retention),
            ("retention", true) => Ok(Span::AlmostRetention),
            ("microsecond", false) => Ok(Span::Microsecond),
            (ticks, almost) => match ticks.parse() {
                Ok(ticks) => Ok(if almost { Span::Almost(ticks) } else { Span::Ticks(ticks) }),
                Err(_) => error(format!("'{ticks}' is not a number of ticks")),
            },
        }
    }

    fn predicate(&mut self) -> Parsed<Option<KeyPredicate>> {
        Ok(Some(if self.skip("unset") {
            KeyPredicate::Unset
        } else if self.skip("all") {
            KeyPredicate::MatchAll
        } else if self.skip("prefix") {
            KeyPredicate::MatchPrefix(self.bytes("a prefix")?)
        } else if self.skip("range") {
            let start = self.bytes("a start")?;
            if !self.skip("..") {
                return error("a range without '..'");
            }
            KeyPredicate::MatchRange { start, end: self.bytes("an end")? }
        } else if self.keys_follow() {
            self.skip("keys");
            KeyPredicate::MatchKeys(self.keys()?)
        } else {
            return Ok(None);
        }))
    }

    /// `keys` begins a predicate, unless it is the `keys only` of a selection.
    fn keys_follow(&mut self) -> bool {
        let mut ahead = self.0.clone();
        ahead.next() == Some(Word::Plain("keys".to_owned()))
            && ahead.next() != Some(Word::Plain("only".to_owned()))
    }

    fn keys(&mut self) -> Parsed<Vec<Bytes>> {
        let mut keys = Vec::new();
        while matches!(self.0.peek(), Some(Word::Quoted(_))) {
            keys.push(self.bytes("a key")?);
            self.skip(",");
        }
        Ok(keys)
    }

    fn selection(&mut self) -> Parsed<SelectionInput> {
        let mut selection = SelectionInput::default();
        if self.skip("page") {
            self.skip("of");
            selection.item_limit = self.number()?;
        }
        if self.skip("bytes") {
            selection.page_size_bytes = self.number()?;
        }
        if self.skip("keys") {
            selection.keys_only = self.skip("only");
        }
        selection.reverse = self.skip("reverse");
        Ok(selection)
    }

    fn page(&mut self) -> Page {
        let pages = [("next", Page::Next), ("foreign", Page::Foreign), ("broken", Page::Broken)];
        pages.into_iter().find(|(word, _)| self.skip(word)).map_or(Page::First, |(_, page)| page)
    }

    fn token(&mut self) -> Parsed<i64> {
        if self.skip("token") { self.number() } else { Ok(0) }
    }

    fn when(&mut self) -> Parsed<Vec<(Bytes, At)>> {
        let mut when = Vec::new();
        while self.skip("if") {
            let key = self.bytes("a key")?;
            let at = match self.unquoted("a version")?.as_str() {
                "current" => At::Current,
                "stale" => At::Stale,
                "absent" => At::Absent,
                number => match number.parse() {
                    Ok(number) => At::Number(number),
                    Err(_) => return error(format!("'{number}' is not a version")),
                },
            };
            when.push((key, at));
        }
        Ok(when)
    }
}
