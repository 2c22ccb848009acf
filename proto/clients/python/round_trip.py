"""Tries the generated Python client without a server: messages, calls and custom options."""

from prism import options_pb2
from prism.common.metadata_pb2 import ItemMetadata
from prism.keyvalue.v1 import keyvalue_pb2, keyvalue_pb2_grpc
from prism.keyvalue.v1.types_pb2 import Item

ALL_BYTES = bytes(range(256))

request = keyvalue_pb2.PutRequest(
    namespace="users",
    id="42",
    items=[Item(key=ALL_BYTES, value=b"", metadata=ItemMetadata(content_type="text/plain"))],
    item_priority_token=7,
)
request.ttl.FromSeconds(60)
again = keyvalue_pb2.PutRequest.FromString(request.SerializeToString())
assert again == request, again
assert again.items[0].key == ALL_BYTES, again

service = keyvalue_pb2.DESCRIPTOR.services_by_name["KeyValueService"]
put = service.methods_by_name["Put"].GetOptions()
assert put.Extensions[options_pb2.timeout_ms] == 5000, put
assert hasattr(keyvalue_pb2_grpc, "KeyValueServiceStub")
print("Python client: a PutRequest and the options of Put came back unchanged")
