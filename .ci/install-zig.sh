#!/usr/bin/env bash
# Installs zig, with which maturin links wheels against an old glibc: 100 MB, only for a release. Does nothing if it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have python-zig || install_from_pypi python-zig
