#!/usr/bin/env bash
# Linearizability (LIN-1) of three gateways on one Postgres schema: checks histories until enough operations are verified.
#
#   .ci/gateways.sh postgres://…            200,000 operations, at most ten minutes
#   .ci/gateways.sh postgres://… 50000 120  number of operations, maximum seconds
#
# Uses the built target/$PROFILE/prism and prism-conformance; PROFILE is debug by default. Creates and drops a schema in the
# test database. Needs psql. Exit: 0 if that many operations ran without a violation; 1 for a violation, or too few in time.
set -euo pipefail
cd "$(dirname "$0")/.."
url=${1:?"usage: .ci/gateways.sh POSTGRES-URL [OPERATIONS [SECONDS]]"} required=${2:-200000} seconds=${3:-600}
programs=target/${PROFILE:-debug}
folder=$(mktemp -d)
schema=gateways_$$
pids=() runs=()

clean_up() {
  for run in "${runs[@]}"; do kill "${run%:*}" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  psql -q "$url" -c "DROP SCHEMA IF EXISTS $schema CASCADE" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT

psql -q "$url" -c "CREATE SCHEMA $schema"
case $url in *\?*) mark='&' ;; *) mark='?' ;; esac
endpoints=()
for number in 1 2 3; do
  DATABASE_URL="$url${mark}options=-csearch_path%3D$schema" PRISM_LOGGING_FORMAT=json \
    "$programs/prism" serve --listen 127.0.0.1:0 2>"$folder/$number.log" &
  pids+=($!)
done
for number in 1 2 3; do
  address=$(timeout 30 bash -c "until sed -n 's/.*\"address\":\"\\([^\"]*\\)\".*/\\1/p' '$folder/$number.log' | head -1 | grep .
    do sleep 0.1; done") || { cat "$folder/$number.log" >&2; exit 1; }
  endpoints+=(--endpoint "http://$address")
done

# Rounds spend most of their time waiting, so several seeds run in parallel.
parallel=8 total=0 seed=0
while [ "$total" -lt "$required" ] && [ "$SECONDS" -lt "$seconds" ]; do
  runs=()
  for _ in $(seq "$parallel"); do
    seed=$((seed + 1))
    "$programs/prism-conformance" run "${endpoints[@]}" --only linearizable::through_several_gateways \
      --budget soak --seed "$seed" --trace >"$folder/$seed.out" 2>&1 &
    runs+=("$!:$seed")
  done
  for run in "${runs[@]}"; do
    out=$folder/${run#*:}.out
    wait "${run%:*}" || { cat "$out"; exit 1; }
    count=$(sed -n 's/^ *note: linearizable: \([0-9]*\) operations in .*/\1/p' "$out")
    [ -n "$count" ] || { echo "the output has no number of operations" >&2; exit 1; }
    total=$((total + count))
  done
  echo "seeds up to $seed: $total operations after $SECONDS s"
done
[ "$total" -ge "$required" ] || { echo "only $total operations in $SECONDS s, without a violation; $required are required" >&2; exit 1; }
echo "three gateways, $total operations, no linearizability violation, $SECONDS s"
