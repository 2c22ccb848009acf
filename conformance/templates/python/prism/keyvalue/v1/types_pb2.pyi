from prism.common import metadata_pb2 as _metadata_pb2
from prism import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_UNSPECIFIED: _ClassVar[Capability]
    CAPABILITY_CONDITIONAL_WRITES: _ClassVar[Capability]
    CAPABILITY_PRIORITY_TOKENS: _ClassVar[Capability]
    CAPABILITY_EXPIRY: _ClassVar[Capability]
    CAPABILITY_REVERSE: _ClassVar[Capability]
    CAPABILITY_NAMESPACE_SCAN: _ClassVar[Capability]
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_CONDITIONAL_WRITES: Capability
CAPABILITY_PRIORITY_TOKENS: Capability
CAPABILITY_EXPIRY: Capability
CAPABILITY_REVERSE: Capability
CAPABILITY_NAMESPACE_SCAN: Capability

class Item(_message.Message):
    __slots__ = ("key", "value", "metadata")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    metadata: _metadata_pb2.ItemMetadata
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., metadata: _Optional[_Union[_metadata_pb2.ItemMetadata, _Mapping]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("id", "item")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    id: str
    item: Item
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[Item, _Mapping]] = ...) -> None: ...

class KeyPredicate(_message.Message):
    __slots__ = ("match_all", "match_keys", "match_range", "match_prefix")
    MATCH_ALL_FIELD_NUMBER: _ClassVar[int]
    MATCH_KEYS_FIELD_NUMBER: _ClassVar[int]
    MATCH_RANGE_FIELD_NUMBER: _ClassVar[int]
    MATCH_PREFIX_FIELD_NUMBER: _ClassVar[int]
    match_all: MatchAll
    match_keys: MatchKeys
    match_range: MatchRange
    match_prefix: MatchPrefix
    def __init__(self, match_all: _Optional[_Union[MatchAll, _Mapping]] = ..., match_keys: _Optional[_Union[MatchKeys, _Mapping]] = ..., match_range: _Optional[_Union[MatchRange, _Mapping]] = ..., match_prefix: _Optional[_Union[MatchPrefix, _Mapping]] = ...) -> None: ...

class MatchAll(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MatchKeys(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ...) -> None: ...

class MatchRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: bytes
    end: bytes
    def __init__(self, start: _Optional[bytes] = ..., end: _Optional[bytes] = ...) -> None: ...

class MatchPrefix(_message.Message):
    __slots__ = ("prefix",)
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    prefix: bytes
    def __init__(self, prefix: _Optional[bytes] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("item_limit", "page_size_bytes", "keys_only", "reverse")
    ITEM_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    item_limit: int
    page_size_bytes: int
    keys_only: bool
    reverse: bool
    def __init__(self, item_limit: _Optional[int] = ..., page_size_bytes: _Optional[int] = ..., keys_only: _Optional[bool] = ..., reverse: _Optional[bool] = ...) -> None: ...

class Precondition(_message.Message):
    __slots__ = ("key", "version")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    version: int
    def __init__(self, key: _Optional[bytes] = ..., version: _Optional[int] = ...) -> None: ...

class PutResult(_message.Message):
    __slots__ = ("applied", "version")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    applied: bool
    version: int
    def __init__(self, applied: _Optional[bool] = ..., version: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_id_bytes", "max_key_bytes", "max_value_bytes", "max_put_items", "max_put_bytes", "max_page_items", "max_page_bytes")
    MAX_ID_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PUT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_PUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_id_bytes: int
    max_key_bytes: int
    max_value_bytes: int
    max_put_items: int
    max_put_bytes: int
    max_page_items: int
    max_page_bytes: int
    def __init__(self, max_id_bytes: _Optional[int] = ..., max_key_bytes: _Optional[int] = ..., max_value_bytes: _Optional[int] = ..., max_put_items: _Optional[int] = ..., max_put_bytes: _Optional[int] = ..., max_page_items: _Optional[int] = ..., max_page_bytes: _Optional[int] = ...) -> None: ...
