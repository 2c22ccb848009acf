#!/usr/bin/env python3
"""Holds the coverage that cargo-llvm-cov has measured against the gate, and prints it as a table.

    .ci/coverage.py REPORT.json ROOT [TABLE]

REPORT.json is what `cargo llvm-cov report --json --summary-only` wrote, ROOT the repository. The table is printed and, if TABLE
names a file, written there. Exit: 0 if the gate is passed, 1 if not, 2 if the report cannot be read.

What counts is every line of Rust that users get: proto, contract, wire, conformance, backends and proxy. Generated code does
not; nor do xtask, testkit and examples, which are for contributors and readers and are run by the tests all the same.
"""

import json
import sys
from pathlib import Path, PurePosixPath

CRATES = ("proto", "contract", "wire", "conformance", "backends", "proxy")
GENERATED = PurePosixPath("proto/src/generated")
WHOLE, EACH = 95.0, 90.0
WORST = 15


def measured(report: dict, root: Path) -> dict[str, dict[str, tuple[int, int, int, int]]]:
    """Lines and regions, covered and in all, of each file of each crate."""
    crates: dict[str, dict[str, tuple[int, int, int, int]]] = {crate: {} for crate in CRATES}
    for file in report["data"][0]["files"]:
        try:
            path = PurePosixPath(Path(file["filename"]).relative_to(root).as_posix())
        except ValueError:
            continue
        if path.is_relative_to(GENERATED) or path.parts[0] not in crates or path.parts[1] != "src":
            continue
        lines, regions = file["summary"]["lines"], file["summary"]["regions"]
        crates[path.parts[0]][str(path)] = (lines["covered"], lines["count"], regions["covered"], regions["count"])
    return crates


def total(rows) -> tuple[int, int, int, int]:
    return tuple(sum(column) for column in zip(*rows)) or (0, 0, 0, 0)


def percent(covered: int, count: int) -> float:
    return 100.0 * covered / count if count else 100.0


def row(name: str, numbers: tuple[int, int, int, int]) -> str:
    covered, lines, covered_regions, regions = numbers
    return (
        f"{name:<52} {covered:>6} / {lines:<6} {percent(covered, lines):6.2f} %"
        f" {covered_regions:>6} / {regions:<6} {percent(covered_regions, regions):6.2f} %"
    )


def table(crates) -> tuple[str, list[str]]:
    """The table, and what is below the gate."""
    out = [f"{'':<52} {'lines':>24} {'regions':>24}"]
    below = []
    for crate, files in crates.items():
        numbers = total(files.values())
        out.append(row(crate, numbers))
        if not files:
            below.append(f"{crate}: nothing was measured")
        elif percent(*numbers[:2]) < EACH:
            below.append(f"{crate}: {percent(*numbers[:2]):.2f} % of its lines; at least {EACH:.0f} % are wanted")
    whole = total(numbers for files in crates.values() for numbers in files.values())
    out.append(row("all", whole))
    if percent(*whole[:2]) < WHOLE:
        below.append(f"all: {percent(*whole[:2]):.2f} % of the lines; at least {WHOLE:.0f} % are wanted")
    files = {name: numbers for files in crates.values() for name, numbers in files.items()}
    most = sorted(files, key=lambda name: files[name][0] - files[name][1])[:WORST]
    out += ["", "files with the most lines that no test runs:"]
    out += [row(name, files[name]) for name in most if files[name][0] < files[name][1]]
    return "\n".join(out) + "\n", below


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        crates = measured(json.loads(Path(arguments[0]).read_text()), Path(arguments[1]).resolve())
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"{arguments[0]} is not a report of cargo-llvm-cov: {error!r}", file=sys.stderr)
        return 2
    text, below = table(crates)
    print(text, end="")
    if len(arguments) == 3:
        Path(arguments[2]).write_text(text)
    for line in below:
        print(f"BELOW THE GATE: {line}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
