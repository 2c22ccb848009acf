//! A YAML document as a tree of verbatim text with the location of each node, for error messages. Scalars are not resolved
//! to numbers or booleans: `1.10` and `010` stay strings, and each setting parses its own text.

use std::collections::HashMap;
use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

/// Maximum nodes of a document, aliases counted at each use: enough for ten thousand tokens.
const MAX_NODES: usize = 200_000;
/// Maximum nesting; the configuration itself needs six levels.
const MAX_DEPTH: usize = 32;

/// A location: line and column, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    line: usize,
    column: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<Span> for At {
    fn from(span: Span) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// A value and its location.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// The entries of a mapping, in source order.
type Entries = Vec<(Spanned<String>, Spanned<Node>)>;

/// A value by its shape alone; its type is up to the setting.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// No value: an empty one, `~` or `null` without quotes.
    Null,
    /// The verbatim text, without its quotes.
    Scalar(String),
    List(Vec<Spanned<Node>>),
    Map(Entries),
}

impl Node {
    /// The name of its shape, for error messages.
    pub(super) fn shape(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Null | Self::Scalar(_) => 1,
            Self::List(elements) => 1 + elements.iter().map(|node| node.value.count()).sum::<usize>(),
            Self::Map(entries) => 1 + entries.iter().map(|(_, node)| 1 + node.value.count()).sum::<usize>(),
        }
    }
}

/// A parse error and its location. It never repeats the text, which may contain a secret.
#[derive(Debug)]
pub(super) struct ParseError {
    pub(super) at: At,
    pub(super) why: String,
}

fn parse_error(at: impl Into<At>, why: impl Into<String>) -> ParseError {
    ParseError { at: at.into(), why: why.into() }
}

impl From<ScanError> for ParseError {
    fn from(error: ScanError) -> Self {
        let at = At { line: error.marker().line(), column: error.marker().col() + 1 };
        parse_error(at, error.kind().to_string())
    }
}

/// Parses a document.
pub(super) fn parse(text: &str) -> Result<Spanned<Node>, ParseError> {
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(text, options);
    Reader { parser, anchors: HashMap::new(), nodes: 0 }.document()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Spanned<Node>>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Spanned<Node>, ParseError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return Err(parse_error(span, "a second document begins here; one is allowed"));
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or(Spanned { value: Node::Null, at: At { line: 1, column: 1 } }))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), ParseError> {
        match self.parser.next_event() {
            Some(event) => Ok(event?),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Spanned<Node>, ParseError> {
        if depth > MAX_DEPTH {
            return Err(parse_error(span, format!("nests deeper than {MAX_DEPTH} levels")));
        }
        let mut count = 1;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), span)?, anchor),
            Event::SequenceStart(_, anchor, tag) => {
                only_tag("seq", tag.as_deref(), span)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                only_tag("map", tag.as_deref(), span)?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    count = node.value.count();
                    (node.value.clone(), 0)
                }
                None => return Err(parse_error(span, "an alias to the node that it is part of")),
            },
            _ => return Err(parse_error(span, "a value is missing")),
        };
        self.nodes += count;
        if self.nodes > MAX_NODES {
            return Err(parse_error(span, format!("holds more than {MAX_NODES} values")));
        }
        let node = Spanned { value, at: span.into() };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Node, ParseError> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Node::List(elements)),
                (event, span) => elements.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, ParseError> {
        let mut entries: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let (key, unquoted) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style == ScalarStyle::Plain),
                _ => return Err(parse_error(span, "a key is not a single value")),
            };
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            if unquoted && key == "<<" {
                merged.extend(merged_entries(value)?);
            } else if entries.iter().any(|(other, _)| other.value == key) {
                return Err(parse_error(span, "duplicate key"));
            } else {
                entries.push((Spanned { value: key, at: span.into() }, value));
            }
        }
        // Precedence: the mapping's own keys, then those merged by `<<`, earlier mappings first.
        for (key, value) in merged {
            if !entries.iter().any(|(other, _)| other.value == key.value) {
                entries.push((key, value));
            }
        }
        Ok(Node::Map(entries))
    }
}

