//! An index of patterns: the time of a lookup depends on the lengths of the prefixes, not on the number of patterns.

use std::collections::{BTreeSet, HashMap};

use crate::config::Pattern;

/// Values by pattern.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    exact: HashMap<Box<str>, T>,
    prefixes: HashMap<Box<str>, T>,
    /// The lengths of the prefixes, each of which costs a lookup.
    lengths: BTreeSet<usize>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), prefixes: HashMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> Patterns<T> {
    /// The value of a pattern, added if it is new.
    pub(super) fn entry(&mut self, pattern: &Pattern) -> &mut T
    where
        T: Default,
    {
        match pattern {
            Pattern::Exactly(name) => self.exact.entry(name.as_str().into()).or_default(),
            Pattern::Prefix(prefix) => {
                self.lengths.insert(prefix.len());
                self.prefixes.entry(prefix.as_str().into()).or_default()
            }
        }
    }

    /// The values of all patterns that match `name`.
    pub(super) fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a T> {
        let prefixes = self.lengths.range(..=name.len()).filter_map(move |length| {
            // `None` within a character, where no prefix ends.
            name.get(..*length).and_then(|prefix| self.prefixes.get(prefix))
        });
        self.exact.get(name).into_iter().chain(prefixes)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("orders", &["orders", "o*", "*"])]
    #[case("orders-1", &["o*", "orders-*", "*"])]
    #[case("orders-", &["o*", "orders-*", "*"])]
    #[case("order", &["o*", "*"])]
    #[case("ordersx", &["o*", "*"])]
    #[case("my-orders-1", &["*"])]
    #[case("ö", &["ö*", "*"])]
    #[case("õ", &["*"])]
    #[case("", &["*"])]
    fn a_name_is_matched_by_itself_and_by_its_prefixes(#[case] name: &str, #[case] matching: &[&str]) {
        let mut patterns = Patterns::<String>::default();
        for pattern in ["orders", "o*", "orders-*", "ö*", "*"] {
            let parsed = match pattern.strip_suffix('*') {
                Some(prefix) => Pattern::Prefix(prefix.to_owned()),
                None => Pattern::Exactly(pattern.to_owned()),
            };
            *patterns.entry(&parsed) = pattern.to_owned();
        }
        let mut found: Vec<_> = patterns.matching(name).map(String::as_str).collect();
        let mut wanted = matching.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }
}
