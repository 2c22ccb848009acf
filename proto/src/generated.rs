//! The generated code, in modules nested like the protobuf packages, as its relative paths expect.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rustdoc::all,
    reason = "generated code follows its generator, not this workspace's style"
)]

pub use prism::*;

#[rustfmt::skip]
#[path = "generated/prism.rs"]
mod prism;

#[rustfmt::skip]
#[path = "generated/prism.common.rs"]
pub mod common;

#[path = "generated"]
pub mod control {
    #[rustfmt::skip]
    #[path = "prism.control.v1.rs"]
    pub mod v1;
}

#[path = "generated"]
pub mod keyvalue {
    #[rustfmt::skip]
    #[path = "prism.keyvalue.v1.rs"]
    pub mod v1;
}

#[path = "generated"]
pub mod timeseries {
    #[rustfmt::skip]
    #[path = "prism.timeseries.v1.rs"]
    pub mod v1;
}
