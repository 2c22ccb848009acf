"""{{name}}: a KeyValue server to be written. Describe answers; every other method is UNIMPLEMENTED.

A method gets a request that is valid, and returns the response, or raises what wire.py makes, such as
wire.precondition_failed(...), or wire.invalid(...) for a page token that is not the server's own. Any other
exception is INTERNAL for the client, and its traceback is in the log; NotImplementedError is UNIMPLEMENTED.

Above each method stand the rules that it keeps; `prism-conformance explain PUT-1` prints one, with the cases
that prove it. A method that never awaits is one moment, and needs no lock (PUT-3, DEL-5, LIN-1).
"""

import time
from collections.abc import Iterator

import checks
import wire
from prism.keyvalue.v1 import keyvalue_pb2 as kv

# What the server has beyond the core, such as Capability.CAPABILITY_EXPIRY of prism.keyvalue.v1.types_pb2. A
# request that needs another capability is UNIMPLEMENTED (CAP-1).
CAPABILITIES: list[int] = []


class KeyValue:
    """The five methods, called in one event loop."""

    # Of the store as a whole:
    # LIN-5: Writes to different records do not wait for each other's clients, and never deadlock.
    # TTL-4: Expiry survives a restart.
    # TTL-5: Sweeping removes nothing live.
    # DUR-1: What was acknowledged survives a clean restart, a kill -9 of the gateway, and a restart of the
    #    database.
    # DUR-2: What was not acknowledged is there whole or not at all.
    # DUR-3: Versions and tokens never regress over a restart.
    # DUR-4: What was acknowledged survives a loss of power: the database's own settings (SQLite synchronous,
    #    Postgres fsync and synchronous_commit) are the durable ones.

    # CAP-1: What Describe declares works; what it does not declare answers UNIMPLEMENTED.
    def describe(self, request: kv.DescribeRequest) -> kv.DescribeResponse:
        self.begin(request)
        return kv.DescribeResponse(
            server_version="0.1.0",
            contract_version="1.0",
            capabilities=CAPABILITIES,
            limits=checks.LIMITS,
        )

    # RT-1: A value comes back byte for byte: every byte 00–FF, empty, at the limit.
    # RT-2: An empty value is not an absent item.
    # RT-3: Keys are bytes: `a`, `a\0`, `a\0\0`, invalid UTF-8, NFC and NFD, `1` and `01`, `A` and `a`, `%`,
    #    `_`, `\`, `'` are all distinct and literal.
    # RT-4: Ids and namespaces are compared byte by byte.
    # RT-5: content_type and compression come back verbatim.
    # ISO-1: The same id and key in two namespaces never meet, `a` and `ab` included.
    # PUT-1: Put replaces the whole item: its value and the metadata that the client gives.
    # PUT-2: Put leaves the record's other items alone.
    # PUT-3: A Put takes effect in one moment or not at all: no reader sees half of it. An item superseded by
    #    its token (TOK-1) is left as it was, and the others apply.
    # PUT-5: Times are microseconds since the Unix epoch. created_at is the request's `now`; it survives an
    #    overwrite and is new after a delete or an expiry. updated_at is the later of the request's `now` and
    #    created_at, so that created_at ≤ updated_at whatever the clock of a gateway says.
    # VER-1: Each applied write of an item raises its version: the versions of a key only ever rise. Two keys
    #    of one Put may or may not share a version.
    # VER-2: A version of a key is never reused, not even after a delete or an expiry.
    # LIN-1: Operations on one record are linearizable, through one gateway or several on one database.
    # with CAPABILITY_CONDITIONAL_WRITES:
    # COND-1: All preconditions hold, or nothing is written and the answer is FAILED_PRECONDITION with each
    #    failing key and its current version (0: absent).
    # COND-2: A precondition with version 0 demands absence; an expired or deleted item is absent. A negative
    #    version is INVALID_ARGUMENT.
    # COND-3: Of N concurrent conditional writes from the same version exactly one wins.
    # LIN-2: N concurrent increments by compare-and-retry add up to N.
    # COND-4: Preconditions may name keys of the record that the request does not write. A key named twice
    #    among them is INVALID_ARGUMENT.
    # with CAPABILITY_PRIORITY_TOKENS:
    # TOK-1: A write (Put or Delete) with token t > 0 applies to an item only if t is greater than the highest
    #    token that item has seen; otherwise the item stays as it is: a Put answers applied = false with the
    #    current version (0: absent), a Delete does not count it. The priority_token of an answered item is
    #    the highest token it has seen.
    # TOK-2: A write with token 0 always applies, and leaves the highest token as it is.
    # TOK-3: A Put repeated with its token changes nothing, however late within the retention.
    # with CAPABILITY_EXPIRY:
    # TTL-1: An item is live strictly before expires_at and absent from then on in Get, Scan, Delete's count
    #    and preconditions, whether or not it was swept.
    # TTL-2: A Put without ttl clears the item's expiry.
    def put(self, request: kv.PutRequest) -> kv.PutResponse:
        self.begin(request)
        raise NotImplementedError("Put is not written yet")

    # RT-6: An absent item is simply not in the answer; Get of an absent record is OK and empty.
    # ORD-1: Get and Scan answer in unsigned byte order of key, whatever the database's collation; Scan of a
    #    namespace orders by (id bytes, key).
    # PRED-1: In match_range start is inclusive and end exclusive; an empty start means from the first key, an
    #    empty end to the last. A bound may be one byte longer than the longest key, so that a range can begin
    #    right behind any key and end with any key.
    # PRED-3: A prefix that ends in FF bytes selects exactly the keys that begin with it; the empty prefix
    #    selects all keys.
    # PRED-4: match_keys answers each present key once, in key order, however often it was named.
    # PAGE-1: The concatenation of the pages is the answer without pages, for every item_limit and
    #    page_size_bytes, forwards and in reverse.
    # PAGE-2: An item that is present and untouched throughout is neither missed nor repeated, whatever is
    #    written between the pages.
    # PAGE-3: Deleting the item that a token points at does no harm: the next page goes on after it.
    # PAGE-4: A malformed token, or one from another method, namespace, id, predicate or direction, is
    #    INVALID_ARGUMENT. Two predicates are the same if they are of one kind with the same bytes: an absent
    #    one is match_all, and match_keys is a set, whatever the order of its keys and however often each is
    #    named; match_all, an empty match_prefix and a match_range without bounds are three. A token is not
    #    bound to item_limit, page_size_bytes, limit or keys_only, which may differ from page to page.
    # PAGE-5: The last page has no token.
    # PAGE-6: A token works after a restart, and at another gateway on the same database.
    # PAGE-7: item_limit and page_size_bytes are obeyed; one item larger than the page is still answered,
    #    alone. A limit above the published maximum is clamped to it: the page is smaller than asked, and has
    #    a token if more is left. An item weighs on a page its key, its value (0 with keys_only) and its
    #    content_type in bytes, plus 96 for the rest, plus the bytes of its id in Scan.
    # PAGE-8: With keys_only no values are answered, and the same keys are.
    # LIN-3: A Get reads one moment of its record.
    # with CAPABILITY_REVERSE:
    # ORD-2: With reverse the answer is the exact mirror of the answer without it.
    def get(self, request: kv.GetRequest) -> kv.GetResponse:
        self.begin(request)
        raise NotImplementedError("Get is not written yet")

    # DEL-1: Deleted items are gone from Get, Scan and preconditions at once.
    # DEL-2: deleted_count counts the live items removed; deleting what is absent is OK and 0.
    # DEL-3: Only what the predicate selects is deleted.
    # DEL-5: A Delete takes effect in one moment or not at all.
    # LIN-4: A range Delete racing a Put of several items removes all of what that Put wrote, or nothing of
    #    it.
    # with CAPABILITY_CONDITIONAL_WRITES:
    # COND-5: Preconditions guard a Delete as they guard a Put.
    # with CAPABILITY_PRIORITY_TOKENS:
    # TOK-4: A key's highest token outlives the item in a tombstone. A Delete with a token leaves one with
    #    that token for each item it removed and for each absent key that its match_keys named, if the token
    #    is greater than the key's highest; a Delete by range, prefix or match_all touches live items only; a
    #    Delete whose token is not greater leaves a tombstone and its time alone. A Delete without a token, or
    #    an expiry, keeps the token that the item had. A tombstone is honoured strictly before the time of the
    #    delete or expiry plus the retention (24 h by default, never less than a minute), and is forgotten
    #    from then on, whether or not it was swept.
    # TOK-5: Tombstones are invisible everywhere else: in Get, Scan, Delete's count and preconditions.
    def delete(self, request: kv.DeleteRequest) -> kv.DeleteResponse:
        self.begin(request)
        raise NotImplementedError("Delete is not written yet")

    # The rules of Get, and:
    # SCAN-1: A Scan cut after any message and resumed with that message's resume_token yields the rest
    #    exactly. The last message of a stream always comes, with an empty resume_token when nothing is left:
    #    an empty answer is one empty message, and a stream whose rest is deleted or expires while it is read
    #    ends with a message without entries.
    # SCAN-2: limit is obeyed across the messages of a Scan; where it cut the stream and more is left, the
    #    last message's resume_token is set.
    # SCAN-3: A slow reader of a Scan bounds the server's memory: the server does not read ahead of it without
    #    limit.
    def scan(self, request: kv.ScanRequest) -> Iterator[kv.ScanResponse]:
        """Yields the messages of the stream; each is asked for when the client has room for it."""
        self.begin(request)
        raise NotImplementedError("Scan is not written yet")
        yield  # Makes this a generator, as it will be.

    def begin(self, request: wire.Message) -> int:
        """The time of a request, in microseconds since the Unix epoch; one that is not valid is refused."""
        now = time.time_ns() // 1000
        checks.pass_or_raise(request, now, CAPABILITIES)
        return now


if __name__ == "__main__":
    wire.main(KeyValue())
