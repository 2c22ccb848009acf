//! Requests and answers as a client says and hears them, before anything was checked. The shapes are the wire's, without
//! gRPC: what the gateway decodes into, and what the suite speaks in process.

use bytes::Bytes;

use super::{Capabilities, Entry, Item, Limits, PutResult};

/// An item as a client brings it.
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

/// A span of time, as protobuf's Duration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ttl {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds of the same sign, less than a second.
    pub nanos: i32,
}

/// What must hold of a key.
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
    /// A predicate without a kind, or of a kind this server does not know: refused.
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
    /// Keys that start so.
    MatchPrefix(Bytes),
}

/// How much of an answer, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectionInput {
    /// Most items on a page; 0: the server's default.
    pub item_limit: u32,
    /// Most bytes on a page; 0: the server's default.
    pub page_size_bytes: u32,
    /// Leave the values out.
    pub keys_only: bool,
    /// The mirrored order.
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
    /// How long the items live; `None`: for ever.
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
    /// How much, and in which order.
    pub selection: SelectionInput,
    /// The token of the page before; empty: the first page.
    pub page_token: Bytes,
}

/// Answers a Get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetResponse {
    /// Live items in order.
    pub items: Vec<Item>,
    /// For the next page; empty: this is the last.
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
    /// How much per message, and in which order.
    pub selection: SelectionInput,
    /// The token of a message; empty: from the start.
    pub resume_token: Bytes,
    /// Most entries in all messages together; 0: all.
    pub limit: u64,
}

/// One message of a Scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanResponse {
    /// In order.
    pub entries: Vec<Entry>,
    /// Continues after this message; empty: nothing is left.
    pub resume_token: Bytes,
}

/// Asks what the server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribeRequest {
    /// The namespace it is asked for.
    pub namespace: String,
}

/// Says what the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeResponse {
    /// The server's own version.
    pub server_version: String,
    /// The contract's version.
    pub contract_version: String,
    /// What is claimed beyond the core (CAP-1).
    pub capabilities: Capabilities,
    /// The limits in force.
    pub limits: Limits,
}
