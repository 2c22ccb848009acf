//! Parser for lines of text as operations.

use std::fmt;
use std::iter::Peekable;
use std::str::FromStr;
use std::vec::IntoIter;

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, SelectionInput};

use super::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};
use crate::core::Restart;

/// Why a line is not an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

type Parsed<T> = Result<T, ParseError>;

fn error<T>(why: impl Into<String>) -> Parsed<T> {
    Err(ParseError(why.into()))
}

impl TryFrom<String> for Op {
    type Error = ParseError;

    fn try_from(line: String) -> Parsed<Self> {
        line.parse()
    }
}

impl FromStr for Op {
    type Err = ParseError;

    fn from_str(line: &str) -> Parsed<Self> {
        let parsed = words(line).and_then(|words| Words(words.into_iter().peekable()).op());
        parsed.map_err(|ParseError(why)| ParseError(format!("{why} in: {line}")))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Plain(String),
    Quoted(Bytes),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(word) => write!(f, "'{word}'"),
            Self::Quoted(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// A word where another one is expected.
fn found(word: Option<Word>) -> String {
    word.map_or_else(|| "nothing".to_owned(), |word| word.to_string())
}

/// Splits a line at white space; quoted bytes stay together, and `=` and `,` are separate words.
fn words(line: &str) -> Parsed<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, len) = match first {
            '"' => quoted(rest)?,
            '=' | ',' => (Word::Plain(first.to_string()), 1),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "\"=,".contains(c));
                let plain = &rest[..end.unwrap_or(rest.len())];
                (Word::Plain(plain.to_owned()), plain.len())
            }
        };
        words.push(word);
        rest = rest[len..].trim_start();
    }
    Ok(words)
}

/// The quoted bytes at the start of `text`, and their length with quotes and escapes.
fn quoted(text: &str) -> Parsed<(Word, usize)> {
    let mut bytes = Vec::new();
    let mut chars = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = chars.next() {
        match byte {
            b'"' => return Ok((Word::Quoted(bytes.into()), at + 1)),
            b'\\' => {
                let escaped = chars.next().map(|(_, byte)| byte);
                bytes.push(match escaped {
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'n') => b'\n',
                    Some(b'0') => 0,
                    Some(same @ (b'"' | b'\'' | b'\\')) => same,
                    Some(b'x') => {
                        chars.nth(1);
                        let hex = text.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                        hex.map_or_else(|| error("'\\x' without two hex digits"), Ok)?
                    }
                    Some(_) | None => return error("unknown escape"),
                });
            }
            other => bytes.push(other),
        }
    }
    error("unterminated quote")
}

struct Words(Peekable<IntoIter<Word>>);

impl Words {
    fn op(mut self) -> Parsed<Op> {
        let op = match self.unquoted("an operation")?.as_str() {
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
        };
        match self.0.next() {
            None => Ok(op),
            Some(word) => error(format!("unexpected {word}")),
        }
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

    fn skip(&mut self, word: &str) -> bool {
        self.0.next_if(|next| matches!(next, Word::Plain(plain) if plain == word)).is_some()
    }

    fn unquoted(&mut self, what: &str) -> Parsed<String> {
        match self.0.next() {
            Some(Word::Plain(word)) => Ok(word),
            other => error(format!("{} found, {what} expected", found(other))),
        }
    }

    fn bytes(&mut self, what: &str) -> Parsed<Bytes> {
        match self.0.next() {
            Some(Word::Quoted(bytes)) => Ok(bytes),
            other => error(format!("{} found, {what} in quotes expected", found(other))),
        }
    }

    fn text(&mut self, what: &str) -> Parsed<String> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes.to_vec()).or_else(|_| error(format!("{what} is not UTF-8")))
    }

    fn number<N: FromStr>(&mut self) -> Parsed<N> {
        let word = self.unquoted("a number")?;
        word.parse().or_else(|_| error(format!("'{word}' is not a number")))
    }
}
