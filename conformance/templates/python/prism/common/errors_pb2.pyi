from prism import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_PRECONDITION_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_BACKEND_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_CAPABILITY_NOT_DECLARED: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED_MESSAGE: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_CANCELLED: _ClassVar[ErrorReason]
    ERROR_REASON_UNSUPPORTED_ENCODING: _ClassVar[ErrorReason]
    ERROR_REASON_DATA_LOSS: _ClassVar[ErrorReason]
    ERROR_REASON_NAMESPACE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_NAMESPACE_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_NAMESPACE_NOT_EMPTY: _ClassVar[ErrorReason]
    ERROR_REASON_NAMESPACE_READ_ONLY: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_NAMESPACES: _ClassVar[ErrorReason]
    ERROR_REASON_VERSION_OUT_OF_RANGE: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_ABSTRACTION: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_PRECONDITION_FAILED: ErrorReason
ERROR_REASON_UNAUTHENTICATED: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_BACKEND_UNAVAILABLE: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_CAPABILITY_NOT_DECLARED: ErrorReason
ERROR_REASON_METHOD_NOT_FOUND: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_MALFORMED_MESSAGE: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_CANCELLED: ErrorReason
ERROR_REASON_UNSUPPORTED_ENCODING: ErrorReason
ERROR_REASON_DATA_LOSS: ErrorReason
ERROR_REASON_NAMESPACE_NOT_FOUND: ErrorReason
ERROR_REASON_NAMESPACE_EXISTS: ErrorReason
ERROR_REASON_NAMESPACE_NOT_EMPTY: ErrorReason
ERROR_REASON_NAMESPACE_READ_ONLY: ErrorReason
ERROR_REASON_TOO_MANY_NAMESPACES: ErrorReason
ERROR_REASON_VERSION_OUT_OF_RANGE: ErrorReason
ERROR_REASON_TOKEN_EXPIRED: ErrorReason
ERROR_REASON_WRONG_ABSTRACTION: ErrorReason

class FailedPrecondition(_message.Message):
    __slots__ = ("key", "current_version")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CURRENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    current_version: int
    def __init__(self, key: _Optional[bytes] = ..., current_version: _Optional[int] = ...) -> None: ...

class FailedPreconditions(_message.Message):
    __slots__ = ("preconditions",)
    PRECONDITIONS_FIELD_NUMBER: _ClassVar[int]
    preconditions: _containers.RepeatedCompositeFieldContainer[FailedPrecondition]
    def __init__(self, preconditions: _Optional[_Iterable[_Union[FailedPrecondition, _Mapping]]] = ...) -> None: ...
