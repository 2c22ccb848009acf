//! Parses a line: JSON first, then the contract's limits, so that errors are reported before anything is sent.

mod full;

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::{Key, Limits, NewItem, RecordId};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

pub(in super::super) use self::full::parse_full;
use super::{Line, LineItem, MAX_LINE_BYTES, compression};
use crate::client::time;

const LIMITS: Limits = Limits::V1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    id: String,
    #[serde(deserialize_with = "bounded_items")]
    items: Vec<RawItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    content_type: Option<String>,
    compression: Option<RawCompression>,
    expires_at: Option<String>,
    // Only in lines of a full export.
    version: Option<i64>,
    priority_token: Option<i64>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "compression must be a 32-bit number or a name")]
enum RawCompression {
    Number(i32),
    Name(String),
}

/// Parses a line without its newline. The error states the fault and what is allowed, but not the line number.
pub(in super::super) fn parse(line: &[u8]) -> Result<Line, String> {
    let (id, items) = raw(line)?;
    let items = items.into_iter().enumerate();
    let items: Vec<_> = items.map(|(at, item)| basic_item(at, item)).collect::<Result<_, _>>()?;
    let line = Line { id, items };
    check_line(&line)?;
    Ok(line)
}

fn raw(line: &[u8]) -> Result<(RecordId, Vec<RawItem>), String> {
    if line.len() > MAX_LINE_BYTES {
        return Err(too_long());
    }
    if line.trim_ascii().is_empty() {
        return Err("the line is empty; each line is a JSON object with the members id and items".to_owned());
    }
    let RawLine { id, items } = serde_json::from_slice(line).map_err(|error| json_error(&error))?;
    Ok((RecordId::new(&id).map_err(|why| format!("id {why}"))?, items))
}

/// The error for a line above [`MAX_LINE_BYTES`].
pub(in super::super) fn too_long() -> String {
    format!(
        "the line is longer than {MAX_LINE_BYTES} bytes, which no Put can hold; at most {} items and {} bytes \
             of keys and values are allowed",
        LIMITS.put_items, LIMITS.put_bytes
    )
}

/// The parser's message without its "at line 1": the caller knows the real line number.
pub(in super::super) fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (fault, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    format!("{fault} (at byte {} of the line)", error.column())
}

fn check_line(line: &Line) -> Result<(), String> {
    if line.items.is_empty() {
        return Err(format!("items is empty; 1 to {} are allowed", LIMITS.put_items));
    }
    let (bytes, max) = (line.bytes(), LIMITS.put_bytes as usize);
    if bytes > max {
        return Err(format!(
            "keys and values are {bytes} bytes together; at most {max} are allowed on a line"
        ));
    }
    let mut seen = HashSet::with_capacity(line.items.len());
    match line.items.iter().position(|item| !seen.insert(item.item.key.as_bytes())) {
        Some(at) => Err(format!("items[{at}] repeats the key of an earlier item; each key is allowed once")),
        None => Ok(()),
    }
}

/// An item to import through a server. Versions and times are refused: the server assigns its own, and ignoring them silently
/// would hide that they are lost.
fn basic_item(at: usize, raw: RawItem) -> Result<LineItem, String> {
    let full_only = [
        ("version", raw.version.is_some()),
        ("priority_token", raw.priority_token.is_some()),
        ("created_at", raw.created_at.is_some()),
        ("updated_at", raw.updated_at.is_some()),
    ];
    match full_only.into_iter().find(|(_, is_present)| *is_present) {
        Some((name, _)) => Err(format!(
            "items[{at}].{name} belongs to a full export, and a server assigns its own; import with --full to keep it, or \
             import an export made without --full"
        )),
        None => item_at(at, raw),
    }
}

fn item_at(at: usize, raw: RawItem) -> Result<LineItem, String> {
    let in_item = |why: String| format!("items[{at}].{why}");
    let key = bytes_of("key", raw.key, raw.key_base64).map_err(in_item)?;
    let key = Key::new(key).map_err(|why| in_item(format!("key {why}")))?;
    let value = bytes_of("value", raw.value, raw.value_base64).map_err(in_item)?;
    at_most("value", value.len(), LIMITS.value_bytes as usize).map_err(in_item)?;
    let content_type = raw.content_type.unwrap_or_default();
    at_most("content_type", content_type.len(), Limits::CONTENT_TYPE_BYTES).map_err(in_item)?;
    let compression = compression_of(raw.compression).map_err(in_item)?;
    let expires_at = expiry_of(raw.expires_at.as_deref()).map_err(in_item)?;
    Ok(LineItem { item: NewItem { key, value, content_type, compression }, expires_at })
}

fn at_most(name: &str, len: usize, max: usize) -> Result<(), String> {
    if len > max { Err(format!("{name} is {len} bytes; 0 to {max} are allowed")) } else { Ok(()) }
}

fn bytes_of(name: &str, text: Option<String>, base64: Option<String>) -> Result<Bytes, String> {
    optional_bytes(name, text, base64)?.ok_or_else(|| {
        format!("{name} is missing; give {name}, or {name}_base64 for bytes that are not UTF-8")
    })
}

/// The bytes of the member `name`, or of `name_base64`; `None`: neither is given.
pub(in super::super) fn optional_bytes(
    name: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Option<Bytes>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(base64)) => STANDARD.decode(base64).map(|bytes| Some(bytes.into())).map_err(|_| {
            format!("{name}_base64 is not base64; the standard alphabet with padding is allowed")
        }),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err(format!("{name} is given twice, as {name} and as {name}_base64; one is allowed"))
        }
    }
}

fn compression_of(raw: Option<RawCompression>) -> Result<i32, String> {
    match raw {
        None => Ok(0),
        Some(RawCompression::Number(number)) => Ok(number),
        Some(RawCompression::Name(name)) => compression::number(&name).ok_or_else(|| {
            format!(
                "compression is unknown; a number or one of {} is allowed",
                compression::known_names().join(", ")
            )
        }),
    }
}

fn expiry_of(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(time::parse).transpose().map_err(|why| format!("expires_at {why}"))
}

/// Reads at most one item more than is allowed: bounds the memory that a hostile line can take.
fn bounded_items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawItem>, D::Error> {
    struct Items;

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<RawItem>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == LIMITS.put_items as usize {
                    let why = format!(
                        "items holds more than {} items; 1 to {} are allowed on a line; \
                                       the same id may be on several lines",
                        LIMITS.put_items, LIMITS.put_items
                    );
                    return Err(A::Error::custom(why));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items)
}
