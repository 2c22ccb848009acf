#!/usr/bin/env bash
# Builds the image and runs the suite against it: in a container on SQLite, then with docker-compose.test.yml on Postgres.
# Removes everything afterwards, also after a failure.
#
#   .ci/compose.sh PRISM_CONFORMANCE     the path of the prism-conformance binary
#
# Needs an engine (.ci/engine.sh). PRISM_BUILD_PROFILE is the build profile, by default release.
set -euo pipefail
source "$(dirname "$0")/tools.sh"
cd "$ROOT"
SUITE=${1:?"usage: .ci/compose.sh PRISM_CONFORMANCE"}
need python3 "find a free port and generate a password"

# Compose version 2 is a plugin of docker, version 1 a separate command.
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif have docker-compose; then
  compose=(docker-compose)
else
  [ "${CI:-}" = true ] || need docker-compose "start docker-compose.test.yml"
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
standalone=prism-ci-$$-standalone
reports=$(mktemp -d)

clean_up() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    docker logs --tail 30 "$standalone" 2>&1 || true
    "${compose[@]}" logs --tail 30 2>&1 || true
  fi
  docker rm --force --volumes "$standalone" >/dev/null 2>&1 || true
  rm -rf "$reports"
  "${compose[@]}" down --volumes --remove-orphans >/dev/null 2>&1 || true
}
trap clean_up EXIT

# Whether the image's health check passes; exits at once if the container has ended.
healthy() {
  case $(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$1") in
    "running healthy") ;;
    running*) return 1 ;;
    *) echo "$1 ended before becoming healthy" >&2; exit 1 ;;
  esac
}

# expect WHAT EXPECTED FOUND
expect() {
  if [ "$2" != "$3" ]; then
    echo "$1: expected '$2', found '$3'" >&2
    return 1
  fi
  echo "$1: $3"
}

# verify CONTAINER: the guarantees of the image, and the suite.
verify() {
  local container=$1
  within 120 "$container to become healthy" healthy "$container"
  expect "user" 65532 "$(docker top "$container" -eo pid,uid | awk 'END { print $2 }')"
  # As root, so that file permissions would allow it: the read-only mount must refuse.
  expect "a write to the root file system" "touch: cannot touch '/probe': Read-only file system" \
    "$(docker exec --user 0 "$container" touch /probe 2>&1 | head -n 1)"
  docker exec "$container" prism put demo user:1 name=Alice >/dev/null
  "$SUITE" run --endpoint "http://127.0.0.1:$PRISM_TEST_PORT" --budget quick
  # In its image, as any user, with a report in a mounted folder.
  docker run --rm --network host --user "$(id -u)" --volume "$reports:/reports" prism-conformance:test \
    run --endpoint "http://127.0.0.1:$PRISM_TEST_PORT" --budget quick --only put --json "$container.json" | tail -n 1
  expect "verdict of the suite in its image" partial \
    "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["verdict"])' "$reports/$container.json")"

  # SIGTERM must end it; exit code 137 would mean SIGKILL after the timeout.
  docker stop --time 60 "$container" >/dev/null
  expect "exit code after SIGTERM" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$container")"
  docker start "$container" >/dev/null
  within 120 "$container to become healthy again" healthy "$container"
  docker exec "$container" prism get demo user:1 | grep -q Alice
  echo "the data survived the restart"
}

docker build --quiet --tag "$PRISM_TEST_IMAGE" --build-arg "RUST_IMAGE=$PRISM_RUST_IMAGE" \
  --build-arg "RUNTIME_IMAGE=$PRISM_RUNTIME_IMAGE" --build-arg "PROFILE=${PRISM_BUILD_PROFILE:-release}" .
echo "image $PRISM_TEST_IMAGE: $(docker image inspect --format '{{.Size}}' "$PRISM_TEST_IMAGE") bytes, including $(
  docker image inspect --format '{{.Size}}' "$PRISM_RUNTIME_IMAGE") of $PRISM_RUNTIME_IMAGE"

# The suite as an image, too. Its binary needs the C library of this machine.
suite_base=$PRISM_RUNTIME_IMAGE
os=$(. /etc/os-release && echo "$ID:$VERSION_ID")
[ "${os%%:*}" = debian ] || suite_base=$os
packaging/image/build.sh prism-conformance:test "$(docker version --format '{{.Server.Arch}}')=$SUITE" \
  -- --quiet --build-arg "RUNTIME_IMAGE=$suite_base"

echo "-- the embedded database"
docker run --detach --name "$standalone" --read-only --cap-drop ALL --security-opt no-new-privileges \
  --env PRISM_AUTH_MODE=insecure --publish "127.0.0.1:$PRISM_TEST_PORT:8980" "$PRISM_TEST_IMAGE" >/dev/null
verify "$standalone"
docker rm --force --volumes "$standalone" >/dev/null

echo "-- docker-compose.test.yml, with $PRISM_TEST_POSTGRES_IMAGE"
"${compose[@]}" up --detach --no-build
verify "$("${compose[@]}" ps --quiet prism)"
