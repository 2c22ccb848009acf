//! The keys of a record that an operation selects.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;

use super::{Key, Limits};
use crate::Invalid;

/// A set of keys, valid once built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Predicate {
    /// Every key.
    All,
    /// These keys, without duplicates, in key order (PRED-4).
    Keys(BTreeSet<Key>),
    /// From `start` (inclusive; empty: the first) to `end` (exclusive; empty: past the last) (PRED-1).
    Range {
        /// Inclusive; empty: from the first key.
        start: Bytes,
        /// Exclusive; empty: to the last key.
        end: Bytes,
    },
    /// Keys that start with these bytes (PRED-3).
    Prefix(Bytes),
}

/// A span that contains all keys of a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Inclusive; empty: from the first key.
    pub start: Bytes,
    /// Exclusive; `None`: to the last key.
    pub end: Option<Bytes>,
}

impl Predicate {
    /// 1 to 1,000 keys; duplicates are dropped (PRED-4).
    pub fn keys(keys: impl IntoIterator<Item = Key>) -> Result<Self, Invalid> {
        let mut named = 0;
        let set: BTreeSet<Key> = keys.into_iter().inspect(|_| named += 1).collect();
        Self::check_count(named).map(|()| Self::Keys(set))
    }

    /// Whether a predicate may name this many keys.
    pub(super) fn check_count(named: usize) -> Result<(), Invalid> {
        if named == 0 || named > Limits::MATCH_KEYS {
            return Err(Invalid::new(format!("names {named} keys; 1 to {} are allowed", Limits::MATCH_KEYS)));
        }
        Ok(())
    }

    /// A range. Bounds have 0 to 1,025 bytes, one more than a key, so that a range can end with the longest key or begin
    /// after it. An empty or inverted range is refused (PRED-2).
    pub fn range(start: Bytes, end: Bytes) -> Result<Self, Invalid> {
        for (name, bound) in [("start", &start), ("end", &end)] {
            Self::check_bound(bound).map_err(|why| Invalid::new(format!("{name} {why}")))?;
        }
        Self::check_order(&start, &end)?;
        Ok(Self::Range { start, end })
    }

    /// Whether a bound of a range may have the length of `bound`.
    pub(super) fn check_bound(bound: &[u8]) -> Result<(), Invalid> {
        let (len, max) = (bound.len(), Limits::BOUND_BYTES);
        if len > max { Err(Invalid::length(len, 0, max)) } else { Ok(()) }
    }

    /// Whether a range with these bounds, empty if open, is neither empty nor inverted (PRED-2).
    pub(super) fn check_order(start: &[u8], end: &[u8]) -> Result<(), Invalid> {
        if !start.is_empty() && !end.is_empty() && start >= end {
            return Err(Invalid::new("start is not before end"));
        }
        Ok(())
    }

    /// A prefix of 0 to 1,024 bytes.
    pub fn prefix(prefix: Bytes) -> Result<Self, Invalid> {
        let max = Limits::V1.key_bytes as usize;
        if prefix.len() > max {
            return Err(Invalid::length(prefix.len(), 0, max));
        }
        Ok(Self::Prefix(prefix))
    }

    /// Whether `key` matches.
    pub fn matches(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Keys(keys) => keys.contains(key),
            Self::Range { start, end } => key >= start.as_ref() && (end.is_empty() || key < end.as_ref()),
            Self::Prefix(prefix) => key.starts_with(prefix),
        }
    }

    /// The span that contains every matching key. For all but [`Predicate::Keys`], every key within it matches.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::All => Bounds { start: Bytes::new(), end: None },
            Self::Keys(keys) => Bounds {
                start: keys.first().map_or_else(Bytes::new, |key| key.clone().into_bytes()),
                end: keys.last().map(|key| [key.as_bytes(), &[0]].concat().into()),
            },
            Self::Range { start, end } => {
                Bounds { start: start.clone(), end: (!end.is_empty()).then(|| end.clone()) }
            }
            Self::Prefix(prefix) => Bounds { start: prefix.clone(), end: successor_of_prefix(prefix) },
        }
    }
}

impl Bounds {
    /// The bounds as a standard range of byte strings.
    pub fn as_range(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(&self.start), self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The least byte string above every string that starts with `prefix`; `None` if there is none (all FF, or empty).
fn successor_of_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ending_in_ff_ends_before_the_next_shorter_string() {
        let bounds = |prefix: &'static [u8]| {
            let bounds = Predicate::prefix(Bytes::from_static(prefix)).unwrap().bounds();
            (bounds.start, bounds.end)
        };
        assert_eq!(bounds(b"a\xff"), (Bytes::from_static(b"a\xff"), Some(Bytes::from_static(b"b"))));
        assert_eq!(bounds(b"\xff\xff"), (Bytes::from_static(b"\xff\xff"), None));
        assert_eq!(bounds(b""), (Bytes::new(), None));
    }

    #[test]
    fn start_at_or_past_end_is_refused_and_an_open_end_is_not() {
        let range = |start: &'static [u8], end: &'static [u8]| {
            Predicate::range(Bytes::from_static(start), Bytes::from_static(end)).is_ok()
        };
        assert!(!range(b"b", b"a"));
        assert!(!range(b"a", b"a"));
        assert!(range(b"a", b"a\0"));
        assert!(range(b"a", b""));
        assert!(range(b"", b"a"));
    }

    #[test]
    fn a_bound_may_be_the_successor_of_the_longest_key_and_a_prefix_may_not() {
        let bytes = |length: usize| Bytes::from(vec![b'k'; length]);
        Predicate::range(bytes(1_025), Bytes::new()).unwrap();
        Predicate::range(Bytes::new(), bytes(1_025)).unwrap();
        for (start, end, name) in [(1_026, 0, "start"), (0, 1_026, "end")] {
            let refused = Predicate::range(bytes(start), bytes(end)).unwrap_err().into_string();
            assert_eq!(refused, format!("{name} is 1026 bytes; 0 to 1025 are allowed"));
        }
        Predicate::prefix(bytes(1_024)).unwrap();
        let refused = Predicate::prefix(bytes(1_025)).unwrap_err().into_string();
        assert_eq!(refused, "is 1025 bytes; 0 to 1024 are allowed");
    }

    #[test]
    fn bounds_contain_every_key_that_matches() {
        let key = |bytes: &'static [u8]| Key::new(bytes).unwrap();
        let keys = Predicate::keys([key(b"m"), key(b"c"), key(b"m")]).unwrap();
        let bounds = keys.bounds();
        assert_eq!(bounds.start, Bytes::from_static(b"c"));
        assert_eq!(bounds.end, Some(Bytes::from_static(b"m\0")));
        assert!(keys.matches(b"c") && keys.matches(b"m") && !keys.matches(b"d"));
    }
}
