#!/usr/bin/env bash
# End-to-end test of TimeSeries with real data: Debian's package log, or else this repository's git log, as events. They are
# appended to each backend while a Tail follows, queried by range and by tag, and exported; the answers of all backends are equal
# byte for byte, and equal to what the log itself says.
#
#   .ci/real-events.sh PATH-OF-PRISM [LOG]
#
# Backends: REAL_EVENTS_BACKENDS, by default "sqlite postgres", and "kafka" too where PRISM_TEST_KAFKA has a broker's address and
# PATH-OF-PRISM was built with the feature kafka. Postgres is provided as for the tests; PRISM_TEST_BACKENDS=sqlite skips it.
set -euo pipefail
cd "$(dirname "$0")/.."
prism=$(realpath "${1:?the path of prism}")
log=${2:-/var/log/dpkg.log}

backends=${REAL_EVENTS_BACKENDS:-}
if [ -z "$backends" ]; then
  backends=sqlite
  if [ -z "${PRISM_TEST_BACKENDS:-}" ] || grep -qw postgres <<<"$PRISM_TEST_BACKENDS"; then
    backends="$backends postgres"
  else
    echo "SKIPPED by PRISM_TEST_BACKENDS=$PRISM_TEST_BACKENDS: events on Postgres"
  fi
  if [ -n "${PRISM_TEST_KAFKA:-}" ]; then
    backends="$backends kafka"
  else
    echo "SKIPPED, because PRISM_TEST_KAFKA is not set: events on Kafka"
  fi
fi

