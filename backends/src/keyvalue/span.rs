//! The remaining keys of a record: the predicate's bounds, cut at the end of the previous page.

use bytes::Bytes;
use prism_contract::keyvalue::{Direction, Key, Predicate};

/// A span of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Inclusive; empty: from the first key.
    pub(crate) start: Bytes,
    /// Exclusive; `None`: to the last key.
    pub(crate) end: Option<Bytes>,
}

impl Span {
    /// The part of a predicate's bounds beyond `after`, in the given direction.
    pub(crate) fn of(predicate: &Predicate, after: Option<&Key>, direction: Direction) -> Self {
        let bounds = predicate.bounds();
        let (mut start, mut end) = (bounds.start, bounds.end);
        match (after, direction) {
            (None, Direction::Forward | Direction::Reverse) => {}
            (Some(after), Direction::Forward) => start = start.max(successor(after)),
            (Some(after), Direction::Reverse) => {
                let after = after.clone().into_bytes();
                end = Some(end.map_or(after.clone(), |end| end.min(after)));
            }
        }
        Self { start, end }
    }
}

/// The least key above `key`.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

/// The keys of a set beyond `after` in the given direction, in key order.
pub(crate) fn keys_beyond<'a>(
    keys: &'a std::collections::BTreeSet<Key>,
    after: Option<&'a Key>,
    direction: Direction,
) -> impl Iterator<Item = &'a Key> {
    keys.iter().filter(move |key| match (after, direction) {
        (None, Direction::Forward | Direction::Reverse) => true,
        (Some(after), Direction::Forward) => *key > after,
        (Some(after), Direction::Reverse) => *key < after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &'static [u8]) -> Key {
        Key::new(bytes).unwrap()
    }

    fn span(start: &'static [u8], end: Option<&'static [u8]>) -> Span {
        Span { start: Bytes::from_static(start), end: end.map(Bytes::from_static) }
    }

    #[test]
    fn forward_the_next_page_starts_just_above_the_last_key() {
        let prefix = Predicate::prefix(Bytes::from_static(b"b")).unwrap();
        assert_eq!(Span::of(&prefix, Some(&key(b"bx")), Direction::Forward), span(b"bx\0", Some(b"c")));
        assert_eq!(Span::of(&prefix, Some(&key(b"a")), Direction::Forward), span(b"b", Some(b"c")));
        assert_eq!(Span::of(&Predicate::All, None, Direction::Forward), span(b"", None));
    }

    #[test]
    fn in_reverse_the_next_page_ends_below_the_last_key() {
        let prefix = Predicate::prefix(Bytes::from_static(b"b")).unwrap();
        assert_eq!(Span::of(&prefix, Some(&key(b"bx")), Direction::Reverse), span(b"b", Some(b"bx")));
        assert_eq!(Span::of(&prefix, Some(&key(b"d")), Direction::Reverse), span(b"b", Some(b"c")));
        assert_eq!(Span::of(&Predicate::All, Some(&key(b"x")), Direction::Reverse), span(b"", Some(b"x")));
    }

    #[test]
    fn named_keys_at_or_before_the_last_key_are_not_read_again() {
        let keys = [key(b"a"), key(b"b"), key(b"c")].into();
        let left = |direction| keys_beyond(&keys, Some(&key(b"b")), direction).cloned().collect::<Vec<_>>();
        assert_eq!(left(Direction::Forward), [key(b"c")]);
        assert_eq!(left(Direction::Reverse), [key(b"a")]);
    }
}
