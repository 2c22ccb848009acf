#!/usr/bin/env bash
# Installs the packages of packaging/build.sh as a user would, and tries them: the wheels into a fresh environment, the npm
# packages into an empty folder, the archive into another. Nothing is taken from a registry.
#
#   packaging/try.sh OUT EXPECTED      EXPECTED is the version, such as '0.1.0 (abc1234 2026-11-29)'
set -euo pipefail
out=$(cd "${1:?"usage: packaging/try.sh OUT EXPECTED"}" && pwd)
expected=${2:?"usage: packaging/try.sh OUT EXPECTED"}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# try WHAT FOLDER: both programs in the folder, and a run of the suite.
try() {
  local program found
  for program in prism prism-conformance; do
    found=$("$2/$program" --version)
    if [ "$found" != "$program $expected" ]; then
      echo "$1: expected '$program $expected', found '$found'" >&2
      return 1
    fi
  done
  # An empty environment: the programs must not find each other, or a library, by accident.
  (cd "$scratch" && env -i PATH="$2:/usr/bin:/bin:$(dirname "$(command -v node)")" HOME="$scratch" \
    prism-conformance run --spawn 'prism serve' --only put --budget quick) | tail -n 1
  echo "$1: ${found#* }"
}

# Checksums, and bills of materials that list what both programs are made of.
(cd "$out" && python3 - <<'END'
import hashlib, json, sys
from pathlib import Path
lines = Path("SHA256SUMS").read_text().splitlines()
for digest, name in (line.split("  ") for line in lines):
    if hashlib.sha256(Path(name).read_bytes()).hexdigest() != digest:
        sys.exit(f"{name}: its checksum is not that in SHA256SUMS")
bills = {path.name: json.loads(path.read_text()) for path in Path().glob("*.cdx.json")}
named = {bill["metadata"]["component"]["name"] for bill in bills.values() if bill["bomFormat"] == "CycloneDX"}
if named != {"prism-proxy", "prism-conformance"}:
    sys.exit(f"the bills of materials are of {named}; prism-proxy and prism-conformance are wanted")
for name, bill in bills.items():
    if "tonic" not in {component["name"] for component in bill["components"]}:
        sys.exit(f"{name}: lacks tonic, which the program has")
print(f"checksums of {len(lines)} files, {len(bills)} bills of materials")
END
)

python3 -m venv "$scratch/python"
"$scratch/python/bin/pip" install --quiet --disable-pip-version-check --no-index "$out"/*.whl
try wheels "$scratch/python/bin"

mkdir "$scratch/npm"
(cd "$scratch/npm" && npm init --yes >/dev/null &&
  npm install --offline --no-audit --no-fund --loglevel=error "$out"/*.tgz &&
  [ "$(npx --offline prism-conformance --version)" = "prism-conformance $expected" ])
try npm "$scratch/npm/node_modules/.bin"

mkdir "$scratch/archive"
tar -C "$scratch/archive" -xzf "$out"/prism-*.tar.gz
try archive "$scratch/archive"
