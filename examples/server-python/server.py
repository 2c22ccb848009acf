"""A sound KeyValue server in memory: the whole contract but durability.

A name such as PUT-1 is the rule that a line keeps; `prism-conformance explain PUT-1` prints it. checks.py
refuses invalid requests, and wire.py does what is not about items. The methods run in one event loop and
never await: each is one moment, and needs no lock (PUT-3, DEL-5, LIN-1, COND-3).
"""

import itertools
import math
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import checks
import wire
from prism.common.metadata_pb2 import ItemMetadata
from prism.keyvalue.v1 import keyvalue_pb2 as kv
from prism.keyvalue.v1.types_pb2 import Capability, Entry, Item, PutResult, Selection

MINUTE = 60_000_000  # Times are microseconds since the Unix epoch (PUT-5).
RETENTION = 24 * 60 * MINUTE  # Of tombstones.
CAPABILITIES = [capability for capability in Capability.values() if capability]  # CAP-1: all that there are.

# Namespace, id and key: compared by byte (RT-3, RT-4), and sorted so (ORD-1).
Place = tuple[str, bytes, bytes]
Page = tuple[list[Place], bool]


@dataclass
class Row:
    """An item; or its tombstone, which only priority tokens see (TOK-5)."""

    item: Item
    token: int  # The highest that it has seen.
    end: int | None  # The moment of its expiry or delete.

    def live(self, now: int) -> bool:
        return self.end is None or now < self.end  # TTL-1

    def remembered(self, now: int) -> bool:
        return self.end is None or now < self.end + (RETENTION if self.token else 0)  # TOK-4


@dataclass(frozen=True)
class Query:
    """What decides the items of an answer and their order, and so what a page token is bound to (PAGE-4)."""

    method: str
    namespace: str
    id: bytes  # Empty: every record of the namespace.
    reverse: bool
    kind: str  # Of the predicate.
    start: bytes
    end: bytes  # Empty: to the last key (PRED-1).
    keys: dict[bytes, None] | None  # Of match_keys, each once, in order (PRED-4).

    def bounds(self) -> tuple[Place, Place]:
        """The first place, and one behind the last: neither a namespace nor an id holds a NUL."""
        if not self.id:
            return (self.namespace, b"", b""), (self.namespace + "\0", b"", b"")
        last = (self.namespace, self.id, self.end) if self.end else (self.namespace, self.id + b"\0", b"")
        return (self.namespace, self.id, self.start), last

    def selects(self, key: bytes) -> bool:
        in_range = self.start <= key and (not self.end or key < self.end)
        return in_range and (self.keys is None or key in self.keys)

    def token(self, place: Place) -> bytes:
        """The token of the page that ends with `place`; it is all the state there is (PAGE-6)."""
        position = len(place[1]).to_bytes(2) + place[1] + place[2]
        return self.seal(position) + position

    def seal(self, position: bytes) -> bytes:
        return blake2b(repr((self, position)).encode(), digest_size=16).digest()

    def place(self, token: bytes, field: str) -> Place | None:
        """The place in a token, None for the first page."""
        position = token[16:]
        if token and token[:16] != self.seal(position):
            why = "is not a token of this method, namespace, id, predicate and direction"
            raise wire.invalid([(field, why)])
        key = 2 + int.from_bytes(position[:2])
        return (self.namespace, position[2:key], position[key:]) if token else None


def query(request: kv.GetRequest | kv.DeleteRequest | kv.ScanRequest, reverse: bool = False) -> Query:
    kind, keys, predicate = request.predicate.WhichOneof("predicate") or "match_all", None, request.predicate
    start, end = predicate.match_range.start, predicate.match_range.end
    if kind == "match_keys":
        keys = dict.fromkeys(sorted(predicate.match_keys.keys))
    if kind == "match_prefix" and (start := predicate.match_prefix.prefix):
        stem = start.rstrip(b"\xff")
        end = stem[:-1] + bytes([stem[-1] + 1]) if stem else b""  # PRED-3
    method = request.DESCRIPTOR.name
    return Query(method, request.namespace, request.id.encode(), reverse, kind, start, end, keys)


