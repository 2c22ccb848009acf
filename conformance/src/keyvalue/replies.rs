//! Assertions on KeyValue responses.

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::keyvalue::request::{DeleteResponse, GetResponse, PutResponse, ScanResponse};
use prism_contract::keyvalue::{Entry, Item};

use crate::core::{Failure, Proof, Reply, Stop, bytes, diverged};

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
        let expected = expected.iter().map(|(key, value)| pair(key.as_ref(), value.as_ref()));
        self.expect(same, list(expected), self.pairs())
    }

    /// Exactly these keys, in this order.
    pub fn has_keys<K: AsRef<[u8]>>(&self, expected: &[K]) -> Proof {
        let expected: Vec<_> = expected.iter().map(|key| bytes(key.as_ref())).collect();
        let actual: Vec<_> = self.items.iter().map(|item| bytes(&item.key)).collect();
        self.expect(expected == actual, format!("keys {}", list(expected)), format!("keys {}", list(actual)))
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
            None => diverged(self.step, format!("an item at {}", bytes(key.as_ref())), self.pairs()),
        }
    }

    fn pairs(&self) -> String {
        list(self.items.iter().map(|item| pair(&item.key, &item.value)))
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
        let expected = expected.iter().map(|(id, key)| format!("{} {}", id.as_ref(), bytes(key.as_ref())));
        let expected: Vec<_> = expected.collect();
        let actual: Vec<_> =
            self.entries().map(|entry| format!("{} {}", entry.id.as_str(), bytes(&entry.item.key))).collect();
        self.expect(expected == actual, list(expected), list(actual))
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
            expected.iter().map(|(key, version)| (bytes(key.as_ref()), *version)).collect();
        let actual: BTreeMap<_, _> = self
            .failed_preconditions
            .iter()
            .map(|failed| (bytes(&failed.key), failed.current_version))
            .collect();
        self.same("failed preconditions", &expected, &actual)
    }
}

fn pair(key: &[u8], value: &[u8]) -> String {
    format!("{}={}", bytes(key), bytes(value))
}

fn list(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<_> = parts.into_iter().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
