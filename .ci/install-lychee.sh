#!/usr/bin/env bash
# Installs lychee, which follows the links of the documentation. Does nothing where it is present.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have lychee || install_from_pypi lychee
