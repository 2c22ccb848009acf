//! The part of `google/protobuf/descriptor.proto` that carries options, with Prism's extensions as ordinary fields.
//!
//! `prost_types` drops extensions when it decodes a descriptor. On the wire an extension is a field like any other,
//! so declaring it here is all it takes to read it, without a reflection library. The numbers of the extensions are
//! those of `proto/prism/options.proto`; a test compiles a schema that uses each of them and reads it back.

use prost::Message;

use crate::generated::{AccessPattern, Consistency, IndexKind, PiiKind};

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileSet {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<MessageType>,
    #[prost(message, required, tag = "7")]
    pub(super) options: MessageExtensions,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageExtensions {
    #[prost(bool, tag = "7")]
    pub(super) map_entry: bool,
    #[prost(string, tag = "50001")]
    pub(super) namespace: String,
    #[prost(string, tag = "50002")]
    pub(super) backend: String,
    #[prost(enumeration = "AccessPattern", tag = "50003")]
    pub(super) access_pattern: i32,
    #[prost(enumeration = "Consistency", tag = "50004")]
    pub(super) consistency: i32,
    #[prost(uint32, tag = "50005")]
    pub(super) retention_days: u32,
    #[prost(uint64, tag = "50006")]
    pub(super) estimated_read_rps: u64,
    #[prost(uint64, tag = "50007")]
    pub(super) estimated_write_rps: u64,
    #[prost(uint64, tag = "50008")]
    pub(super) estimated_data_size_gb: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Field {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, required, tag = "8")]
    pub(super) options: FieldExtensions,
}

#[derive(Clone, PartialEq, Message)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is an option of its own in the schema")]
pub(super) struct FieldExtensions {
    #[prost(enumeration = "IndexKind", tag = "50101")]
    pub(super) index: i32,
    #[prost(enumeration = "PiiKind", tag = "50102")]
    pub(super) pii: i32,
    #[prost(bool, tag = "50103")]
    pub(super) encrypt_at_rest: bool,
    #[prost(bool, tag = "50104")]
    pub(super) mask_in_logs: bool,
    #[prost(bool, tag = "50105")]
    pub(super) access_audit: bool,
    #[prost(bool, tag = "50106")]
    pub(super) required: bool,
    #[prost(uint32, tag = "50107")]
    pub(super) max_length: u32,
    #[prost(string, repeated, tag = "50108")]
    pub(super) validation: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<Method>,
    #[prost(message, required, tag = "3")]
    pub(super) options: ServiceExtensions,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceExtensions {
    #[prost(bool, optional, tag = "50201")]
    pub(super) require_auth: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Method {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, required, tag = "4")]
    pub(super) options: MethodExtensions,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodExtensions {
    #[prost(bool, optional, tag = "50301")]
    pub(super) method_require_auth: Option<bool>,
    #[prost(string, repeated, tag = "50302")]
    pub(super) required_permissions: Vec<String>,
    #[prost(uint32, tag = "50303")]
    pub(super) timeout_ms: u32,
    #[prost(bool, tag = "50304")]
    pub(super) idempotent: bool,
}
