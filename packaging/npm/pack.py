#!/usr/bin/env python3
"""Packs npm packages that carry the built binaries: per program one for each platform, and a main package with a launcher.

    pack.py OUT BINARIES [--all] [--repository URL]

BINARIES holds a folder per platform, such as linux-x64/prism. The tarballs are written to OUT. A main package depends on the
platforms that are there; with --all (a release) each platform must be. The repository is for npm's statement of provenance.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The package of each program. Its name and its README are those of the wheel.
PROGRAMS = {"prism": "prism-data-gateway", "prism-conformance": "prism-conformance"}
# The platforms of a release, as node names them. The binaries for Linux need glibc.
PLATFORMS = ("linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64")


def manifest(name, version, wheel, repository):
    """What all packages of a program have in common."""
    common = {"name": name, "version": version, "description": wheel["description"], "license": wheel["license"]}
    if repository:
        common["repository"] = {"type": "git", "url": f"git+{repository}.git"}
    return common


def pack(folder, fields, out):
    """Packs a folder as a tarball."""
    (folder / "package.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    command = ["npm", "pack", "--silent", "--pack-destination", str(out), str(folder)]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{packed}: {(out / packed).stat().st_size:,} bytes")


def of_platform(folder, program, common, platform, binary):
    """Fills the package of a platform; returns its manifest."""
    system, processor = platform.split("-")
    (folder / "bin").mkdir()
    shutil.copy(binary, folder / "bin" / program)
    (folder / "bin" / program).chmod(0o755)
    text = f"The binary of {PROGRAMS[program]} for {platform}. Install that package, which depends on this one."
    (folder / "README.md").write_text(f"# {common['name']}\n\n{text}\n", encoding="utf-8")
    fields = {**common, "os": [system], "cpu": [processor], "files": ["bin"], "preferUnplugged": True}
    return {**fields, "libc": ["glibc"]} if system == "linux" else fields


def of_program(folder, program, common, platforms):
    """Fills the main package of a program; returns its manifest."""
    (folder / "bin").mkdir()
    shutil.copy(HERE / "launcher.js", folder / "bin" / "launcher.js")
    (folder / "bin/launcher.js").chmod(0o755)
    shutil.copy(ROOT / "packaging/pypi" / PROGRAMS[program] / "README.md", folder / "README.md")
    return {
        **common,
        "bin": {program: "bin/launcher.js"},
        "files": ["bin"],
        "engines": {"node": ">=18"},
        "optionalDependencies": {f"{common['name']}-{platform}": common["version"] for platform in platforms},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--repository")
    arguments = parser.parse_args()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    platforms = [platform for platform in PLATFORMS if (arguments.binaries / platform).is_dir()]
    if not platforms or (arguments.all and len(platforms) < len(PLATFORMS)):
        found, wanted = ", ".join(platforms) or "no platform", ", ".join(PLATFORMS)
        sys.exit(f"{arguments.binaries}: has {found}; {'all' if arguments.all else 'one or more'} of {wanted} must be there")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for program, name in PROGRAMS.items():
        wheel = tomllib.loads((ROOT / "packaging/pypi" / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for platform in platforms:
            with tempfile.TemporaryDirectory() as folder:
                common = manifest(f"{name}-{platform}", version, wheel, arguments.repository)
                binary = arguments.binaries / platform / program
                pack(Path(folder), of_platform(Path(folder), program, common, platform, binary), arguments.out.resolve())
        with tempfile.TemporaryDirectory() as folder:
            common = manifest(name, version, wheel, arguments.repository)
            pack(Path(folder), of_program(Path(folder), program, common, platforms), arguments.out.resolve())


if __name__ == "__main__":
    main()