/// The entries merged by `<<`: those of a mapping, or of a list of mappings.
fn merged_entries(node: Spanned<Node>) -> Result<Entries, ParseError> {
    match node.value {
        Node::Map(entries) => Ok(entries),
        Node::List(elements) => {
            Ok(elements.into_iter().map(merged_entries).collect::<Result<Vec<_>, _>>()?.concat())
        }
        Node::Null | Node::Scalar(_) => {
            Err(parse_error(node.at, "'<<' takes a mapping or a list of mappings"))
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Node, ParseError> {
    match tag.map(|tag| (tag.core_suffix(), tag.suffix())) {
        None if style == ScalarStyle::Plain && is_null(text) => Ok(Node::Null),
        Some((Some("null"), _)) => Ok(Node::Null),
        None | Some((Some("str" | "int" | "float" | "bool"), _) | (None, "")) => {
            Ok(Node::Scalar(text.to_owned()))
        }
        Some(_) => Err(parse_error(span, "a tag that is not allowed; leave it out")),
    }
}

fn only_tag(allowed: &str, tag: Option<&Tag>, span: Span) -> Result<(), ParseError> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(allowed) => {
            Err(parse_error(span, "a tag that is not allowed; leave it out"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether an unquoted scalar is null in YAML.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn texts(yaml: &str) -> Vec<String> {
        let Node::List(elements) = parse(yaml).unwrap().value else { panic!("not a list: {yaml}") };
        let text = |node: Spanned<Node>| match node.value {
            Node::Scalar(text) => text,
            other => other.shape().to_owned(),
        };
        elements.into_iter().map(text).collect()
    }

    #[rstest]
    #[case("[1.10, 010, 1e3, 0x1f, 1_0, 0o17]", &["1.10", "010", "1e3", "0x1f", "1_0", "0o17"])]
    #[case("[yes, No, on, true, FALSE]", &["yes", "No", "on", "true", "FALSE"])]
    #[case("[.inf, -.INF, .nan, +1, -0]", &[".inf", "-.INF", ".nan", "+1", "-0"])]
    #[case("['~', \"null\", 'NULL', '', \"\"]", &["~", "null", "NULL", "", ""])]
    #[case("[~, null, Null, NULL]", &["nothing"; 4])]
    #[case("[2001-01-01, 12:30:45, =, <<]", &["2001-01-01", "12:30:45", "=", "<<"])]
    #[case("[!!str 010, !!int 0x1f, !!str ~, !!null x]", &["010", "0x1f", "~", "nothing"])]
    #[case("[\"a\\x41\\n\", 'it''s']", &["aA\n", "it's"])]
    #[case("- |\n  a\n  b\n- >\n  a\n  b\n", &["a\nb\n", "a b\n"])]
    #[case("[&a 010, *a, *a]", &["010", "010", "010"])]
    fn a_scalar_is_kept_verbatim(#[case] yaml: &str, #[case] wanted: &[&str]) {
        assert_eq!(texts(yaml), wanted);
    }

    #[test]
    fn a_merged_mapping_adds_missing_keys_only() {
        let Node::Map(entries) = parse("{<<: [{a: 1, b: 2}, {a: 3, c: 4}], b: 5}").unwrap().value else {
            panic!("not a mapping")
        };
        let entries: Vec<_> = entries.iter().map(|(key, node)| (key.value.as_str(), &node.value)).collect();
        assert!(
            matches!(entries.as_slice(), [("b", Node::Scalar(b)), ("a", Node::Scalar(a)), ("c", _)] if b == "5" && a == "1")
        );
    }

    #[rstest]
    #[case("{a: 1, a: 2}", "1:8", "duplicate key")]
    #[case("a: 1\n---\nb: 2\n", "3:1", "a second document")]
    #[case("{[a]: 1}", "1:2", "a key is not a single value")]
    #[case("a: !secret hunter2", "1:12", "a tag that is not allowed")]
    #[case("&a [*a]", "1:5", "an alias")]
    #[case("<<: hunter2", "1:5", "takes a mapping")]
    #[case("[*hunter2]", "1:2", "unknown anchor")]
    #[case("a: [hunter2", "1:4", "unclosed bracket")]
    fn errors_name_the_location_and_never_the_text(#[case] yaml: &str, #[case] at: &str, #[case] why: &str) {
        let error = parse(yaml).unwrap_err();
        assert!(error.at.to_string().starts_with(at) && error.why.contains(why), "{error:?}");
        assert!(!error.why.contains("hunter2"), "{error:?}");
    }

    #[test]
    fn excessive_size_and_nesting_are_refused() {
        // The parser's own limit.
        assert_eq!(parse(&"[".repeat(10_000)).unwrap_err().why, "recursion limit exceeded");
        assert!(parse(&format!("{}1{}", "[".repeat(40), "]".repeat(40))).unwrap_err().why.contains("deeper"));
        let mut bomb = "- &a0 [x, x]\n".to_owned();
        for level in 1..31 {
            bomb += &format!("- &a{level} [*a{}, *a{}]\n", level - 1, level - 1);
        }
        assert!(parse(&bomb).unwrap_err().why.contains("more than"));
    }

    #[test]
    fn an_empty_document_is_null() {
        for yaml in ["", " ", "# a comment\n", "---\n", "\u{feff}"] {
            assert!(matches!(parse(yaml).unwrap().value, Node::Null), "{yaml:?}");
        }
    }
}
