#!/usr/bin/env bash
# Installs lychee, which checks the links of the documentation. Does nothing if it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have lychee || install_from_pypi lychee
