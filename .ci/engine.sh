#!/usr/bin/env bash
# Provides a container engine: uses a running one; else, with CI=true or PRISM_CI_ENGINE=install, installs and starts Debian's.
#
#   .ci/engine.sh          checks for an engine, or starts one
#   .ci/engine.sh stop     stops an engine that this script started
#
# On a developer's machine neither variable is set, and nothing is changed.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

STATE=${PRISM_CI_ENGINE_STATE:-/run/prism-ci-engine}

running() {
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

if running; then
  echo "container engine: $(docker version --format '{{.Server.Version}}'), already running"
  exit 0
fi
if [ "${CI:-}" != true ] && [ "${PRISM_CI_ENGINE:-}" != install ]; then
  echo "No container engine is running. Start one, or set PRISM_CI_ENGINE=install to install and start Debian's." >&2
  exit 1
fi
[ "$(id -u)" = 0 ] || { echo "No container engine is running, and only root can install and start one." >&2; exit 1; }

if ! have dockerd || ! have iptables; then
  install_from_debian docker.io iptables
fi
mkdir -p "$STATE"
# In a separate session, so that it outlives this script; it runs until 'stop' or the machine's shutdown.
setsid dockerd </dev/null >"$STATE/log" 2>&1 &
echo $! >"$STATE/pid"
if ! within 60 "dockerd to start" running; then
  tail -n 30 "$STATE/log" >&2
  exit 1
fi
echo "container engine: $(docker version --format '{{.Server.Version}}'), started, log: $STATE/log"
