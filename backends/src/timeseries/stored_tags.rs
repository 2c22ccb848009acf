//! Tags as one column: NUL before, between and after the tags, each as `key=value`; nothing at all if there are none. No key
//! has a `=`, and neither a key nor a value has a NUL, so an event has a tag if the tag with its two NULs is a part of the
//! column: SQL can tell.

use prism_contract::Invalid;
use prism_contract::timeseries::Tags;

/// The column of an event with these tags.
pub(crate) fn encode(tags: &Tags) -> Vec<u8> {
    let mut column = Vec::new();
    for (key, value) in tags.iter() {
        column.push(0);
        push(&mut column, key, value);
    }
    if !column.is_empty() {
        column.push(0);
    }
    column
}

/// For each tag, the bytes that the column of an event with this tag has.
pub(crate) fn needles(tags: &Tags) -> Vec<Vec<u8>> {
    let needle = |(key, value): (&str, &str)| {
        let mut needle = vec![0];
        push(&mut needle, key, value);
        needle.push(0);
        needle
    };
    tags.iter().map(needle).collect()
}

/// Reads a column.
pub(crate) fn decode(column: &[u8]) -> Result<Tags, Invalid> {
    let damaged = || Invalid::new("are damaged tags");
    let text = std::str::from_utf8(column).map_err(|_| damaged())?;
    if text.is_empty() {
        return Ok(Tags::default());
    }
    let tags = text.strip_prefix('\0').and_then(|rest| rest.strip_suffix('\0')).ok_or_else(damaged)?;
    let tag = |tag: &str| tag.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    Tags::new(tags.split('\0').map(tag).collect::<Option<Vec<_>>>().ok_or_else(damaged)?)
}

fn push(column: &mut Vec<u8>, key: &str, value: &str) {
    column.extend_from_slice(key.as_bytes());
    column.push(b'=');
    column.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[(&str, &str)]) -> Tags {
        Tags::new(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
    }

    #[test]
    fn tags_read_back() {
        for tags in [tags(&[]), tags(&[("a", "")]), tags(&[("a", "=x="), ("b", "é"), ("c.d", "")])] {
            assert_eq!(decode(&encode(&tags)).unwrap(), tags);
        }
        for damaged in [&b"\0"[..], b"a=1", b"\0a=1", b"\0a\0", b"\0\xff=1\0"] {
            assert!(decode(damaged).is_err(), "{}", damaged.escape_ascii());
        }
    }

    #[test]
    fn a_needle_is_in_the_column_of_the_events_with_its_tag_only() {
        let has = |column: &[u8], needle: &[u8]| column.windows(needle.len()).any(|part| part == needle);
        let filters = [("a", "1"), ("a", ""), ("b", "=2"), ("b", "2"), ("aa", "1"), ("a", "11")];
        for event in [tags(&[("a", "1")]), tags(&[("a", ""), ("b", "=2")]), tags(&[("aa", "1"), ("b", "2")])]
        {
            for filter in filters {
                let filter = tags(&[filter]);
                assert_eq!(has(&encode(&event), &needles(&filter)[0]), filter.match_all(&event));
            }
        }
    }
}
