#!/usr/bin/env bash
# Builds the packages of this platform: wheels, npm tarballs, an archive of both programs, SBOMs and checksums.
#
#   packaging/build.sh OUT             release builds
#   packaging/build.sh OUT dev         from a debug build, to test the packaging; not for publication
#
# OUT is emptied first. The compilation is maturin's; all else is taken out of its wheels, so that every package has the same
# binary. A release for Linux is linked by zig against an old glibc, so that it runs on any distribution since 2014.
set -euo pipefail
source "$(dirname "$0")/../.ci/tools.sh"
cd "$ROOT"
out=${1:?"usage: packaging/build.sh OUT [dev]"}
profile=${2:-release}
need python3 "build wheels"
need npm "pack npm packages"

# The glibc of CentOS 7, the oldest that Rust supports.
GLIBC=manylinux_2_17
# PRISM_PLATFORM overrides the platform of this machine, where it can build and run for another.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) here=linux-x64 ;;
  Linux-aarch64) here=linux-arm64 ;;
  Darwin-x86_64) here=darwin-x64 ;;
  Darwin-arm64) here=darwin-arm64 ;;
  *) here="$(uname -s) on $(uname -m)" ;;
esac
platform=${PRISM_PLATFORM:-$here}
case $platform in
  linux-x64) target=x86_64-unknown-linux-gnu ;;
  linux-arm64) target=aarch64-unknown-linux-gnu ;;
  darwin-x64) target=x86_64-apple-darwin ;;
  darwin-arm64) target=aarch64-apple-darwin ;;
  *) echo "the platform is $platform; packages are built for linux-x64, linux-arm64, darwin-x64 and darwin-arm64" >&2; exit 2 ;;
esac
case $profile-$platform in
  release-linux-*) options=(--release --target "$target" --zig --compatibility "$GLIBC") ;;
  release-*) options=(--release --target "$target") ;;
  # Without --target, this uses what `cargo build` has already compiled.
  dev-*) options=(--profile dev --auditwheel skip) ;;
  *) echo "the profile is '$profile'; release and dev are allowed" >&2; exit 2 ;;
esac
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}

.ci/install-maturin.sh
case ${options[*]} in *--zig*) .ci/install-zig.sh ;; esac
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
version=$(python3 -c 'import tomllib; print(tomllib.load(open("Cargo.toml", "rb"))["workspace"]["package"]["version"])')

for name in prism-data-gateway prism-conformance; do
  # maturin finds zig as a module of the python on PATH.
  (cd "packaging/pypi/$name" && PATH="$TOOLS/python/bin:$PATH" maturin build "${options[@]}" --out "$out")
done

# The binaries and SBOMs out of the wheels.
python3 - "$out" "$platform" <<'END'
import sys, zipfile
from pathlib import Path
out, platform = Path(sys.argv[1]), sys.argv[2]
(out / "bin" / platform).mkdir(parents=True)
for wheel in out.glob("*.whl"):
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            path = Path(name)
            if path.parent.name == "scripts":
                binary = out / "bin" / platform / path.name
                binary.write_bytes(files.read(name))
                binary.chmod(0o755)
            elif path.parent.name == "sboms":
                (out / f"{path.name.removesuffix('.cyclonedx.json')}-{platform}.cdx.json").write_bytes(files.read(name))
END

cp LICENSE "$out/bin/$platform/"
tar -C "$out/bin/$platform" -czf "$out/prism-$version-$target.tar.gz" prism prism-conformance LICENSE
packaging/npm/pack.py "$out" "$out/bin"
packaging/checksums.sh "$out"
ls -l "$out" "$out/bin/$platform"
