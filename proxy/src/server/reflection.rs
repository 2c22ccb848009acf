//! Server reflection, in both versions that clients ask for; it lists every service there is, itself included.

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_wire::reflection::{Damaged, Reflection};

/// What this server serves, described.
pub(super) fn all() -> Result<Reflection, Damaged> {
    Reflection::of(&[FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET])
}