work=$(mktemp -d)
server=
tail=
cleanup() {
  [ -z "$tail" ] || kill -9 "$tail" 2>/dev/null || true
  [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PRISM_ENDPOINT=http://$address

# Starts the gateway and waits until it is healthy.
start() {
  "$prism" serve --listen "$address" "$@" >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    "$prism" health >/dev/null 2>&1 && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "the gateway did not become healthy:" >&2
  cat "$work/log" >&2
  return 1
}

# Appends the events while a Tail follows, and keeps the answers in $work/NAME.*.
exercise() {
  local name=$1 started ended
  "$prism" ts tail events --follow --beginning --json >"$work/$name.tailed" 2>>"$work/log" &
  tail=$!
  started=$(date +%s%N)
  "$prism" ts append events --file "$work/events.jsonl" --batch 100
  ended=$(date +%s%N)
  echo "$name: $total events appended in $(((ended - started) / 1000000)) ms"
  for _ in $(seq 600); do
    [ "$(wc -l <"$work/$name.tailed")" -lt "$total" ] || break
    kill -0 "$tail" 2>/dev/null || break
    sleep 0.05
  done
  kill -INT "$tail"
  wait "$tail" || true
  tail=
  started=$(date +%s%N)
  "$prism" ts tail events --beginning --json 2>>"$work/log" >"$work/$name.exported"
  : >"$work/$name.queried"
  while read -r series; do
    "$prism" ts query events "$series" --json >>"$work/$name.queried"
    "$prism" ts query events "$series" --from "$from" --to "$to" --json >>"$work/$name.queried"
    "$prism" ts query events "$series" --tag "$tag" --json >>"$work/$name.queried"
    "$prism" ts query events "$series" --from "$from" --tag "$tag" --no-payload --limit 20 --json >>"$work/$name.queried"
  done <"$work/series"
  ended=$(date +%s%N)
  echo "$name: exported and queried in $(((ended - started) / 1000000)) ms"
}

# The answers of a backend against the log.
compare() {
  local name=$1
  for what in tailed exported; do
    LC_ALL=C sort "$work/$name.$what" >"$work/$name.$what.sorted"
    same "$work/events.sorted" "$work/$name.$what.sorted" "$name: events $what, and those of the log"
  done
  same "$work/expected" "$work/$name.queried" "$name: queries by series, range and tag, and those of the log"
}

same() {
  cmp "$1" "$2" || { echo "FAILED: $3" >&2; exit 1; }
  echo "equal: $3"
}

if [ -r "$log" ]; then
  python3 fixtures/log_to_events.py "$log" >"$work/events.jsonl"
else
  log="the git log"
  python3 fixtures/log_to_events.py --git . >"$work/events.jsonl"
fi
total=$(wc -l <"$work/events.jsonl")
echo "$total events, $(wc -c <"$work/events.jsonl") bytes from $log"
[ "$total" -ge 10 ] || { echo "FAILED: too few events" >&2; exit 1; }
LC_ALL=C sort "$work/events.jsonl" >"$work/events.sorted"

# The three largest series, a range and a tag that divide them, and the answers of the queries above.
python3 - "$work" >"$work/choice" <<'PY'
import collections, json, sys
work = sys.argv[1]
events = [json.loads(line) for line in open(work + "/events.jsonl", encoding="utf-8")]
series = [name for name, _ in collections.Counter(event["series"] for event in events).most_common(3)]
times = sorted(event["time"] for event in events if event["series"] in series)
start, end = times[len(times) // 4], times[3 * len(times) // 4]
tags = collections.Counter(tag for event in events if event["series"] in series for tag in event.get("tags", {}).items())
tag = tags.most_common(1)[0][0]
print(start, end, "=".join(tag), sep="\n")
open(work + "/series", "w", encoding="utf-8").write("".join(name + "\n" for name in series))

def line(event, keys):
    members = {key: event[key] for key in keys if key in event}
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False) + "\n"

ALL = ("time", "id", "payload", "payload_base64", "tags")
with open(work + "/expected", "w", encoding="utf-8") as expected:
    for name in series:
        of = sorted((e for e in events if e["series"] == name), key=lambda e: (e["time"], e["id"].encode()))
        has_tag = lambda event: event.get("tags", {}).get(tag[0]) == tag[1]
        expected.writelines(line(e, ALL) for e in of)
        expected.writelines(line(e, ALL) for e in of if start <= e["time"] < end)
        expected.writelines(line(e, ALL) for e in of if has_tag(e))
        chosen = [e for e in of if has_tag(e) and e["time"] >= start][:20]
        expected.writelines(line(e, ("time", "id", "tags")) for e in chosen)
PY
{ read -r from; read -r to; read -r tag; } <"$work/choice"
echo "queries: $(wc -l <"$work/series") series, from $from to $to, tag $tag: $(wc -l <"$work/expected") events"

# A window of ten years, since a log's events are old; Kafka needs a bound on both sides.
rule='    - match: events
      abstraction: timeseries
      accept_past: 3650d
      accept_future: 5m'
printf 'namespaces:\n  rules:\n%s\n' "$rule" >"$work/rules.yaml"

export -f start exercise
export prism work address total from to tag
for backend in $backends; do
  case $backend in
    sqlite)
      start --config "$work/rules.yaml" --database "$work/prism.db"
      exercise sqlite
      kill "$server"
      wait "$server"
      server=
      ;;
    postgres)
      cargo build --quiet --workspace --example with_postgres
      target/debug/examples/with_postgres bash -euo pipefail -c '
        server= tail=
        trap "kill -9 \$server \$tail 2>/dev/null || true" EXIT
        start --config "$work/rules.yaml"
        exercise postgres
        kill "$server"
        wait "$server"
        server='
      ;;
    kafka)
      cat >"$work/kafka.yaml" <<YAML
backends:
  main:
    type: sqlite
    path: $work/main.db
  events:
    type: kafka
    kafka:
      brokers: ${PRISM_TEST_KAFKA:?the address of a broker}
      topic_prefix: real-events-$$
namespaces:
  default_backend: main
  rules:
$rule
      backend: events
YAML
      start --config "$work/kafka.yaml"
      exercise kafka
      kill "$server"
      wait "$server"
      server=
      ;;
    *)
      echo "'$backend' is not a backend; sqlite, postgres and kafka are allowed" >&2
      exit 2
      ;;
  esac
  compare "$backend"
done

# The other backends against the first one, as they answered.
first=${backends%% *}
for backend in $backends; do
  [ "$backend" != "$first" ] || continue
  same "$work/$first.queried" "$work/$backend.queried" "queries on $first and $backend"
  same "$work/$first.exported.sorted" "$work/$backend.exported.sorted" "exports of $first and $backend"
done
