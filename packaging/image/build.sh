#!/usr/bin/env bash
# Builds the image of prism-conformance from binaries that are already built.
#
#   packaging/image/build.sh TAG ARCHITECTURE=BINARY... [-- ARGUMENT...]
#
# ARCHITECTURE is amd64 or arm64, as container engines name them. With one, `docker build` makes an image for the engine; with
# more, `docker buildx build` makes one for all. More arguments are passed on, such as --build-arg or --push.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tag=${1:?"usage: packaging/image/build.sh TAG ARCHITECTURE=BINARY... [-- ARGUMENT...]"}
shift
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
platforms=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  mkdir -p "$context/${1%%=*}"
  cp "${1#*=}" "$context/${1%%=*}/prism-conformance"
  platforms+=("linux/${1%%=*}")
  shift
done
[ "${1:-}" != -- ] || shift
[ ${#platforms[@]} -gt 0 ] || { echo "no binary is given; amd64=BINARY or arm64=BINARY is needed" >&2; exit 2; }
cp -L "$certificates" "$context/ca-certificates.crt"
cp "$here/Dockerfile" "$context/"

if [ ${#platforms[@]} -eq 1 ]; then
  docker build --tag "$tag" --build-arg "TARGETARCH=${platforms[0]#linux/}" "$@" "$context"
else
  docker buildx build --tag "$tag" --platform "$(IFS=,; echo "${platforms[*]}")" "$@" "$context"
fi
