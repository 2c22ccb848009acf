#!/usr/bin/env bash
# Generates the messages of the Python server and starter, and their types.
#
#   .ci/python/generate.sh conformance/templates/python        $PYTHON (python3) has .ci/python/requirements.txt
set -euo pipefail
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../proto"
# Those of KeyValue, which the server serves: not TimeSeries, and not the control plane, which is of the gateway alone.
mapfile -t files < <(find prism -name '*.proto' -not -path 'prism/control/*' -not -path 'prism/timeseries/*' | LC_ALL=C sort)
rm -rf "$folder/prism"
"${PYTHON:-python3}" -m grpc_tools.protoc --proto_path=. --python_out="$folder" --pyi_out="$folder" "${files[@]}"
