#!/usr/bin/env bash
# End-to-end test with real data: imports Debian's package database, reads it back, and exports it; the export must equal the
# import byte for byte. Then the same with kill -9 of the server during an import, which is resumed. Then a full migration to
# Postgres, with the order of versions, tokens, times and expiry.
#
#   .ci/real-input.sh PATH-OF-PRISM [STATUS-FILE]
#
# Postgres is provided as for the tests; PRISM_TEST_BACKENDS=sqlite skips it.
set -euo pipefail
cd "$(dirname "$0")/.."
prism=$(realpath "${1:?the path of prism}")
status=${2:-/var/lib/dpkg/status}
[ -r "$status" ] || { echo "$status cannot be read; pass another file of that format" >&2; exit 1; }

work=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PRISM_ENDPOINT=http://$address

# Starts the server, by default on the SQLite file, and waits until it is healthy.
start() {
  [ $# -gt 0 ] || set -- --database "$work/prism.db"
  "$prism" serve --listen "$address" "$@" >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    "$prism" health >/dev/null 2>&1 && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "the server did not become healthy:" >&2
  cat "$work/log" >&2
  return 1
}

same() {
  cmp "$1" "$2" || { echo "FAILED: $3" >&2; exit 1; }
  echo "equal: $3"
}

python3 fixtures/dpkg_to_jsonl.py "$status" >"$work/packages.jsonl"
echo "$(wc -l <"$work/packages.jsonl") records, $(wc -c <"$work/packages.jsonl") bytes from $status"

start
"$prism" import packages "$work/packages.jsonl"
"$prism" export packages "$work/exported.jsonl"
same "$work/packages.jsonl" "$work/exported.jsonl" "the export and the import"

# One record by get, prefix and range, compared with the file.
python3 - "$work/packages.jsonl" >"$work/expected" <<'PY'
import json, sys
record = json.loads(open(sys.argv[1]).readline())
keys = [item["key"] for item in record["items"]]
print(record["id"])
for chosen in (keys[:1], [k for k in keys if k.startswith("D")], [k for k in keys if "C" <= k < "M"]):
    print(json.dumps(chosen))
PY
id=$(sed -n 1p "$work/expected")
keys() {
  "$prism" get packages "$id" --json --keys-only "$@" | python3 -c '
import json, sys
found = []
def walk(value):
    if isinstance(value, dict):
        found.extend([value["key"]] if "key" in value else [])
        for inner in value.values(): walk(inner)
    elif isinstance(value, list):
        for inner in value: walk(inner)
for line in sys.stdin: walk(json.loads(line))
print(json.dumps(found))'
}
first=$(sed -n 2p "$work/expected" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0])')
keys "$first" >"$work/got"
keys --prefix D >>"$work/got"
keys --from C --to M >>"$work/got"
sed -n '2,4p' "$work/expected" >"$work/expected-keys"
same "$work/expected-keys" "$work/got" "record $id by key, prefix and range"

# A larger file of the same records, so that the kill hits the middle of the import.
python3 - "$work/packages.jsonl" >"$work/large.jsonl" <<'PY'
import json, sys
lines = open(sys.argv[1]).read().splitlines()
records = []
for copy in range(20):
    for line in lines:
        head, rest = line.split('","items":', 1)
        records.append((json.loads(head + '"}')["id"] + "#%02d" % copy, rest))
records.sort(key=lambda record: record[0].encode())
for id, rest in records:
    print('{"id":%s,"items":%s' % (json.dumps(id, ensure_ascii=False), rest))
PY
"$prism" import large "$work/large.jsonl" --in-flight 4 --retry-for 0s >"$work/import.log" 2>&1 &
import=$!
# Kill once a record from the first third of the file is visible.
third=$(($(wc -l <"$work/large.jsonl") / 3))
mark=$(sed -n "${third}p" "$work/large.jsonl" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
until "$prism" get large "$mark" --json 2>/dev/null | grep -q '"key"'; do
  kill -0 "$import" 2>/dev/null || { cat "$work/import.log" >&2; exit 1; }
done
kill -9 "$server"
wait "$server" 2>/dev/null || true
if wait "$import"; then
  echo "FAILED: the import ended before the server was killed" >&2
  exit 1
fi
tail -n 3 "$work/import.log"
start
partial=$("$prism" export large - | wc -l)
total=$(wc -l <"$work/large.jsonl")
echo "killed with $partial of $total records stored"
[ "$partial" -lt "$total" ] || { echo "FAILED: nothing was left to resume" >&2; exit 1; }
"$prism" import large "$work/large.jsonl" --resume
"$prism" export large "$work/large.exported.jsonl"
same "$work/large.jsonl" "$work/large.exported.jsonl" "the export and the import resumed after kill -9"

# Migration: on Postgres everything but the versions is equal, and the versions have the same order.
if [ -n "${PRISM_TEST_BACKENDS:-}" ] && ! grep -qw postgres <<<"$PRISM_TEST_BACKENDS"; then
  echo "SKIPPED by PRISM_TEST_BACKENDS=$PRISM_TEST_BACKENDS: migration to Postgres"
  exit 0
fi
# Items with tokens and expiry, and versions that are not in key order.
"$prism" put packages "$id" "$first=again" --priority-token 7 --ttl 1h >/dev/null
"$prism" put packages "$id" zz=new --priority-token 9 --content-type text/plain >/dev/null
"$prism" export packages "$work/sqlite.full.jsonl" --full
kill "$server"
wait "$server"
cargo build --quiet --workspace --example with_postgres
export -f start same
export prism work address
target/debug/examples/with_postgres bash -euo pipefail -c '
  server=
  trap "[ -z \"\$server\" ] || kill -9 \"\$server\" 2>/dev/null || true" EXIT
  # An empty configuration: server and import both take the database from DATABASE_URL.
  start --config /dev/null
  "$prism" import packages "$work/sqlite.full.jsonl" --full
  "$prism" export packages "$work/postgres.full.jsonl" --full
  kill "$server"
  wait "$server"
  server='
without_versions() { sed 's/,"version":[0-9]*//' "$1"; }
in_order_of_versions() { grep -no '"version":[0-9]*' "$1" | sort -t: -k3n | cut -d: -f1; }
without_versions "$work/sqlite.full.jsonl" >"$work/sqlite.items"
without_versions "$work/postgres.full.jsonl" >"$work/postgres.items"
same "$work/sqlite.items" "$work/postgres.items" "the data in SQLite and Postgres: values, tokens, times, expiry"
in_order_of_versions "$work/sqlite.full.jsonl" >"$work/sqlite.order"
in_order_of_versions "$work/postgres.full.jsonl" >"$work/postgres.order"
same "$work/sqlite.order" "$work/postgres.order" "the order of $(wc -l <"$work/sqlite.order") versions"
