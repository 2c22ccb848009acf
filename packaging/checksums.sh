#!/usr/bin/env bash
# Writes SHA256SUMS of the files in a folder, for `sha256sum --check SHA256SUMS`.
#
#   packaging/checksums.sh FOLDER
set -euo pipefail
cd "${1:?"usage: packaging/checksums.sh FOLDER"}"
rm -f SHA256SUMS
# In Python, since macOS has no sha256sum. The file itself must not be among those that it lists.
sums=$(python3 - <<'END'
import hashlib
from pathlib import Path
for path in sorted(path for path in Path(".").iterdir() if path.is_file()):
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
END
)
echo "$sums" >SHA256SUMS
