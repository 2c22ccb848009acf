//! The gRPC layer: malformed messages and requests, unknown fields, deadlines, cancellation, slow readers, health and
//! reflection.

mod bytes;
mod calls;
mod details;
mod encoding;
mod health;
mod http;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::core::Proof;
use crate::core::raw_calls::Probed;
use crate::core::raw_calls::protobuf::bytes_field;
use crate::keyvalue::{Case, Ctx, KeyValue};

/// The cases, grouped by what they send.
pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    [bytes::CASES, http::CASES, encoding::CASES, details::CASES, calls::CASES, health::CASES]
        .into_iter()
        .flatten()
}

const PUT: &str = "/prism.keyvalue.v1.KeyValueService/Put";
const GET: &str = "/prism.keyvalue.v1.KeyValueService/Get";
const SCAN: &str = "/prism.keyvalue.v1.KeyValueService/Scan";

impl Probed for KeyValue {
    const SERVICE: &'static str = "prism.keyvalue.v1.KeyValueService";
    const SERVICE_NAME: &'static str = "KeyValueService";
    const METHODS: &'static [&'static str] = &[
        PUT,
        GET,
        "/prism.keyvalue.v1.KeyValueService/Delete",
        SCAN,
        "/prism.keyvalue.v1.KeyValueService/Describe",
    ];
    const WRITE: &'static str = PUT;
    const STREAM: &'static str = SCAN;
    const UNKNOWN: [&'static str; 3] = [
        "/prism.keyvalue.v1.KeyValueService/Nothing",
        "/prism.keyvalue.v1.NoService/Put",
        "/nothing.at.all/Put",
    ];
    const DETAILS: &'static [(&'static str, &'static str)] =
        &[("a failed precondition", "prism.common.FailedPreconditions")];

    fn write_one(c: &Ctx) -> BoxFuture<'_, Proof> {
        async { c.put_one("k", "v").ok().await.map(drop) }.boxed()
    }

    /// A Put of one item to record `r`.
    fn message(c: &Ctx) -> Vec<u8> {
        [
            bytes_field(1, c.namespace("")),
            bytes_field(2, "r"),
            bytes_field(3, [bytes_field(1, "k"), bytes_field(2, "v")].concat()),
        ]
        .concat()
    }

    fn is_written(c: &Ctx, written: bool) -> BoxFuture<'_, Proof> {
        async move {
            let read = c.get().ok().await?;
            if written { read.holds(&[("k", "v")]) } else { read.is_empty() }
        }
        .boxed()
    }
}
