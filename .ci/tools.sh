# Tools of continuous integration; sourced by .ci/run and the other scripts.
#
# Tools are installed into target/ci-tools; deleting that folder removes them all. Tools on PATH take precedence. Installation
# as root (install_from_debian) is for CI, or on explicit request.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS="$ROOT/target/ci-tools"
PATH="$TOOLS/bin:$PATH"

# have TOOL: whether it is installed.
have() {
  command -v "$1" >/dev/null 2>&1
}

# need TOOL PURPOSE: fails with a message if it is missing.
need() {
  have "$1" && return
  echo "$1 is not installed; it is needed to $2." >&2
  return 1
}

# install_from_pypi TOOL: installs the package pinned by version and hash in .ci/pip/TOOL.txt.
install_from_pypi() {
  need python3 "install $1"
  [ -x "$TOOLS/python/bin/pip" ] || python3 -m venv "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --requirement "$ROOT/.ci/pip/$1.txt"
  mkdir -p "$TOOLS/bin"
  ln -sf "$TOOLS/python/bin/$1" "$TOOLS/bin/$1"
}

# install_from_debian PACKAGE...: requires root, or sudo without a password; call it in CI or on explicit request only.
install_from_debian() {
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo --non-interactive)
  need apt-get "install $*"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# within SECONDS WHAT COMMAND...: repeats COMMAND until it succeeds; fails after SECONDS with a message about WHAT.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "timeout while waiting for $what" >&2
      return 1
    fi
    sleep 0.2
  done
}

# gone PID: whether that process has ended.
gone() {
  ! kill -0 "$1" 2>/dev/null
}