class KeyValue:
    """The five methods, each called with a decoded request. What they raise is the call's status."""

    def __init__(self) -> None:
        self.rows: dict[Place, Row] = {}
        self.order: list[Place] = []  # The places of `rows`, sorted.
        self.versions = itertools.count(1)  # Of all keys together, so that none comes back (VER-1, VER-2).
        self.now = self.swept = 0

    def describe(self, request: kv.DescribeRequest) -> kv.DescribeResponse:
        self.begin(request)
        return kv.DescribeResponse(
            server_version="0.1.0",
            contract_version="1.0",
            capabilities=CAPABILITIES,
            limits=checks.LIMITS,
        )

    def put(self, request: kv.PutRequest) -> kv.PutResponse:
        now = self.begin(request)
        self.require(request)
        end = checks.expiry(now, request.ttl) if request.HasField("ttl") else None  # TTL-2
        return kv.PutResponse(results=[self.put_item(request, item, end) for item in request.items])

    def put_item(self, request: kv.PutRequest, item: Item, end: int | None) -> PutResult:
        place = (request.namespace, request.id.encode(), item.key)
        current, seen, token = self.current(place), self.seen(place), request.item_priority_token
        if 0 < token <= seen:  # TOK-1, TOK-3
            return PutResult(applied=False, version=current.version)
        metadata = ItemMetadata(
            content_type=item.metadata.content_type,  # RT-5
            compression=item.metadata.compression,
            version=next(self.versions),
            priority_token=max(token, seen),  # TOK-2
            created_at=current.created_at if current.version else wire.timestamp(self.now),  # PUT-5
            updated_at=wire.timestamp(self.now),
            expires_at=wire.timestamp(end) if end else None,
        )
        item = Item(key=item.key, value=item.value, metadata=metadata)
        self.store(place, Row(item, metadata.priority_token, end))
        return PutResult(applied=True, version=metadata.version)

    def delete(self, request: kv.DeleteRequest) -> kv.DeleteResponse:
        now, token, count = self.begin(request), request.item_priority_token, 0
        self.require(request)
        selected = query(request)
        # TOK-4: a key without an item takes part only if match_keys names it.
        named = [(selected.namespace, selected.id, key) for key in selected.keys or ()]
        for place in named or list(self.places(selected)):
            live, seen = self.current(place).version > 0, self.seen(place)
            if (token == 0 or token > seen) and (live or (token and named)):
                self.store(place, Row(Item(), max(token, seen), now))
                count += live  # DEL-2
        return kv.DeleteResponse(deleted_count=count)

    def get(self, request: kv.GetRequest) -> kv.GetResponse:
        self.begin(request)
        selected = query(request, request.selection.reverse)
        after = selected.place(request.page_token, "page_token")
        places, more = self.page(selected, after, request.selection, math.inf)
        items = [self.shown(place, request.selection) for place in places]
        token = selected.token(places[-1]) if more else b""  # PAGE-5
        return kv.GetResponse(items=items, next_page_token=token)

    def scan(self, request: kv.ScanRequest) -> Iterator[kv.ScanResponse]:
        self.begin(request)
        selected = query(request, request.selection.reverse)
        after = selected.place(request.resume_token, "resume_token")
        more, left = True, request.limit or math.inf
        while more and left:  # SCAN-2
            places, more = self.page(selected, after, request.selection, left)
            left, after = left - len(places), places[-1] if places else after
            entries = [Entry(id=at[1].decode(), item=self.shown(at, request.selection)) for at in places]
            token = selected.token(after) if more else b""  # SCAN-1
            yield kv.ScanResponse(entries=entries, resume_token=token)

    def begin(self, request: wire.Message) -> int:
        """The time of a request; one that is not valid, or needs what is not declared, is refused."""
        checks.pass_or_raise(request, self.clock(), CAPABILITIES)
        return self.now

    def clock(self) -> int:
        """The time, never before an earlier one, or deleted items could come back. Sweeps once a minute."""
        self.now = max(self.now, time.time_ns() // 1000)
        if self.now > self.swept + MINUTE:
            self.rows = {place: row for place, row in self.rows.items() if row.remembered(self.now)}  # TTL-5
            self.order, self.swept = sorted(self.rows), self.now
        return self.now

    def require(self, request: kv.PutRequest | kv.DeleteRequest) -> None:
        """All preconditions hold, or nothing is done (COND-1, COND-2, COND-5)."""
        record = (request.namespace, request.id.encode())
        versions = [(each, self.current((*record, each.key)).version) for each in request.preconditions]
        if failed := [(each.key, version) for each, version in versions if each.version != version]:
            raise wire.precondition_failed(failed)

    def page(self, selected: Query, after: Place | None, size: Selection, left: float) -> Page:
        """The live places of the next page, at most `left`, and whether there are more (PAGE-1, PAGE-7)."""
        places: list[Place] = []
        now, weigh_id = self.clock(), selected.method == "ScanRequest"
        most = min(size.item_limit or left, left, checks.LIMITS.max_page_items)
        room = min(size.page_size_bytes or math.inf, checks.LIMITS.max_page_bytes)
        for place in self.places(selected, after):
            if self.rows[place].live(now):
                room -= weight(self.shown(place, size)) + (len(place[1]) if weigh_id else 0)
                if places and (len(places) >= most or room < 0):
                    return places, True
                places.append(place)
        return places, False

    def places(self, selected: Query, after: Place | None = None) -> Iterator[Place]:
        """The selected places behind `after`, in order (ORD-1, ORD-2, PAGE-3)."""
        first, end = (bisect_left(self.order, bound) for bound in selected.bounds())
        if after and selected.reverse:
            end = bisect_left(self.order, after)
        elif after:
            first = bisect_right(self.order, after)
        numbers = range(first, end)
        found = (self.order[n] for n in (reversed(numbers) if selected.reverse else numbers))
        return (place for place in found if selected.selects(place[2]))

    def shown(self, place: Place, selection: Selection) -> Item:
        item = self.rows[place].item
        return Item(key=item.key, metadata=item.metadata) if selection.keys_only else item  # PAGE-8

    def current(self, place: Place) -> ItemMetadata:
        """The metadata of a live item; of version 0 if there is none."""
        row = self.rows.get(place)
        return row.item.metadata if row and row.live(self.now) else ItemMetadata()

    def seen(self, place: Place) -> int:
        """The highest token that a key has seen, as far as it is remembered."""
        row = self.rows.get(place)
        return row.token if row and row.remembered(self.now) else 0

    def store(self, place: Place, row: Row) -> None:
        if place not in self.rows:
            insort(self.order, place)
        self.rows[place] = row


def weight(item: Item) -> int:
    return len(item.key) + len(item.value) + len(item.metadata.content_type.encode()) + 96


if __name__ == "__main__":
    wire.main(KeyValue())
