#!/usr/bin/env bash
# Proves the Python server over the wire, and that the Python starter starts and is red.
#
#   .ci/python.sh PRISM-CONFORMANCE PYTHON      PYTHON has both requirements.txt
set -euo pipefail
conformance=$(realpath "$1")
# Not realpath, which would leave the virtual environment.
python=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
source "$(dirname "$0")/tools.sh"
cd "$ROOT"
example=examples/server-python
template=conformance/templates/python
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT

echo "generated messages"
PYTHON=$python .ci/python/generate.sh "$work"
diff --recursive --exclude __pycache__ "$template/prism" "$work/prism"

lines=$(wc -l <"$example/server.py")
echo "server.py has $lines lines; fewer than 250 are allowed"
[ "$lines" -lt 250 ]

echo "the server, running"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$python" "$example/server.py" --listen "127.0.0.1:$port" &
server=$!
within 20 "the server" bash -c "(: </dev/tcp/127.0.0.1/$port) 2>/dev/null"
"$conformance" run --endpoint "http://127.0.0.1:$port" --budget quick
kill "$server"
wait "$server"

echo "the server, started by the suite, which then measures its memory"
"$conformance" run --spawn "$python $example/server.py" --budget quick --only 'wire::*'

echo "the starter"
starter=$work/starter
"$conformance" new --language python "$starter"
"$python" .ci/python/rules.py
for folder in "$example" "$starter" .ci/python; do
  (cd "$folder" && "$python" -m ruff format --config "$ROOT/$example/ruff.toml" --check . &&
    "$python" -m ruff check --config "$ROOT/$example/ruff.toml" .)
done
status=0
"$conformance" run --spawn "$python $starter/server.py" --budget quick --json "$work/starter.json" >"$work/starter.log" || status=$?
"$python" .ci/python/starter.py "$status" "$work/starter.json"
