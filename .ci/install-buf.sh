#!/usr/bin/env bash
# Installs buf, which lints the .proto files and detects breaking changes. Does nothing if it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have buf || install_from_pypi buf
