#!/usr/bin/env bash
# Installs mdbook, which builds docs/, with its search. Does nothing if it is present; compiling takes a minute or two.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have mdbook && exit
CARGO_TARGET_DIR="$TOOLS/build" cargo install --quiet --locked --no-default-features --features search \
  --root "$TOOLS" mdbook@0.5.4
rm -rf "$TOOLS/build"
