#!/usr/bin/env bash
# Brings a container engine: does nothing where one answers; else, if asked to, installs Debian's and starts it.
#
#   .ci/engine.sh          an engine answers, or with CI=true or PRISM_CI_ENGINE=install it is made to
#   .ci/engine.sh stop     stops the one that this script started
#
# Asked means CI=true or PRISM_CI_ENGINE=install. On a machine of somebody's own neither is set, and nothing is changed.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

STATE=${PRISM_CI_ENGINE_STATE:-/run/prism-ci-engine}

answers() {
  have docker && docker version >/dev/null 2>&1
}

if [ "${1:-start}" = stop ]; then
  [ -s "$STATE/pid" ] || exit 0
  pid=$(cat "$STATE/pid")
  kill "$pid" 2>/dev/null || true
  within 60 "dockerd to end" gone "$pid"
  rm -f "$STATE/pid"
  exit 0
fi

if answers; then
  echo "container engine: $(docker version --format '{{.Server.Version}}'), already there"
  exit 0
fi
if [ "${CI:-}" != true ] && [ "${PRISM_CI_ENGINE:-}" != install ]; then
  echo "No container engine answers. Start one, or set PRISM_CI_ENGINE=install to have Debian's installed and started." >&2
  exit 1
fi
[ "$(id -u)" = 0 ] || { echo "No container engine answers, and only root can install and start one." >&2; exit 1; }

if ! have dockerd || ! have iptables; then
  install_from_debian docker.io iptables
fi
mkdir -p "$STATE"
# In a session of its own, so that it outlives this script; it ends with 'stop' or with the machine.
setsid dockerd </dev/null >"$STATE/log" 2>&1 &
echo $! >"$STATE/pid"
if ! within 60 "dockerd to answer" answers; then
  tail -n 30 "$STATE/log" >&2
  exit 1
fi
echo "container engine: $(docker version --format '{{.Server.Version}}'), started; its log is $STATE/log"
