import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from prism.keyvalue.v1 import types_pb2 as _types_pb2
from prism import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PutRequest(_message.Message):
    __slots__ = ("namespace", "id", "items", "item_priority_token", "ttl", "preconditions")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEM_PRIORITY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    PRECONDITIONS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    items: _containers.RepeatedCompositeFieldContainer[_types_pb2.Item]
    item_priority_token: int
    ttl: _duration_pb2.Duration
    preconditions: _containers.RepeatedCompositeFieldContainer[_types_pb2.Precondition]
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[_types_pb2.Item, _Mapping]]] = ..., item_priority_token: _Optional[int] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., preconditions: _Optional[_Iterable[_Union[_types_pb2.Precondition, _Mapping]]] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_types_pb2.PutResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_types_pb2.PutResult, _Mapping]]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("namespace", "id", "predicate", "selection", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    predicate: _types_pb2.KeyPredicate
    selection: _types_pb2.Selection
    page_token: bytes
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., predicate: _Optional[_Union[_types_pb2.KeyPredicate, _Mapping]] = ..., selection: _Optional[_Union[_types_pb2.Selection, _Mapping]] = ..., page_token: _Optional[bytes] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("items", "next_page_token")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_types_pb2.Item]
    next_page_token: bytes
    def __init__(self, items: _Optional[_Iterable[_Union[_types_pb2.Item, _Mapping]]] = ..., next_page_token: _Optional[bytes] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("namespace", "id", "predicate", "item_priority_token", "preconditions")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    ITEM_PRIORITY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PRECONDITIONS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    predicate: _types_pb2.KeyPredicate
    item_priority_token: int
    preconditions: _containers.RepeatedCompositeFieldContainer[_types_pb2.Precondition]
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., predicate: _Optional[_Union[_types_pb2.KeyPredicate, _Mapping]] = ..., item_priority_token: _Optional[int] = ..., preconditions: _Optional[_Iterable[_Union[_types_pb2.Precondition, _Mapping]]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class ScanRequest(_message.Message):
    __slots__ = ("namespace", "id", "predicate", "selection", "resume_token", "limit")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    id: str
    predicate: _types_pb2.KeyPredicate
    selection: _types_pb2.Selection
    resume_token: bytes
    limit: int
    def __init__(self, namespace: _Optional[str] = ..., id: _Optional[str] = ..., predicate: _Optional[_Union[_types_pb2.KeyPredicate, _Mapping]] = ..., selection: _Optional[_Union[_types_pb2.Selection, _Mapping]] = ..., resume_token: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ScanResponse(_message.Message):
    __slots__ = ("entries", "resume_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_types_pb2.Entry]
    resume_token: bytes
    def __init__(self, entries: _Optional[_Iterable[_Union[_types_pb2.Entry, _Mapping]]] = ..., resume_token: _Optional[bytes] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("server_version", "contract_version", "capabilities", "limits")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    contract_version: str
    capabilities: _containers.RepeatedScalarFieldContainer[_types_pb2.Capability]
    limits: _types_pb2.Limits
    def __init__(self, server_version: _Optional[str] = ..., contract_version: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_types_pb2.Capability, str]]] = ..., limits: _Optional[_Union[_types_pb2.Limits, _Mapping]] = ...) -> None: ...
