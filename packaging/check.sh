#!/usr/bin/env bash
# Checks packages as their registries would, and publishes nothing: twine for the wheels, a dry run of npm for the tarballs.
#
#   packaging/check.sh OUT
set -euo pipefail
source "$(dirname "$0")/../.ci/tools.sh"
out=$(cd "${1:?"usage: packaging/check.sh OUT"}" && pwd)
cd "$ROOT"
[ -x "$TOOLS/twine/bin/twine" ] || python3 -m venv "$TOOLS/twine"
"$TOOLS/twine/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement packaging/requirements.txt
"$TOOLS/twine/bin/twine" check --strict "$out"/*.whl
for tarball in "$out"/*.tgz; do
  npm publish --dry-run --access public --loglevel=error "$tarball"
done
