"""A protoc plugin that generates Python with the compiler inside grpcio-tools.

grpcio-tools carries protoc's Python generators (messages, .pyi stubs, gRPC calls) but no plugin that buf could start.
This one reads a CodeGeneratorRequest, hands its descriptors to that compiler and answers with what it wrote.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Compiles the requested files in a temporary folder."""
    response = plugin_pb2.CodeGeneratorResponse()
    response.supported_features = plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.bin")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        output = Path(folder, "output")
        output.mkdir()
        status = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={descriptors}",
                f"--python_out={output}",
                f"--pyi_out={output}",
                f"--grpc_python_out={output}",
                *request.file_to_generate,
            ]
        )
        if status != 0:
            response.error = f"grpcio-tools failed with status {status}; its messages are above"
            return response
        for path in sorted(output.rglob("*")):
            if path.is_file():
                name = path.relative_to(output).as_posix()
                response.file.add(name=name, content=path.read_text(encoding="utf-8"))
    return response


if __name__ == "__main__":
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request).SerializeToString())
