#!/usr/bin/env bash
# Builds the image, runs the suite against it in a container, on SQLite and then with docker-compose.test.yml on Postgres, and
# takes everything down again, also after a failure.
#
#   .ci/compose.sh PRISM_CONFORMANCE     the path of the suite's command
#
# Needs an engine (.ci/engine.sh). PRISM_BUILD_PROFILE is the profile to build with; without it, release.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
cd "$ROOT"
SUITE=${1:?"usage: .ci/compose.sh PRISM_CONFORMANCE"}
need python3 "find a free port and make a password"

# Version 2 is a plugin of the client, version 1 a command of its own.
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif have docker-compose; then
  compose=(docker-compose)
else
  [ "${CI:-}" = true ] || need docker-compose "bring docker-compose.test.yml up"
  install_from_debian docker-compose
  compose=(docker-compose)
fi
compose+=(--project-name "prism-ci-$$" --file docker-compose.test.yml)

PRISM_TEST_IMAGE=prism:test
PRISM_TEST_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
PRISM_TEST_PASSWORD=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
PRISM_RUST_IMAGE=$(.ci/image.sh rust)
PRISM_RUNTIME_IMAGE=$(.ci/image.sh debian)
PRISM_TEST_POSTGRES_IMAGE=$(.ci/image.sh postgres)
export PRISM_TEST_IMAGE PRISM_TEST_PORT PRISM_TEST_PASSWORD PRISM_RUST_IMAGE PRISM_RUNTIME_IMAGE PRISM_TEST_POSTGRES_IMAGE
alone=prism-ci-$$-alone

take_down() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    docker logs --tail 30 "$alone" 2>&1 || true
    "${compose[@]}" logs --tail 30 2>&1 || true
  fi
  docker rm --force --volumes "$alone" >/dev/null 2>&1 || true
  "${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1 || true
}
trap take_down EXIT

# Healthy by the image's own check; an end is told at once and not at the deadline.
healthy() {
  case $(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$1") in
    "running healthy") ;;
    running*) return 1 ;;
    *) echo "$1 ended before it was healthy" >&2; exit 1 ;;
  esac
}

# expect WHAT WANTED FOUND
expect() {
  if [ "$2" != "$3" ]; then
    echo "$1: wanted '$2', found '$3'" >&2
    return 1
  fi
  echo "$1: $3"
}

# prove CONTAINER: what the image promises, and the suite.
prove() {
  local container=$1
  within 120 "$container to be healthy" healthy "$container"
  expect "user" 65532 "$(docker top "$container" -eo pid,uid | awk 'END { print $2 }')"
  # As root, whom the file's owner and mode would let write: what refuses is the mount.
  expect "a write to the root file system" "touch: cannot touch '/probe': Read-only file system" \
    "$(docker exec --user 0 "$container" touch /probe 2>&1 | head -n 1)"
  docker exec "$container" prism put demo user:1 name=Alice >/dev/null
  "$SUITE" run --endpoint "http://127.0.0.1:$PRISM_TEST_PORT" --budget quick

  # SIGTERM, and the end that follows from it; 137 would be the SIGKILL after it.
  docker stop --time 60 "$container" >/dev/null
  expect "exit code after SIGTERM" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$container")"
  docker start "$container" >/dev/null
  within 120 "$container to be healthy again" healthy "$container"
  docker exec "$container" prism get demo user:1 | grep -q Alice
  echo "what was put is there after the restart"
}

docker build --quiet --tag "$PRISM_TEST_IMAGE" --build-arg "RUST_IMAGE=$PRISM_RUST_IMAGE" \
  --build-arg "RUNTIME_IMAGE=$PRISM_RUNTIME_IMAGE" --build-arg "PROFILE=${PRISM_BUILD_PROFILE:-release}" .
echo "image $PRISM_TEST_IMAGE: $(docker image inspect --format '{{.Size}}' "$PRISM_TEST_IMAGE") bytes, of which $(
  docker image inspect --format '{{.Size}}' "$PRISM_RUNTIME_IMAGE") are $PRISM_RUNTIME_IMAGE"

echo "-- the embedded database"
docker run --detach --name "$alone" --read-only --cap-drop ALL --security-opt no-new-privileges \
  --env PRISM_AUTH_MODE=insecure --publish "127.0.0.1:$PRISM_TEST_PORT:8980" "$PRISM_TEST_IMAGE" >/dev/null
prove "$alone"
docker rm --force --volumes "$alone" >/dev/null

echo "-- docker-compose.test.yml, with $PRISM_TEST_POSTGRES_IMAGE"
"${compose[@]}" up --detach --no-build
prove "$("${compose[@]}" ps --quiet prism)"
