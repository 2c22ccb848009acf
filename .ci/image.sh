#!/usr/bin/env bash
# Provides a base image for tests or builds, and prints its name on stdout: the official image if it is present or can be
# pulled, else a stand-in built from Debian packages.
#
#   .ci/image.sh postgres      postgres:17-alpine, or PRISM_TEST_POSTGRES_IMAGE; stand-in: Debian 12's PostgreSQL 15
#   .ci/image.sh debian        debian:bookworm-slim
#   .ci/image.sh rust          rust:1.95-bookworm; stand-in: Debian 12, gcc and this machine's Rust toolchain
#
# A stand-in is named prism-ci/…, to distinguish it from the official image. It is built only with CI=true or
# PRISM_CI_STANDINS=1, and never with PRISM_CI_STANDINS=0. Progress is reported on stderr.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

# An unreachable registry fails at once; a pull from a reachable one may take this long.
PULL_SECONDS=${PRISM_CI_PULL_SECONDS:-180}

log() { echo "$*" >&2; }
present() { docker image inspect "$1" >/dev/null 2>&1; }

# The official image, if it is present or can be pulled.
official() {
  present "$1" && { log "image $1: already present"; return; }
  local output
  output=$(timeout "$PULL_SECONDS" docker pull --quiet "$1" 2>&1) && { log "image $1: pulled"; return; }
  log "image $1: cannot be pulled (${output:-no answer within $PULL_SECONDS s})"
  return 1
}

# build STAND-IN FOLDER ARGUMENT...: without BuildKit, which Debian 12's client may lack although the engine supports it.
build() {
  local name=$1 folder=$2
  shift 2
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$name" --label prism-ci.stand-in=true "$@" "$folder" >&2
}

debian() {
  [ "$(id -u)" = 0 ] || { log "Only root can build a stand-in for Debian."; return 1; }
  have debootstrap || install_from_debian debootstrap
  local root
  root=$(mktemp -d)
  # On tmpfs: dpkg syncs every file, which takes minutes on a busy disk.
  mount -t tmpfs -o size=1g,mode=755 prism-ci "$root"
  # shellcheck disable=SC2064 # The folder is known now.
  trap "umount '$root' && rmdir '$root'" EXIT
  debootstrap --variant=minbase bookworm "$root" >"$TOOLS/debootstrap.log" 2>&1 || { tail "$TOOLS/debootstrap.log" >&2; return 1; }
  tar -C "$root" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' -c . |
    docker import --change 'CMD ["bash"]' --change 'LABEL prism-ci.stand-in=true' - "$1" >/dev/null
}

# stand_in KIND NAME
stand_in() {
  local base
  case $1 in
    debian) debian "$2" ;;
    postgres)
      base=$("$0" debian)
      build "$2" "$ROOT/.ci/images/postgres" --build-arg "BASE=$base"
      ;;
    rust)
      base=$("$0" debian)
      rust "$2" "$base"
      ;;
  esac
}

# A C compiler with this machine's Rust toolchain and trusted CA certificates.
rust() {
  local name=$1 context sysroot
  context=$(mktemp -d -p "$TOOLS")
  # shellcheck disable=SC2064 # The folder is known now.
  trap "rm -rf '$context'" EXIT
  sysroot=$(rustc --print sysroot)
  cp "$ROOT/.ci/images/rust/Dockerfile" "$context"
  mkdir "$context/rust"
  cp -a "$sysroot/bin" "$sysroot/lib" "$context/rust/"
  mkdir -p "$context/certificates"
  cp -L /etc/ssl/certs/ca-certificates.crt "$context/certificates/"
  build "$name" "$context" --build-arg "BASE=$2"
}

main() {
  local kind=${1:-} image name
  case $kind in
    postgres) image=${PRISM_TEST_POSTGRES_IMAGE:-postgres:17-alpine} name=prism-ci/postgres:15 ;;
    debian) image=debian:bookworm-slim name=prism-ci/debian:bookworm-slim ;;
    rust) image=rust:1.95-bookworm name=prism-ci/rust:1.95-bookworm ;;
    *) log "usage: .ci/image.sh postgres|debian|rust"; exit 2 ;;
  esac
  if official "$image"; then
    echo "$image"
    return
  fi
  case "${PRISM_CI_STANDINS:-${CI:-}}" in
    1 | true) ;;
    *) log "Set PRISM_CI_STANDINS=1 to build a stand-in from Debian packages."; return 1 ;;
  esac
  if ! present "$name"; then
    mkdir -p "$TOOLS"
    stand_in "$kind" "$name"
  fi
  log "image $name: a stand-in for $image, built from Debian packages"
  echo "$name"
}

main "$@"
