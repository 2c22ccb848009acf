#!/usr/bin/env python3
"""Prints the notes of a release: the section of CHANGELOG.md about the workspace's version.

    notes.py [VERSION]
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    version = sys.argv[1] if len(sys.argv) > 1 else tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    sections = re.split(r"(?m)^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[1:]
    named = {re.match(r"\[?([^\]\s]*)", section)[1]: section for section in sections}
    if version not in named:
        sys.exit(f"CHANGELOG.md: has no section {version}; it has {', '.join(named)}")
    print(named[version].split("\n", 1)[1].strip())


if __name__ == "__main__":
    main()
