"""Tests `prism serve` from Python without generated code: all messages are built from reflection.

usage: test_gateway.py PATH-OF-PRISM     (starts the server on a free port, in a temporary folder)
"""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

SERVICE = "prism.keyvalue.v1.KeyValueService"
PRISM = None
SERVICE_CONFIG = Path(__file__).resolve().parent.parent.parent / "docs/deploy/service-config.json"


class Server:
    """A `prism serve` process with a separate database."""

    def __init__(self, folder, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.folder = folder
        self.database = os.path.join(folder, "prism.db")
        self.environment = environment
        self.start()

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PRISM_", "DATABASE_"))}
        environment.update(self.environment)
        self.log = open(os.path.join(self.folder, "log"), "ab+")
        command = [PRISM, "serve", "--listen", self.address, "--database", self.database]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.channel = grpc.insecure_channel(self.address)
        ready = grpc.channel_ready_future(self.channel)
        for _ in range(300):
            try:
                return ready.result(timeout=0.1)
            except grpc.FutureTimeoutError:
                if self.process.poll() is not None:
                    break
        raise AssertionError("prism serve did not become ready:\n" + self.logged())

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self, stop_signal=signal.SIGTERM):
        self.channel.close()
        self.process.send_signal(stop_signal)
        self.process.wait(timeout=30)
        self.output = self.logged()
        self.log.close()

    def restart(self, stop_signal):
        self.stop(stop_signal)
        self.start()


class Client:
    """The KeyValue API, from reflection."""

    def __init__(self, channel):
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        self.service = self.pool.FindServiceByName(SERVICE)

    def message(self, name, **fields):
        return self.type("prism.keyvalue.v1." + name)(**fields)

    def type(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, method, raw=None, timeout=10, **fields):
        described = self.service.FindMethodByName(method)
        answer = message_factory.GetMessageClass(described.output_type)
        request = message_factory.GetMessageClass(described.input_type)
        body = raw if raw is not None else request(**fields).SerializeToString()
        path = "/%s/%s" % (SERVICE, method)
        kind = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        return kind(path, request_serializer=bytes, response_deserializer=answer.FromString)(body, timeout=timeout)


class Case(unittest.TestCase):
    environment = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Server(folder.name, **self.environment)
        self.addCleanup(lambda: self.server.process.poll() is None and self.server.stop(signal.SIGKILL))

    @property
    def client(self):
        return Client(self.server.channel)

    def put(self, items, namespace="n", id="r", **more):
        return self.client.call("Put", namespace=namespace, id=id, items=[{"key": k, "value": v} for k, v in items], **more)

    def get(self, namespace="n", id="r", **more):
        return self.client.call("Get", namespace=namespace, id=id, **more)

    def assert_refused(self, code, reason, call, field=None):
        """Asserts that the call fails with exactly this status and the details required by the contract (ERR-1)."""
        with self.assertRaises(grpc.RpcError) as caught:
            answer = call()
            if not hasattr(answer, "SerializeToString"):
                list(answer)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        details = rpc_status.from_call(caught.exception)
        self.assertIsNotNone(details, "the status carries no details")
        found = {detail.type_url.rsplit("/", 1)[-1]: detail for detail in details.details}
        info = error_details_pb2.ErrorInfo()
        self.assertTrue(found["google.rpc.ErrorInfo"].Unpack(info))
        self.assertEqual((info.domain, info.reason), ("prism", reason))
        if field is not None:
            bad = error_details_pb2.BadRequest()
            self.assertTrue(found["google.rpc.BadRequest"].Unpack(bad))
            self.assertIn(field, [violation.field for violation in bad.field_violations])
        return caught.exception, found


