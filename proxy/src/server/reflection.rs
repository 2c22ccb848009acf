//! Server reflection in both protocol versions; it lists every service, itself included.

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_wire::reflection::{Reflection, SchemaError};

/// Reflection over all services of this server.
pub(super) fn all() -> Result<Reflection, SchemaError> {
    Reflection::of(&[FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET])
}
