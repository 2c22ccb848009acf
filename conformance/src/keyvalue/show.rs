//! KeyValue's values in the texts of failures.

use std::fmt::Write;

use prism_contract::keyvalue::request::{ScanResponse, Ttl};
use prism_contract::keyvalue::{Capabilities, Capability, Entry, Item, Key, Limits, PutResult};

use super::clauses;
use crate::core::{Show, Version, both_bytes, bytes, span};

/// `"k"="v" version 17 …`, in the order of the transcript.
fn item(item: &Item, value: &str, content_type: &str) -> String {
    let mut text = format!("{}={value} {}", bytes(&item.key), Version(item.version).show());
    if !item.content_type.is_empty() {
        let _ = write!(text, " type {content_type}");
    }
    let _ = clauses::compression(&mut text, item.compression);
    let _ = clauses::token(&mut text, item.priority_token);
    let _ = write!(text, " created {} updated {}", item.created_at.show(), item.updated_at.show());
    if let Some(at) = item.expires_at {
        let _ = write!(text, " expires {}", at.show());
    }
    text
}

impl Show for Key {
    fn show(&self) -> String {
        bytes(self)
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        both_bytes(expected, actual)
    }
}

impl Show for Item {
    fn show(&self) -> String {
        item(self, &bytes(&self.value), &bytes(self.content_type.as_bytes()))
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let values = both_bytes(&expected.value, &actual.value);
        let types = both_bytes(expected.content_type.as_bytes(), actual.content_type.as_bytes());
        (item(expected, &values.0, &types.0), item(actual, &values.1, &types.1))
    }
}

impl Show for Entry {
    fn show(&self) -> String {
        format!("{} {}", bytes(self.id.as_str().as_bytes()), self.item.show())
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let with_id = |of: &Self, item: String| format!("{} {item}", bytes(of.id.as_str().as_bytes()));
        let (one, other) = Item::show_both(&expected.item, &actual.item);
        (with_id(expected, one), with_id(actual, other))
    }
}

impl Show for PutResult {
    fn show(&self) -> String {
        let applied = if self.applied { "applied" } else { "superseded" };
        format!("{applied} {}", Version(self.version).show())
    }
}

impl Show for ScanResponse {
    fn show(&self) -> String {
        let end = if self.resume_token.is_empty() { "no resume_token" } else { "a resume_token" };
        format!("a message of {} with {end}", self.entries.show())
    }
}

impl Show for Capabilities {
    fn show(&self) -> String {
        let names: Vec<_> = self.iter().map(Capability::name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Show for Limits {
    fn show(&self) -> String {
        let Self { id_bytes, key_bytes, value_bytes, put_items, put_bytes, page_items, page_bytes } = self;
        format!(
            "id_bytes {id_bytes}, key_bytes {key_bytes}, value_bytes {value_bytes}, put_items {put_items}, put_bytes \
             {put_bytes}, page_items {page_items}, page_bytes {page_bytes}"
        )
    }
}

/// `1.500s`, as protobuf's JSON has it. A malformed duration is shown by its fields, since it has no JSON form.
impl Show for Ttl {
    fn show(&self) -> String {
        let Self { seconds, nanos } = *self;
        let signs_agree = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
        if !signs_agree || nanos.unsigned_abs() >= 1_000_000_000 {
            return format!("{{seconds: {seconds}, nanos: {nanos}}}");
        }
        let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
        let length = std::time::Duration::new(seconds.unsigned_abs(), nanos.unsigned_abs());
        format!("{sign}{}", span(length))
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::Timestamp;

    use super::*;

    #[test]
    fn a_ttl_is_shown_as_in_json_or_by_its_fields() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (-3, 0, "-3s"),
            (0, -1, "-0.000000001s"),
            (1, -1, "{seconds: 1, nanos: -1}"),
            (-1, 1, "{seconds: -1, nanos: 1}"),
            (i64::MIN, i32::MIN, "{seconds: -9223372036854775808, nanos: -2147483648}"),
            (0, 1_000_000_000, "{seconds: 0, nanos: 1000000000}"),
        ] {
            assert_eq!(Ttl { seconds, nanos }.show(), text);
        }
    }

    #[test]
    fn items_and_capabilities_are_shown_by_the_names_of_the_wire() {
        let item = Item {
            key: Key::new("k").expect("a key"),
            value: "v".into(),
            content_type: "text/plain".to_owned(),
            compression: 1,
            version: 17,
            priority_token: 5,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            expires_at: Some(Timestamp::MAX),
        };
        assert_eq!(
            item.show(),
            "\"k\"=\"v\" version 17 type \"text/plain\" compression 1 token 5 created 1970-01-01T00:00:00.000000Z updated \
             1970-01-01T00:00:00.000000Z expires 9999-12-31T23:59:59.999999Z"
        );
        let declared = Capabilities::NONE.with(Capability::Expiry).with(Capability::Reverse);
        assert_eq!(declared.show(), "EXPIRY, REVERSE");
        assert_eq!(Capabilities::NONE.show(), "none");
    }
}
