//! The wire contract of Prism: protobuf messages, gRPC services and the custom options on them.
//!
//! The `.proto` files in `proto/prism` are the source. `cargo xtask codegen` turns them into the Rust code and the
//! descriptor set committed here, so building this crate needs neither protoc nor buf; a test fails when they differ.
//!
//! - [`keyvalue::v1`]: the `KeyValue` API, with a client and a server for [tonic].
//! - [`timeseries::v1`]: the `TimeSeries` API, likewise.
//! - [`control::v1`]: the control plane of namespaces.
//! - [`common`]: item metadata and error details, shared by every API.
//! - [`options`]: what the schema says about authentication, timeouts, limits and personal data, read back typed.
//! - [`FILE_DESCRIPTOR_SET`]: the schema itself, for reflection.
//!
//! All `bytes` fields are [`bytes::Bytes`](prost::bytes::Bytes): cheap to clone, and sharing the buffer they came in.

mod generated;
mod masked;
pub mod options;

/// Every Prism `.proto` file with all it imports, as an encoded `google.protobuf.FileDescriptorSet`, custom options
/// included and comments left out.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/prism.bin");

/// Package `prism.common`: item metadata and error details, shared by every API.
pub mod common {
    pub use crate::generated::common::*;
}

/// The control plane, one module for each version.
pub mod control {
    /// Package `prism.control.v1`: definitions of namespaces.
    pub mod v1 {
        pub use crate::generated::control::v1::*;
    }
}

/// The `KeyValue` API, one module for each version.
pub mod keyvalue {
    /// Package `prism.keyvalue.v1`: namespace → id → sorted map of key → item.
    pub mod v1 {
        pub use crate::generated::keyvalue::v1::*;
    }
}

/// The `TimeSeries` API, one module for each version.
pub mod timeseries {
    /// Package `prism.timeseries.v1`: namespace → series → immutable events.
    pub mod v1 {
        pub use crate::generated::timeseries::v1::*;
    }
}
