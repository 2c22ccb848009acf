"""What is not about items in a KeyValue server: calls, statuses with details, health and reflection.

A name such as ERR-1 is the rule that a line keeps; `prism-conformance explain ERR-1` prints it.
"""

import argparse
import asyncio
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpclib.server
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2 as rpc
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.health.service import Health
from grpclib.metadata import Deadline
from grpclib.reflection.service import ServerReflection
from grpclib.server import Server, Stream
from grpclib.utils import Wrapper, graceful_exit

from prism import options_pb2 as options
from prism.common.errors_pb2 import FailedPrecondition, FailedPreconditions
from prism.keyvalue.v1 import keyvalue_pb2

SERVICE = keyvalue_pb2.DESCRIPTOR.services_by_name["KeyValueService"]
MESSAGE_BYTES = 8 << 20  # of a request, encoded
DETAIL_BYTES = 4_250  # of the violations of a status: 6 KiB in base64, less its other details
UNSENT_BYTES = 16 << 20  # of large answers that wait for their clients
SMALL_BYTES = 64 << 10  # of an answer that never waits for others


class Refused(GRPCError):
    """The failure of a call: a status with an ErrorInfo and further details (ERR-1).

    `reason` is one of prism.common.ErrorReason, without its prefix.
    """

    def __init__(self, status: Status, reason: str, message: str, *details: Message, **headers: str) -> None:
        super().__init__(status, message, [rpc.ErrorInfo(reason=reason, domain="prism"), *details])
        self.headers = [(name.replace("_", "-"), value) for name, value in headers.items()]


def invalid(violations: list[tuple[str, str]]) -> Refused:
    """INVALID_ARGUMENT, with the path of each field at fault and why; not of all if a trailer has no room."""
    listed = violations[:20]
    if len(violations) > len(listed):
        listed.append(("...", f"{len(violations) - len(listed)} more violations are not listed"))
    fields = [rpc.BadRequest.FieldViolation(field=field, description=why) for field, why in listed]
    message, details = "{}: {}".format(*violations[0]), rpc.BadRequest(field_violations=fields)
    return Refused(Status.INVALID_ARGUMENT, "INVALID_REQUEST", message, details)


def precondition_failed(failures: list[tuple[bytes, int]]) -> Refused:
    """FAILED_PRECONDITION, with each failing key and its current version, 0 if absent (COND-1)."""
    violations, room = rpc.PreconditionFailure(), DETAIL_BYTES
    for n, (key, version) in enumerate(failures):
        subject = escaped(key)
        room -= len(subject) + 50
        if room < 0:
            more = f"{len(failures) - n} more violations are not listed"
            violations.violations.add(type="OVERFLOW", subject="...", description=more)
            break
        violations.violations.add(type="VERSION", subject=subject, description=f"current version {version}")
    listed = [FailedPrecondition(key=key, current_version=version) for key, version in failures]
    typed = FailedPreconditions(preconditions=listed)
    details = (violations, typed) if typed.ByteSize() <= room else (violations,)
    message = f"preconditions that do not hold: {len(failures)}"
    return Refused(Status.FAILED_PRECONDITION, "PRECONDITION_FAILED", message, *details)


def escaped(key: bytes) -> str:
    """The key in printable ASCII, everything else escaped."""
    names = {9: r"\t", 10: r"\n", 13: r"\r", 34: r"\"", 39: r"\'", 92: r"\\"}
    return "".join(names.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in key)


def retry_later(status: Status, reason: str, message: str, milliseconds: int) -> Refused:
    """UNAVAILABLE (BACKEND_UNAVAILABLE) or RESOURCE_EXHAUSTED (OVERLOADED), with the delay before a retry."""
    delay = Duration()
    delay.FromMilliseconds(milliseconds)
    info = rpc.RetryInfo(retry_delay=delay)
    return Refused(status, reason, message, info, grpc_retry_pushback_ms=str(milliseconds))


def not_declared(capability: str) -> Refused:
    """UNIMPLEMENTED for a request that needs a capability which Describe does not declare (CAP-1)."""
    return Refused(Status.UNIMPLEMENTED, "CAPABILITY_NOT_DECLARED", f"{capability} is not declared")


def timestamp(micros: int) -> Timestamp:
    """The time this many microseconds after the Unix epoch."""
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp


