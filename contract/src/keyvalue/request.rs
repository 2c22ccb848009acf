//! Requests and answers as on the wire, not validated yet. The shapes are the wire's, without gRPC: the gateway decodes into
//! them, and the suite uses them in process.

use bytes::Bytes;

use super::{Capabilities, Entry, Item, Limits, PutResult};
pub use crate::DurationInput as Ttl;

/// An item as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemInput {
    /// 1 to 1,024 bytes.
    pub key: Bytes,
    /// 0 bytes to 1 MiB.
    pub value: Bytes,
    /// At most 127 bytes.
    pub content_type: String,
    /// `prism.common.Compression` by number.
    pub compression: i32,
}

/// A precondition on a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreconditionInput {
    /// 1 to 1,024 bytes.
    pub key: Bytes,
    /// A version; 0: the item must be absent.
    pub version: i64,
}

/// Which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPredicate {
    /// A predicate without a kind, or of an unknown kind: refused.
    Unset,
    /// Every key.
    MatchAll,
    /// These keys, 1 to 1,000.
    MatchKeys(Vec<Bytes>),
    /// A span of keys.
    MatchRange {
        /// Inclusive; empty: from the first.
        start: Bytes,
        /// Exclusive; empty: to the last.
        end: Bytes,
    },
    /// Keys with this prefix.
    MatchPrefix(Bytes),
}

/// Page size and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectionInput {
    /// Maximum items per page; 0: the server's default.
    pub item_limit: u32,
    /// Maximum bytes per page; 0: the server's default.
    pub page_size_bytes: u32,
    /// Omit the values.
    pub keys_only: bool,
    /// Reverse order.
    pub reverse: bool,
}

/// Writes items of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutRequest {
    /// The record's namespace.
    pub namespace: String,
    /// The record's id.
    pub id: String,
    /// 1 to 1,000 items, 4 MiB together.
    pub items: Vec<ItemInput>,
    /// 0: none.
    pub item_priority_token: i64,
    /// Time to live of the items; `None`: they never expire.
    pub ttl: Option<Ttl>,
    /// At most 100.
    pub preconditions: Vec<PreconditionInput>,
}

/// Answers a Put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutResponse {
    /// One per item, in request order.
    pub results: Vec<PutResult>,
}

/// Reads a page of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetRequest {
    /// The record's namespace.
    pub namespace: String,
    /// The record's id.
    pub id: String,
    /// `None`: every key.
    pub predicate: Option<KeyPredicate>,
    /// Page size and order.
    pub selection: SelectionInput,
    /// The token of the previous page; empty: the first page.
    pub page_token: Bytes,
}

/// Answers a Get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetResponse {
    /// Live items in order.
    pub items: Vec<Item>,
    /// The token of the next page; empty: this is the last.
    pub next_page_token: Bytes,
}

/// Removes items of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteRequest {
    /// The record's namespace.
    pub namespace: String,
    /// The record's id.
    pub id: String,
    /// Required (DEL-4).
    pub predicate: Option<KeyPredicate>,
    /// 0: none.
    pub item_priority_token: i64,
    /// At most 100.
    pub preconditions: Vec<PreconditionInput>,
}

/// Answers a Delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeleteResponse {
    /// How many live items were removed.
    pub deleted_count: u64,
}

/// Reads a namespace, or a record, as a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanRequest {
    /// The namespace.
    pub namespace: String,
    /// One record; empty: every record.
    pub id: String,
    /// `None`: every key.
    pub predicate: Option<KeyPredicate>,
    /// Message size and order.
    pub selection: SelectionInput,
    /// The token of a message; empty: from the start.
    pub resume_token: Bytes,
    /// Maximum entries of all messages together; 0: all.
    pub limit: u64,
}

/// One message of a Scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanResponse {
    /// In order.
    pub entries: Vec<Entry>,
    /// Resumes after this message; empty: nothing is left.
    pub resume_token: Bytes,
}

/// Requests a description of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribeRequest {
    /// The namespace to describe.
    pub namespace: String,
}

/// Describes the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeResponse {
    /// The server's version.
    pub server_version: String,
    /// The contract's version.
    pub contract_version: String,
    /// Capabilities beyond the core (CAP-1).
    pub capabilities: Capabilities,
    /// The limits in force.
    pub limits: Limits,
}
