#!/usr/bin/env bash
# Installs maturin, which builds wheels. Does nothing if it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have maturin || install_from_pypi maturin
