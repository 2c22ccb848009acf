//! Lines of text as words: the lexer and the common parts of the parsers of operations.

use std::fmt;
use std::iter::Peekable;
use std::marker::PhantomData;
use std::str::FromStr;
use std::vec::IntoIter;

use bytes::Bytes;

/// Why a line is not an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// The outcome of parsing a part of a line.
pub(crate) type Parsed<T> = Result<T, ParseError>;

/// A parse error with this text.
pub(crate) fn error<T>(why: impl Into<String>) -> Parsed<T> {
    Err(ParseError(why.into()))
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Without quotes.
    Plain(String),
    /// Between quotes.
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

/// The words of a line that is to be a `T`; each `T` has its own methods.
pub(crate) struct Words<T>(pub(crate) Peekable<IntoIter<Word>>, PhantomData<T>);

/// Parses a line, all of it; an error names the line.
pub(crate) fn parse<T>(line: &str, of: impl FnOnce(&mut Words<T>) -> Parsed<T>) -> Parsed<T> {
    let whole = |words: Vec<Word>| {
        let mut words = Words(words.into_iter().peekable(), PhantomData);
        let parsed = of(&mut words)?;
        match words.0.next() {
            None => Ok(parsed),
            Some(word) => error(format!("unexpected {word}")),
        }
    };
    words(line).and_then(whole).map_err(|ParseError(why)| ParseError(format!("{why} in: {line}")))
}

/// Parses one `T` per line; empty lines and lines that begin with `#` are skipped.
pub(crate) fn parse_all<T: FromStr<Err = ParseError>>(text: &str) -> Result<Vec<T>, ParseError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

/// Bytes between quotes, all of them, so that they can be parsed again.
pub(crate) fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

impl<T> Words<T> {
    /// Takes this unquoted word, if it is next.
    pub(crate) fn skip(&mut self, word: &str) -> bool {
        self.0.next_if(|next| matches!(next, Word::Plain(plain) if plain == word)).is_some()
    }

    /// The next word, which has no quotes.
    pub(crate) fn unquoted(&mut self, what: &str) -> Parsed<String> {
        match self.0.next() {
            Some(Word::Plain(word)) => Ok(word),
            other => error(format!("{} found, {what} expected", found(other))),
        }
    }

    /// The next word, which has quotes.
    pub(crate) fn bytes(&mut self, what: &str) -> Parsed<Bytes> {
        match self.0.next() {
            Some(Word::Quoted(bytes)) => Ok(bytes),
            other => error(format!("{} found, {what} in quotes expected", found(other))),
        }
    }

    /// The next word, which has quotes and is UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Parsed<String> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes.to_vec()).or_else(|_| error(format!("{what} is not UTF-8")))
    }

    /// The next word, which is a number.
    pub(crate) fn number<N: FromStr>(&mut self) -> Parsed<N> {
        let word = self.unquoted("a number")?;
        word.parse().or_else(|_| error(format!("'{word}' is not a number")))
    }
}
