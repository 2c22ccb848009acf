//! Storage paths, key order and key selection: the rules about names, order and predicates.

use prism_contract::Namespace;
use prism_contract::keyvalue::{Predicate, RecordId};

use super::disk::RecordPath;
use crate::keyvalue::mutants::{Bug, Flaw};

/// Sort key of an entry in an answer.
pub(super) type SortKey = (Vec<u8>, Vec<u8>);

impl Flaw {
    /// Storage path of a record (RT-4, ISO-1).
    pub(super) fn path(self, namespace: &Namespace, id: &RecordId) -> RecordPath {
        let (namespace, id) = (namespace.as_str().to_owned(), id.as_str().to_owned());
        if self.has(Bug::LeaksAcrossNamespaces) {
            return (String::new(), namespace + &id);
        }
        if self.has(Bug::FoldsCaseOfIds) {
            return (namespace, id.to_lowercase());
        }
        if self.has(Bug::NormalisesIds) {
            return (namespace, id.replace("e\u{301}", "é"));
        }
        if self.has(Bug::TrimsIds) {
            return (namespace, id.trim().to_owned());
        }
        (namespace, id)
    }

    /// The id of the record stored at `path`, if it belongs to `namespace` (ISO-1).
    pub(super) fn id_within(self, namespace: &Namespace, path: &RecordPath) -> Option<RecordId> {
        let belongs = if self.has(Bug::ScansByNamespacePrefix) {
            path.0.starts_with(namespace.as_str())
        } else {
            path.0 == namespace.as_str()
        };
        if self.has(Bug::LeaksAcrossNamespaces) {
            return RecordId::new(path.1.strip_prefix(namespace.as_str())?).ok();
        }
        belongs.then(|| RecordId::new(&path.1).ok())?
    }

    /// The bytes that a key is stored under (RT-3).
    pub(super) fn slot(self, key: &[u8]) -> Vec<u8> {
        if self.has(Bug::FoldsCase) {
            return key.to_ascii_lowercase();
        }
        if self.has(Bug::TruncatesKeysAtNul) {
            return key.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        }
        if self.has(Bug::ReadsKeysAsUtf8) {
            return String::from_utf8_lossy(key).into_owned().into_bytes();
        }
        if self.has(Bug::NormalisesKeys) {
            return String::from_utf8(key.to_vec())
                .map_or_else(|_| key.to_vec(), |text| text.replace("e\u{301}", "é").into_bytes());
        }
        if self.has(Bug::ReadsKeysAsNumbers) {
            let number = std::str::from_utf8(key).ok().and_then(|text| text.parse::<u64>().ok());
            return number.map_or_else(|| key.to_vec(), |number| number.to_string().into_bytes());
        }
        key.to_vec()
    }

    /// The bytes that a key is ordered by (ORD-1).
    fn order(self, key: &[u8]) -> Vec<u8> {
        if self.has(Bug::ComparesKeysAsText) {
            return [key.to_ascii_lowercase().as_slice(), &[0], key].concat();
        }
        if self.has(Bug::OrdersAsSignedBytes) {
            return key.iter().map(|byte| byte ^ 0x80).collect();
        }
        if self.has(Bug::OrdersShorterFirst) {
            return [&key.len().to_be_bytes(), key].concat();
        }
        key.to_vec()
    }

    /// Sort key of an entry in an answer: the bytes of its id, then of its key (ORD-1).
    pub(super) fn sort_key(self, id: &RecordId, key: &[u8], version: i64) -> SortKey {
        if self.has(Bug::ScanOrdersByInsertion) {
            return (Vec::new(), version.to_be_bytes().to_vec());
        }
        if self.has(Bug::ScanOrdersByConcatenatedText) {
            return (Vec::new(), [id.as_str().as_bytes(), key].concat());
        }
        if self.has(Bug::ScanFoldsCaseOfIds) {
            return (id.as_str().to_lowercase().into_bytes(), self.order(key));
        }
        (id.as_str().as_bytes().to_vec(), self.order(key))
    }

    /// Whether `predicate` selects `key` (PRED rules).
    pub(super) fn selects(self, predicate: &Predicate, key: &[u8]) -> bool {
        match predicate {
            Predicate::All => true,
            Predicate::Keys(keys) => keys.iter().any(|named| self.slot(named) == self.slot(key)),
            Predicate::Range { start, end } => self.is_within(key, start, end),
            Predicate::Prefix(prefix) => self.starts_with(key, prefix),
        }
    }

    fn is_within(self, key: &[u8], start: &[u8], end: &[u8]) -> bool {
        let (key, first, last) = (self.order(key), self.order(start), self.order(end));
        let from_start = if self.has(Bug::StartExclusive) { key > first } else { key >= first };
        let before_end = if self.has(Bug::EndInclusive) { key <= last } else { key < last };
        if end.is_empty() && !self.has(Bug::EmptyEndSelectsNothing) {
            return start.is_empty() || from_start;
        }
        (start.is_empty() || from_start) && before_end
    }

    fn starts_with(self, key: &[u8], prefix: &[u8]) -> bool {
        if self.has(Bug::LikeWithoutEscapes) {
            return is_like(key, prefix);
        }
        if self.has(Bug::LikeFoldsCase) {
            return key.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase());
        }
        if self.has(Bug::PrefixFfWrong) {
            return key >= prefix && key < next_by_last_byte(prefix).as_slice();
        }
        if self.has(Bug::EmptyPrefixSelectsNothing) && prefix.is_empty() {
            return false;
        }
        key.starts_with(prefix)
    }
}

/// SQL's LIKE with `prefix%`, without escaping the prefix.
fn is_like(key: &[u8], pattern: &[u8]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((b'%', rest)) => (0..=key.len()).any(|at| is_like(&key[at..], rest)),
        Some((b'_', rest)) => !key.is_empty() && is_like(&key[1..], rest),
        Some((byte, rest)) => key.first() == Some(byte) && is_like(&key[1..], rest),
    }
}

/// End of a prefix range, from an increment of the last byte alone: wrong for FF, which has no successor.
fn next_by_last_byte(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    match end.last_mut() {
        Some(last) => *last = last.saturating_add(1),
        None => end = vec![0xFF; 1_025],
    }
    end
}
