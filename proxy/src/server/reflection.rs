//! Server reflection, in both versions that clients ask for; it lists every service there is, itself included.

use prism_proto::FILE_DESCRIPTOR_SET;
use tonic_reflection::pb::{v1 as pb_v1, v1alpha as pb_v1alpha};
use tonic_reflection::server::{Builder, Error, v1, v1alpha};

/// Each version answers for the other as well: what is listed is what the server has.
fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb_v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb_v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
}

/// `grpc.reflection.v1`.
pub(super) fn v1() -> Result<v1::ServerReflectionServer<impl v1::ServerReflection>, Error> {
    builder().build_v1()
}

/// `grpc.reflection.v1alpha`, which older clients ask for.
pub(super) fn v1alpha() -> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    builder().build_v1alpha()
}
