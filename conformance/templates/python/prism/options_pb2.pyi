from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class AccessPattern(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_PATTERN_UNSPECIFIED: _ClassVar[AccessPattern]
    ACCESS_PATTERN_READ_HEAVY: _ClassVar[AccessPattern]
    ACCESS_PATTERN_WRITE_HEAVY: _ClassVar[AccessPattern]
    ACCESS_PATTERN_APPEND_HEAVY: _ClassVar[AccessPattern]
    ACCESS_PATTERN_BALANCED: _ClassVar[AccessPattern]

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_LINEARIZABLE: _ClassVar[Consistency]
    CONSISTENCY_CAUSAL: _ClassVar[Consistency]
    CONSISTENCY_EVENTUAL: _ClassVar[Consistency]

class IndexKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INDEX_KIND_UNSPECIFIED: _ClassVar[IndexKind]
    INDEX_KIND_PRIMARY: _ClassVar[IndexKind]
    INDEX_KIND_SECONDARY: _ClassVar[IndexKind]
    INDEX_KIND_PARTITION: _ClassVar[IndexKind]
    INDEX_KIND_CLUSTERING: _ClassVar[IndexKind]

class PiiKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PII_KIND_UNSPECIFIED: _ClassVar[PiiKind]
    PII_KIND_OPAQUE: _ClassVar[PiiKind]
    PII_KIND_NAME: _ClassVar[PiiKind]
    PII_KIND_EMAIL: _ClassVar[PiiKind]
    PII_KIND_PHONE: _ClassVar[PiiKind]
    PII_KIND_ADDRESS: _ClassVar[PiiKind]
    PII_KIND_DEVICE: _ClassVar[PiiKind]
    PII_KIND_GOVERNMENT_ID: _ClassVar[PiiKind]
    PII_KIND_PAYMENT: _ClassVar[PiiKind]
ACCESS_PATTERN_UNSPECIFIED: AccessPattern
ACCESS_PATTERN_READ_HEAVY: AccessPattern
ACCESS_PATTERN_WRITE_HEAVY: AccessPattern
ACCESS_PATTERN_APPEND_HEAVY: AccessPattern
ACCESS_PATTERN_BALANCED: AccessPattern
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_LINEARIZABLE: Consistency
CONSISTENCY_CAUSAL: Consistency
CONSISTENCY_EVENTUAL: Consistency
INDEX_KIND_UNSPECIFIED: IndexKind
INDEX_KIND_PRIMARY: IndexKind
INDEX_KIND_SECONDARY: IndexKind
INDEX_KIND_PARTITION: IndexKind
INDEX_KIND_CLUSTERING: IndexKind
PII_KIND_UNSPECIFIED: PiiKind
PII_KIND_OPAQUE: PiiKind
PII_KIND_NAME: PiiKind
PII_KIND_EMAIL: PiiKind
PII_KIND_PHONE: PiiKind
PII_KIND_ADDRESS: PiiKind
PII_KIND_DEVICE: PiiKind
PII_KIND_GOVERNMENT_ID: PiiKind
PII_KIND_PAYMENT: PiiKind
NAMESPACE_FIELD_NUMBER: _ClassVar[int]
namespace: _descriptor.FieldDescriptor
BACKEND_FIELD_NUMBER: _ClassVar[int]
backend: _descriptor.FieldDescriptor
ACCESS_PATTERN_FIELD_NUMBER: _ClassVar[int]
access_pattern: _descriptor.FieldDescriptor
CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
consistency: _descriptor.FieldDescriptor
RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
retention_days: _descriptor.FieldDescriptor
ESTIMATED_READ_RPS_FIELD_NUMBER: _ClassVar[int]
estimated_read_rps: _descriptor.FieldDescriptor
ESTIMATED_WRITE_RPS_FIELD_NUMBER: _ClassVar[int]
estimated_write_rps: _descriptor.FieldDescriptor
ESTIMATED_DATA_SIZE_GB_FIELD_NUMBER: _ClassVar[int]
estimated_data_size_gb: _descriptor.FieldDescriptor
INDEX_FIELD_NUMBER: _ClassVar[int]
index: _descriptor.FieldDescriptor
PII_FIELD_NUMBER: _ClassVar[int]
pii: _descriptor.FieldDescriptor
ENCRYPT_AT_REST_FIELD_NUMBER: _ClassVar[int]
encrypt_at_rest: _descriptor.FieldDescriptor
MASK_IN_LOGS_FIELD_NUMBER: _ClassVar[int]
mask_in_logs: _descriptor.FieldDescriptor
ACCESS_AUDIT_FIELD_NUMBER: _ClassVar[int]
access_audit: _descriptor.FieldDescriptor
REQUIRED_FIELD_NUMBER: _ClassVar[int]
required: _descriptor.FieldDescriptor
MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
max_length: _descriptor.FieldDescriptor
VALIDATION_FIELD_NUMBER: _ClassVar[int]
validation: _descriptor.FieldDescriptor
REQUIRE_AUTH_FIELD_NUMBER: _ClassVar[int]
require_auth: _descriptor.FieldDescriptor
METHOD_REQUIRE_AUTH_FIELD_NUMBER: _ClassVar[int]
method_require_auth: _descriptor.FieldDescriptor
REQUIRED_PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
required_permissions: _descriptor.FieldDescriptor
TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
timeout_ms: _descriptor.FieldDescriptor
IDEMPOTENT_FIELD_NUMBER: _ClassVar[int]
idempotent: _descriptor.FieldDescriptor