class Gateway(Case):
    def test_values_round_trip_byte_for_byte(self):
        items = [(bytes([byte]), bytes(range(256)) if byte else b"") for byte in range(256)]
        results = self.put(items).results
        self.assertEqual([result.applied for result in results], [True] * 256)
        got = self.get().items
        self.assertEqual([(item.key, item.value) for item in got], items)
        self.assertEqual([item.metadata.version for item in got], [result.version for result in results])

    def test_health_is_serving(self):
        health = health_pb2_grpc.HealthStub(self.server.channel)
        for service in ["", SERVICE]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_reflection_lists_every_service_in_both_versions(self):
        listed = set(ProtoReflectionDescriptorDatabase(self.server.channel).get_services())
        v1 = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
        self.assertLessEqual({SERVICE, "grpc.health.v1.Health"} | v1, listed)

    def test_a_violated_limit_is_an_invalid_argument_with_the_field(self):
        big, item = b"x" * (1 << 20), {"key": b"k", "value": b"v"}
        invert = {"match_range": {"start": b"b", "end": b"a"}}
        for field, method, request in [
            ("namespace", "Put", {"namespace": "", "id": "r", "items": [item]}),
            ("namespace", "Get", {"namespace": "", "id": "r"}),
            ("namespace", "Scan", {"namespace": ""}),
            ("namespace", "Describe", {"namespace": ""}),
            ("id", "Get", {"namespace": "n", "id": ""}),
            ("items", "Put", {"namespace": "n", "id": "r"}),
            ("items[0].key", "Put", {"namespace": "n", "id": "r", "items": [{"key": b"k" * 1025}]}),
            ("items[0].value", "Put", {"namespace": "n", "id": "r", "items": [{"key": b"k", "value": big + b"x"}]}),
            ("items[1].key", "Put", {"namespace": "n", "id": "r", "items": [item, item]}),
            ("predicate", "Delete", {"namespace": "n", "id": "r"}),
            ("predicate.match_range", "Get", {"namespace": "n", "id": "r", "predicate": invert}),
            ("page_token", "Get", {"namespace": "n", "id": "r", "page_token": b"garbage"}),
            ("resume_token", "Scan", {"namespace": "n", "resume_token": b"garbage"}),
            # 5 MiB: within the message limit, but above the limit of a Put.
            ("items", "Put", {"namespace": "n", "id": "r", "items": [{"key": b"%d" % n, "value": big} for n in range(5)]}),
        ]:
            with self.subTest(method=method, field=field):
                call = lambda: self.client.call(method, **request)
                self.assert_refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", call, field)
        self.assertEqual(len(self.get().items), 0, "something was written")

    def test_malformed_messages_are_refused_without_harm_to_the_server(self):
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        self.assert_refused(invalid, "MALFORMED_MESSAGE", lambda: self.client.call("Put", raw=b"\xff\xff\xff"))
        self.assert_refused(invalid, "MESSAGE_TOO_LARGE", lambda: self.client.call("Put", raw=b"\x0a" + b"x" * (9 << 20)))
        nowhere = self.server.channel.unary_unary("/%s/Nowhere" % SERVICE, request_serializer=bytes)
        self.assert_refused(grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND", lambda: nowhere(b"", timeout=10))
        unknown = b"\xfa\x7f\x03abc"
        request = self.client.message("GetRequest", namespace="n", id="r").SerializeToString()
        self.assertEqual(len(self.client.call("Get", raw=request + unknown).items), 0)

    def test_a_failed_precondition_has_the_key_and_its_current_version(self):
        version = self.put([(b"k", b"1")]).results[0].version
        guard = [{"key": b"k", "version": 0}, {"key": b"other", "version": 7}]
        _, found = self.assert_refused(
            grpc.StatusCode.FAILED_PRECONDITION,
            "PRECONDITION_FAILED",
            lambda: self.put([(b"k", b"2")], preconditions=guard),
        )
        typed = self.client.type("prism.common.FailedPreconditions")()
        typed.ParseFromString(found["prism.common.FailedPreconditions"].value)
        failures = [(failed.key, failed.current_version) for failed in typed.preconditions]
        self.assertEqual(failures, [(b"k", version), (b"other", 0)])
        self.assertEqual(self.get().items[0].value, b"1")

    def test_a_scan_streams_a_namespace_in_order_and_resumes_after_any_message(self):
        written = []
        for id in ["b", "a", "é", "Z"]:
            self.put([(key, b"v") for key in (b"2", b"1")], id=id)
            written += [(id, b"1"), (id, b"2")]
        written.sort(key=lambda entry: (entry[0].encode(), entry[1]))
        messages = list(self.client.call("Scan", namespace="n", selection={"item_limit": 3}))
        read = lambda messages: [(entry.id, entry.item.key) for message in messages for entry in message.entries]
        self.assertEqual(read(messages), written)
        for cut in range(1, len(messages)):
            token = messages[cut - 1].resume_token
            rest = list(self.client.call("Scan", namespace="n", resume_token=token))
            self.assertEqual(read(messages[:cut]) + read(rest), written)

    def test_data_versions_tokens_and_expiry_survive_a_restart_and_a_kill(self):
        for stop_signal in [signal.SIGTERM, signal.SIGKILL]:
            with self.subTest(stop_signal=stop_signal.name):
                record = "r-" + stop_signal.name
                before = self.put([(b"k", b"v")], id=record, item_priority_token=5, ttl={"seconds": 3600}).results[0]
                item = self.get(id=record).items[0].SerializeToString(deterministic=True)
                self.server.restart(stop_signal)
                self.assertEqual(self.get(id=record).items[0].SerializeToString(deterministic=True), item)
                again = self.put([(b"k", b"late")], id=record, item_priority_token=5).results[0]
                self.assertEqual((again.applied, again.version), (False, before.version))
                after = self.put([(b"k", b"new")], id=record).results[0]
                self.assertGreater(after.version, before.version)

    def test_an_expired_deadline_fails_promptly_without_harm_to_the_server(self):
        # More than a client can read before the shortest deadline, which gRPC rounds up to a millisecond.
        for number in range(16):
            self.put([(b"k", bytes(1_000_000))], id="r%d" % number)
        started = time.monotonic()
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in self.client.call("Scan", namespace="n", timeout=0.000001):
                pass
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertLess(time.monotonic() - started, 5)
        self.put([(b"k", b"v")])

    def test_the_log_contains_no_keys_or_values(self):
        self.put([(b"secret-key", b"secret-value")], id="secret-id")
        self.get(id="secret-id")
        self.server.stop()
        self.assertIn("Put", self.server.output)
        for secret in ["secret-key", "secret-value", "secret-id"]:
            self.assertNotIn(secret, self.server.output)

    def test_a_locked_database_is_unavailable_and_not_empty(self):
        self.put([(b"k", b"v")])
        other = sqlite3.connect(self.server.database, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        unavailable = grpc.StatusCode.UNAVAILABLE
        _, found = self.assert_refused(unavailable, "BACKEND_UNAVAILABLE", lambda: self.client.call(
            "Put", timeout=30, namespace="n", id="r", items=[{"key": b"k", "value": b"w"}]))
        self.assertIn("google.rpc.RetryInfo", found)
        self.assertEqual(self.get().items[0].value, b"v", "reads continue during a write transaction")
        other.execute("ROLLBACK")
        self.put([(b"k", b"w")])
        self.assertEqual(self.get().items[0].value, b"w")


class Retries(unittest.TestCase):
    """The service config in docs/deploy, against a test server that refuses and counts calls."""

    def attempts(self, method, code, pushback=None):
        """The times of all attempts at a server that refuses twice with `code`, and the caller's final status."""
        times = []

        def refuse(request, context):
            times.append(time.monotonic())
            if len(times) <= 2:
                if pushback is not None:
                    context.set_trailing_metadata((("grpc-retry-pushback-ms", str(pushback)),))
                context.abort(code, "refused by the test")
            return b""

        def refuse_stream(request, context):
            yield refuse(request, context)

        if method == "Scan":
            handler = grpc.unary_stream_rpc_method_handler(refuse_stream)
        else:
            handler = grpc.unary_unary_rpc_method_handler(refuse)
        server = grpc.server(futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {method: handler})])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        options = [("grpc.service_config", SERVICE_CONFIG.read_text(encoding="utf-8"))]
        with grpc.insecure_channel("127.0.0.1:%d" % port, options=options) as channel:
            kind = channel.unary_stream if method == "Scan" else channel.unary_unary
            call = kind("/%s/%s" % (SERVICE, method))
            try:
                list(call(b"")) if method == "Scan" else call(b"")
                answer = grpc.StatusCode.OK
            except grpc.RpcError as error:
                answer = error.code()
        return times, answer

    def test_every_method_is_retried_if_the_call_had_no_effect(self):
        for method in ["Get", "Describe", "Scan", "Put", "Delete"]:
            with self.subTest(method=method):
                times, answer = self.attempts(method, grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertEqual((len(times), answer), (3, grpc.StatusCode.OK))

    def test_a_call_that_may_have_taken_effect_is_retried_only_if_it_is_read_only(self):
        unavailable = grpc.StatusCode.UNAVAILABLE
        for method, attempts, expected in [
            ("Get", 3, grpc.StatusCode.OK),
            ("Describe", 3, grpc.StatusCode.OK),
            ("Scan", 3, grpc.StatusCode.OK),
            ("Put", 1, unavailable),
            ("Delete", 1, unavailable),
        ]:
            with self.subTest(method=method):
                times, answer = self.attempts(method, unavailable)
                self.assertEqual((len(times), answer), (attempts, expected))

    def test_the_server_controls_the_retry_delay(self):
        times, answer = self.attempts("Get", grpc.StatusCode.UNAVAILABLE, pushback=700)
        self.assertEqual((len(times), answer), (3, grpc.StatusCode.OK))
        for earlier, later in zip(times, times[1:]):
            self.assertGreaterEqual(later - earlier, 0.7)

    def test_the_gateway_works_with_the_service_config(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder)
            self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
            options = [("grpc.service_config", SERVICE_CONFIG.read_text(encoding="utf-8"))]
            with grpc.insecure_channel(server.address, options=options) as channel:
                client = Client(channel)
                client.call("Put", namespace="n", id="r", items=[{"key": b"k", "value": b"v"}])
                self.assertEqual(client.call("Get", namespace="n", id="r").items[0].value, b"v")
            server.stop()


class BadDatabases(unittest.TestCase):
    def assert_refused(self, path, *words):
        command = [PRISM, "serve", "--listen", "127.0.0.1:0", "--database", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1, done.stderr + done.stdout)
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)
        self.assertNotIn("panicked", done.stderr)

    def test_a_file_that_is_not_a_database_is_refused_and_unchanged(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notes.txt")
            text = "a shopping list, not a database\n" * 100
            with open(path, "w") as file:
                file.write(text)
            self.assert_refused(path, path, "not a")
            with open(path) as file:
                self.assertEqual(file.read(), text)

    def test_a_missing_folder_is_reported(self):
        self.assert_refused("/nonexistent/folder/prism.db", "/nonexistent/folder")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PRISM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
