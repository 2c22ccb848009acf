//! The names of `prism.common.Compression` in JSON lines: lower case, without the prefix.

use prism_proto::common::Compression;
use serde_json::Value;

const PREFIX: &str = "COMPRESSION_";

/// The name of a number; `None` for 0 (unspecified) and for a number without a name.
pub(in super::super) fn name(number: i32) -> Option<String> {
    let known = Compression::try_from(number).ok().filter(|known| *known != Compression::Unspecified)?;
    known.as_str_name().strip_prefix(PREFIX).map(str::to_ascii_lowercase)
}

/// A compression in JSON: its name, or its number if it has none; `None` for 0 (unspecified).
pub(in super::super) fn json(number: i32) -> Option<Value> {
    name(number).map(Value::from).or_else(|| (number != 0).then(|| number.into()))
}

/// The number of a name; `None`: unknown.
pub(super) fn number(name: &str) -> Option<i32> {
    let lower_case = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let known = Compression::from_str_name(&format!("{PREFIX}{}", name.to_ascii_uppercase()))?;
    (lower_case && known != Compression::Unspecified).then_some(known as i32)
}

/// All names, in the order of their numbers.
pub(super) fn known_names() -> Vec<String> {
    (1..).map_while(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_maps_to_its_number() {
        assert_eq!(known_names(), ["gzip", "zstd", "lz4", "snappy", "brotli"]);
        for (at, known) in (1..).zip(known_names()) {
            assert_eq!(number(&known), Some(at));
        }
        for unknown in ["", "GZIP", "unspecified", "bzip2", "COMPRESSION_GZIP"] {
            assert_eq!(number(unknown), None, "{unknown}");
        }
    }
}
