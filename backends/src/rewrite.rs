//! Replacement of the stored content of items, for a wrapper whose stored form changes: versions, tokens and times stay as
//! they are, since nothing changes for clients.

use async_trait::async_trait;
use bytes::Bytes;
use prism_contract::keyvalue::{Key, KeyValueBackend, RecordId};
use prism_contract::{Error, Namespace};

/// A store whose items can be rewritten in place.
#[async_trait]
pub trait Rewrite: KeyValueBackend {
    /// Replaces the content of items of one record in one transaction, of those that still have the given version; returns
    /// how many. Readers and writers need no precaution: a write that comes first keeps its content, and one that comes
    /// later replaces this one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`], as for a Put.
    async fn rewrite(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        contents: Vec<Content>,
    ) -> Result<u64, Error>;
}

/// The new content of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The item's key.
    pub key: Key,
    /// The version that it must still have.
    pub version: i64,
    /// Its value.
    pub value: Bytes,
    /// Its content type.
    pub content_type: String,
    /// Its compression, by number.
    pub compression: i32,
}