class Calls:
    """Answers the calls of KeyValueService, each with the servicer's method of that name in lower case."""

    def __init__(self, servicer: Any) -> None:
        self.servicer, self.unsent = servicer, 0

    def __mapping__(self) -> dict[str, Handler]:
        return {f"/{SERVICE.full_name}/{method.name}": self.handler(method) for method in SERVICE.methods}

    def handler(self, method: MethodDescriptor | None) -> Handler:
        output = GetMessageClass(method.output_type) if method else None
        return Handler(partial(self.call, method), Cardinality.UNARY_STREAM, None, output)

    async def call(self, method: MethodDescriptor | None, stream: Stream[Any, Any]) -> None:
        """Answers one call; what goes wrong leaves it as a status with details."""
        try:
            await self.answer(method, stream)
        except Refused as refused:
            if more := refused.headers:  # Not as metadata: grpclib takes no names that begin with grpc-.
                send = stream._stream.send_headers
                stream._stream.send_headers = lambda headers, **how: send([*headers, *more], **how)
            raise
        except NotImplementedError as error:
            raise Refused(Status.UNIMPLEMENTED, "METHOD_NOT_FOUND", str(error)) from None
        except TimeoutError:
            message = "the method's timeout has passed"
            raise Refused(Status.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", message) from None
        except Exception:
            logging.exception("%s failed", method.name)
            raise Refused(Status.INTERNAL, "INTERNAL", "a bug; the server's log has more") from None

    async def answer(self, method: MethodDescriptor | None, stream: Stream[Any, Any]) -> None:
        if method is None:
            raise Refused(Status.UNIMPLEMENTED, "METHOD_NOT_FOUND", "there is no such method")
        async with asyncio.timeout(method.GetOptions().Extensions[options.timeout_ms] / 1000):
            request = await one_message(stream, GetMessageClass(method.input_type))
            answer = getattr(self.servicer, method.name.lower())(request)
            for message in answer if method.server_streaming else [answer]:
                await self.send(stream, message)

    async def send(self, stream: Stream[Any, Any], answer: Message) -> None:
        """Sends a message, and waits until the client has room for it: no Scan reads ahead (SCAN-3)."""
        size = answer.ByteSize()
        if size > SMALL_BYTES and self.unsent + size > UNSENT_BYTES:  # ERR-6
            message = "too many answers wait for their clients"
            raise retry_later(Status.RESOURCE_EXHAUSTED, "OVERLOADED", message, 200)
        self.unsent += size
        try:
            await stream.send_message(answer)
        finally:
            self.unsent -= size


async def one_message(stream: Stream[Any, Any], kind: type[Message]) -> Message:
    """The request, read to its end: it is one whole message of at most 8 MiB (ERR-3)."""
    read = stream._stream.recv_data  # Because recv_message has no limit, and does not wait for the end.
    malformed = partial(Refused, Status.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    try:
        compressed, size = struct.unpack(">?I", await read(5))
        if compressed:
            # ERR-7
            why, read_here = "the message is compressed; it must not be", {"grpc_accept_encoding": "identity"}
            raise Refused(Status.UNIMPLEMENTED, "UNSUPPORTED_ENCODING", why, **read_here)
        if size > MESSAGE_BYTES:
            message = f"the message is {size} bytes; at most {MESSAGE_BYTES} are allowed"
            raise Refused(Status.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE", message)
        encoded = await read(size)
        if len(encoded) < size or await read(1):
            raise malformed("the request is not one whole message")
        return kind.FromString(encoded)  # Unknown fields are ignored (ERR-5).
    except DecodeError:
        raise malformed(f"the bytes are not a {kind.DESCRIPTOR.full_name}") from None
    except (AssertionError, struct.error):
        # recv_data asserts that a request does not end too early, and an empty one has no prefix to unpack.
        raise malformed("the request is not one whole message") from None


class ClientDeadline(Wrapper):
    """Ends a call at the deadline of its client, as DEADLINE_EXCEEDED with an ErrorInfo (ERR-1, ERR-4).

    It replaces grpclib's own class, which answers UNKNOWN where a deadline has passed before the call begins.
    """

    @contextmanager
    def start(self, deadline: Deadline) -> Iterator[None]:
        passed = Refused(Status.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the client's deadline has passed")
        timer = asyncio.get_running_loop().call_later(deadline.time_remaining(), self.cancel, passed)
        try:
            yield
        finally:
            timer.cancel()


class Methods(dict[str, Handler]):
    """The methods by their paths; any other path gets METHOD_NOT_FOUND (ERR-3)."""

    unknown: Handler

    def get(self, path: str, default: Any = None) -> Handler:
        return super().get(path, self.unknown)


async def serve(servicer: Any, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    grpclib.server.DeadlineWrapper = ClientDeadline
    calls = Calls(servicer)
    health = Health({calls: []})  # HEALTH-1. A store with a database gives checks of it here.
    server = Server(ServerReflection.extend([calls, health]))
    server._mapping = Methods(server._mapping)
    server._mapping.unknown = calls.handler(None)
    with graceful_exit([server]):
        await server.start(host, port)
        print(f"listening on {host}, port {port}", flush=True)
        await server.wait_closed()


def main(servicer: Any) -> None:
    """Runs the server at --listen, or at the address that `prism-conformance run --spawn` passes."""
    parser = argparse.ArgumentParser()
    default = os.environ.get("PRISM_SERVER_LISTEN", "127.0.0.1:8980")
    parser.add_argument(
        "--listen", type=address, default=default, metavar="HOST:PORT", help=f"default: {default}"
    )
    asyncio.run(serve(servicer, *parser.parse_args().listen))


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no address; HOST:PORT is, such as 127.0.0.1:8980")
    return host.strip("[]"), int(port)
