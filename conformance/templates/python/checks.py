"""The checks that a request passes before anything is done (ERR-1, PUT-6).

Most limits are options of the fields in the .proto files, and the generated code holds them. What an option
cannot say is a function.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

import wire
from prism import options_pb2 as options
from prism.keyvalue.v1.keyvalue_pb2 import DeleteRequest, GetRequest, PutRequest, ScanRequest
from prism.keyvalue.v1.types_pb2 import Capability, Item, KeyPredicate, Limits, Precondition

# What Describe publishes.
LIMITS = Limits(
    max_id_bytes=512,
    max_key_bytes=1024,
    max_value_bytes=1 << 20,
    max_put_items=1000,
    max_put_bytes=4 << 20,
    max_page_items=1000,
    max_page_bytes=2 << 20,
)
YEAR_10000 = 253_402_300_800_000_000  # in microseconds since the Unix epoch

Violation = tuple[str, str]  # the path of a field, and what is wrong with it


def pass_or_raise(request: Message, now: int, capabilities: Iterable[int]) -> None:
    """Refuses a request that is not valid, or needs more than these capabilities, in this order (ERR-1)."""
    if found := violations(request, now):
        raise wire.invalid(found)
    for capability in needed(request):
        if capability not in capabilities:
            raise wire.not_declared(Capability.Name(capability))


def needed(request: Message) -> Iterator[int]:
    """The capabilities that a valid request needs."""
    if getattr(request, "preconditions", None):
        yield Capability.CAPABILITY_CONDITIONAL_WRITES
    if getattr(request, "item_priority_token", 0) > 0:
        yield Capability.CAPABILITY_PRIORITY_TOKENS
    if isinstance(request, PutRequest) and request.HasField("ttl"):
        yield Capability.CAPABILITY_EXPIRY
    if isinstance(request, GetRequest | ScanRequest) and request.selection.reverse:
        yield Capability.CAPABILITY_REVERSE
    if isinstance(request, ScanRequest) and not request.id:
        yield Capability.CAPABILITY_NAMESPACE_SCAN


def violations(request: Message, now: int) -> list[Violation]:
    """All that is wrong with a request, each field once; `now` is in microseconds since the Unix epoch."""
    found = list(broken_limits(request))
    if isinstance(request, PutRequest):
        found += [*repeated_keys("items", request.items), *too_large(request.items)]
        found += ttl(request.ttl, now) if request.HasField("ttl") else ()
    if isinstance(request, PutRequest | DeleteRequest):
        found += repeated_keys("preconditions", request.preconditions)
    if "predicate" in request.DESCRIPTOR.fields_by_name and request.HasField("predicate"):
        found += predicate(request.predicate)
    first: dict[str, str] = {}
    for field, why in found:
        first.setdefault(field, why)
    return list(first.items())


def repeated_keys(field: str, named: Iterable[Item | Precondition]) -> Iterator[Violation]:
    """PUT-4 and COND-4."""
    seen: set[bytes] = set()
    for n, each in enumerate(named):
        if each.key and each.key in seen:
            yield f"{field}[{n}].key", "repeats the key of an earlier entry; each key may occur once"
        seen.add(each.key)


def too_large(items: Iterable[Item]) -> Iterator[Violation]:
    """The limit of a Put's keys and values, summed."""
    size = sum(len(item.key) + len(item.value) for item in items)
    if size > LIMITS.max_put_bytes:
        yield (
            "items",
            f"keys and values are {size} bytes together; at most {LIMITS.max_put_bytes} are allowed",
        )


def ttl(ttl: Duration, now: int) -> Iterator[Violation]:
    """TTL-3. A Duration's nanos are less than a second, and have the sign of its seconds."""
    if abs(ttl.nanos) >= 1_000_000_000 or ttl.seconds * ttl.nanos < 0:
        yield "ttl", "is not a valid Duration; nanos are less than a second, with the sign of seconds"
    elif ttl.seconds < 0 or ttl.nanos < 0 or ttl.seconds == ttl.nanos == 0:
        yield "ttl", "is not positive; omit it for an item that never expires"
    elif expiry(now, ttl) >= YEAR_10000:
        yield "ttl", "ends after the year 9999"


def expiry(now: int, ttl: Duration) -> int:
    """When an item written at `now` expires: a ttl is rounded up to a whole microsecond (TTL-3)."""
    return now + ttl.seconds * 1_000_000 - (-ttl.nanos // 1000)


def predicate(predicate: KeyPredicate) -> Iterator[Violation]:
    """DEL-4 and PRED-2."""
    kinds = "match_all, match_keys, match_range or match_prefix"
    if predicate.WhichOneof("predicate") is None:
        yield "predicate", f"has no kind that this server knows; set {kinds}"
    bounds = predicate.match_range
    if bounds.start and bounds.end and bounds.start >= bounds.end:
        yield "predicate.match_range", "start is not before end; an empty bound is no bound"


def broken_limits(message: Message, path: str = "") -> Iterator[Violation]:
    """The fields of a message, and of those inside it, that break a limit of the schema (PUT-6, TOK-6)."""
    for field, limits in limits_of(message.DESCRIPTOR):
        name, value = path + field.name, getattr(message, field.name)
        elements = [(name, value)]
        if field.is_repeated:
            low, high = int(limits.get("min_items", 0)), int(limits.get("max_items", len(value)))
            if not low <= len(value) <= high:
                yield name, f"holds {len(value)} elements; {low} to {high} are allowed"
            elements = [(f"{name}[{n}]", element) for n, element in enumerate(value)]
        elif field.has_presence and not message.HasField(field.name):
            if limits["required"]:
                yield name, "is missing"
            continue
        for name, element in elements:
            if field.message_type:
                yield from broken_limits(element, f"{name}.")
            elif why := fault(element, limits):
                yield name, why


def fault(value: Any, limits: dict[str, Any]) -> str | None:
    """What is wrong with a value, and what is allowed; never the value of a string or of bytes (ERR-2)."""
    if isinstance(value, str | bytes):
        length = len(value.encode() if isinstance(value, str) else value)
        low, high = int(limits["required"]), limits["max_length"] or length
        if not low <= length <= high:
            return f"is {length} bytes; {low} to {high} are allowed"
        if "regex" in limits and not re.fullmatch(limits["regex"], value):
            return f"does not match {limits['regex']}"
        if "no_nul" in limits and "\0" in value:
            return "holds a NUL character; none is allowed"
    elif value < int(limits.get("min", value)):
        return f"is {value}; at least {limits['min']} is allowed"
    return None


@cache
def limits_of(message: Descriptor) -> list[tuple[FieldDescriptor, dict[str, Any]]]:
    """The fields of a message with their limits: `required`, `max_length`, and the rules of `validation`."""
    found = []
    for field in message.fields:
        extensions = field.GetOptions().Extensions
        limits = dict(rule.split(":", 1) for rule in extensions[options.validation])
        limits |= {"required": extensions[options.required], "max_length": extensions[options.max_length]}
        found.append((field, limits))
    return found
