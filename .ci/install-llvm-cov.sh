#!/usr/bin/env bash
# Installs cargo-llvm-cov, which measures test coverage. Does nothing if it is present.
#
# It needs llvm-cov and llvm-profdata of the compiler's LLVM version: the rustup component llvm-tools, or with CI=true a Debian
# package.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have cargo-llvm-cov || install_from_pypi cargo-llvm-cov

major=$(rustc --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
if ! compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/llvm-cov" >/dev/null && ! have "llvm-cov-$major"; then
  if [ "${CI:-}" != true ]; then
    echo "llvm-cov of LLVM $major is not installed: rustup component add llvm-tools, or apt-get install llvm-$major" >&2
    exit 1
  fi
  install_from_debian "llvm-$major"
fi
