//! Assertions on KeyValue responses.

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::PreconditionFailure;
use prism_contract::keyvalue::request::{DeleteResponse, GetResponse, PutResponse, ScanResponse};
use prism_contract::keyvalue::{Entry, Item};

use crate::core::{Failure, Proof, Reply, Show, Stop, both_bytes, bytes, diverged, lacks};

impl Reply<PutResponse> {
    /// One result per item, with these `applied` flags.
    pub fn applied(&self, expected: &[bool]) -> Proof {
        let actual: Vec<bool> = self.results.iter().map(|result| result.applied).collect();
        self.same("applied", &expected, &actual.as_slice())
    }

    /// The version of the first item; the response must have a result for it.
    pub fn version(&self) -> Result<i64, Stop> {
        match self.results.first() {
            Some(result) => Ok(result.version),
            None => diverged(self.step, "one result per item", "no result"),
        }
    }
}

impl Reply<GetResponse> {
    /// Exactly these keys and values, in this order.
    pub fn holds<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, expected: &[(K, V)]) -> Proof {
        let same = expected.len() == self.items.len()
            && expected.iter().zip(&self.items).all(|((key, value), item)| {
                key.as_ref() == item.key.as_bytes() && value.as_ref() == item.value
            });
        if same {
            return Ok(());
        }
        let pairs = expected.iter().map(|(key, value)| Pair(key.as_ref(), value.as_ref()));
        let (expected, actual) = Show::show_both(&pairs.collect::<Vec<_>>(), &self.pairs());
        diverged(self.step, expected, actual)
    }

    /// Exactly these keys, in this order.
    pub fn has_keys<K: AsRef<[u8]>>(&self, expected: &[K]) -> Proof {
        let expected: Vec<_> = expected.iter().map(|key| Bytes::copy_from_slice(key.as_ref())).collect();
        let actual: Vec<_> = self.items.iter().map(|item| item.key.clone().into_bytes()).collect();
        self.same("keys", &expected, &actual)
    }

    /// No items and no token.
    pub fn is_empty(&self) -> Proof {
        self.holds::<&str, &str>(&[])?;
        self.is_last()
    }

    /// The last page: no token (PAGE-5).
    pub fn is_last(&self) -> Proof {
        self.expect(self.next_page_token.is_empty(), "no page token", "a page token")
    }

    /// The item at `key`, which must exist.
    pub fn item(&self, key: impl AsRef<[u8]>) -> Result<&Item, Stop> {
        match self.items.iter().find(|item| item.key.as_bytes() == key.as_ref()) {
            Some(item) => Ok(item),
            None => diverged(self.step, format!("an item at {}", bytes(key.as_ref())), self.pairs().show()),
        }
    }

    fn pairs(&self) -> Vec<Pair<'_>> {
        self.items.iter().map(|item| Pair(&item.key, &item.value)).collect()
    }
}

impl Reply<DeleteResponse> {
    /// This many live items were removed.
    pub fn counts(&self, expected: u64) -> Proof {
        self.same("deleted_count", &expected, &self.deleted_count)
    }
}

impl Reply<Vec<ScanResponse>> {
    /// The entries of all messages.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.iter().flat_map(|message| &message.entries)
    }

    /// Exactly these records and keys, in this order.
    pub fn has_keys<I: AsRef<str>, K: AsRef<[u8]>>(&self, expected: &[(I, K)]) -> Proof {
        let expected = expected.iter().map(|(id, key)| (id.as_ref(), Bytes::copy_from_slice(key.as_ref())));
        let expected: Vec<_> = expected.collect();
        let actual = self.entries().map(|entry| (entry.id.as_str(), entry.item.key.clone().into_bytes()));
        self.same("ids and keys", &expected, &actual.collect())
    }

    /// The token of the last message; empty if nothing is left.
    pub fn resume_token(&self) -> Bytes {
        self.last().map(|message| message.resume_token.clone()).unwrap_or_default()
    }
}

impl Reply<Failure> {
    /// Exactly these preconditions failed, with these current versions.
    pub fn names<K: AsRef<[u8]>>(&self, expected: &[(K, i64)]) -> Proof {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(key, version)| (key.as_ref(), *version)).collect();
        let actual: BTreeMap<_, _> = self
            .failed_preconditions
            .iter()
            .map(|failed| (&failed.key[..], failed.current_version))
            .collect();
        if !expected.is_empty() && actual.is_empty() {
            return self.expect(false, lists(&expected), lacks("google.rpc.PreconditionFailure"));
        }
        self.expect(expected == actual, lists(&expected), lists(&actual))
    }
}

/// Failed preconditions: their keys and current versions.
fn lists(failed: &BTreeMap<&[u8], i64>) -> String {
    if failed.is_empty() {
        return "no failed precondition".to_owned();
    }
    let failed = failed.iter().map(|(&key, &current_version)| {
        PreconditionFailure { key: Bytes::copy_from_slice(key), current_version }.show()
    });
    format!("failed preconditions: {}", failed.collect::<Vec<_>>().join(", "))
}

/// A key and its value.
#[derive(PartialEq)]
struct Pair<'a>(&'a [u8], &'a [u8]);

impl Show for Pair<'_> {
    fn show(&self) -> String {
        format!("{}={}", bytes(self.0), bytes(self.1))
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let (keys, values) = (both_bytes(expected.0, actual.0), both_bytes(expected.1, actual.1));
        (format!("{}={}", keys.0, values.0), format!("{}={}", keys.1, values.1))
    }
}
