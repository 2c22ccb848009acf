#!/usr/bin/env bash
# Installs cargo-llvm-cov, which measures what the tests run. Does nothing where it is present.
#
# It needs llvm-cov and llvm-profdata of the compiler's own LLVM: a component of rustup (llvm-tools), or with CI=true a package
# of Debian's.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have cargo-llvm-cov || cargo install cargo-llvm-cov --version 0.9.1 --locked --quiet --root "$TOOLS"

major=$(rustc --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
if ! compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/llvm-cov" >/dev/null && ! have "llvm-cov-$major"; then
  if [ "${CI:-}" != true ]; then
    echo "llvm-cov of LLVM $major is not installed: rustup component add llvm-tools, or apt-get install llvm-$major" >&2
    exit 1
  fi
  install_from_debian "llvm-$major"
fi
