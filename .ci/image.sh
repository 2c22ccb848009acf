#!/usr/bin/env bash
# Brings an image that tests or builds start from, and prints its name on stdout: the official one if the engine has it or can
# pull it, else a stand-in made of Debian's packages.
#
#   .ci/image.sh postgres      postgres:17-alpine, or PRISM_TEST_POSTGRES_IMAGE; stand-in: Debian 12's PostgreSQL 15
#   .ci/image.sh debian        debian:bookworm-slim
#   .ci/image.sh rust          rust:1.95-bookworm; stand-in: Debian 12, gcc and this machine's Rust toolchain
#
# A stand-in is named prism-ci/…, so that no one takes it for the official image, and is made only with CI=true or
# PRISM_CI_STANDINS=1, and never with PRISM_CI_STANDINS=0. What happens is told on stderr.
set -euo pipefail
source "$(dirname "$0")/tools.sh"

# Where no registry is reached, that shows at once; where one is, an image takes its time.
PULL_SECONDS=${PRISM_CI_PULL_SECONDS:-180}

say() { echo "$*" >&2; }
here() { docker image inspect "$1" >/dev/null 2>&1; }

# The official image, if it is here or can be pulled.
official() {
  here "$1" && { say "image $1: already here"; return; }
  local answer
  answer=$(timeout "$PULL_SECONDS" docker pull --quiet "$1" 2>&1) && { say "image $1: pulled"; return; }
  say "image $1: cannot be pulled (${answer:-no answer within $PULL_SECONDS s})"
  return 1
}

# build STAND-IN FOLDER ARGUMENT...: without BuildKit, which the engine of Debian 12 has and its client may lack.
build() {
  local name=$1 folder=$2
  shift 2
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$name" --label prism-ci.stand-in=true "$@" "$folder" >&2
}

debian() {
  [ "$(id -u)" = 0 ] || { say "Only root can make a stand-in for Debian."; return 1; }
  have debootstrap || install_from_debian debootstrap
  local root
  root=$(mktemp -d)
  # In memory: dpkg flushes every file, which on a busy disk takes minutes.
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

# This machine's toolchain and the authorities that it trusts, beside a C compiler.
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
    *) say "usage: .ci/image.sh postgres|debian|rust"; exit 2 ;;
  esac
  if official "$image"; then
    echo "$image"
    return
  fi
  case "${PRISM_CI_STANDINS:-${CI:-}}" in
    1 | true) ;;
    *) say "Set PRISM_CI_STANDINS=1 to have a stand-in made of Debian's packages."; return 1 ;;
  esac
  if ! here "$name"; then
    mkdir -p "$TOOLS"
    stand_in "$kind" "$name"
  fi
  say "image $name: a stand-in for $image, made of Debian's packages"
  echo "$name"
}

main "$@"
