#!/usr/bin/env python3
"""Counts instructions per request, and compares them with the recorded counts.

    .ci/instructions.py            compares with bench/instructions.json, and fails if a count exceeds its bound
    .ci/instructions.py --write    records the new counts

The counts are from valgrind's callgrind, so machine load does not affect them. Each scenario of
bench/examples/request_path.rs runs twice, with different numbers of rounds; the difference excludes the setup. Counts vary
by up to 4 % between runs, because of thread scheduling.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "bench" / "instructions.json"
# Tolerance relative to the recorded count.
TOLERANCE = 0.15
# Scenario, requests per round, and the two numbers of rounds.
SCENARIOS = [
    ("put-together", 64, 20, 50),
    ("put-alone", 1, 100, 700),
    ("get-together", 64, 20, 50),
    ("get-alone", 1, 100, 1300),
    ("grpc-put", 64, 20, 50),
    ("grpc-get", 64, 20, 50),
    # One in a hundred calls is traced.
    ("grpc-get-traced", 64, 20, 50),
]


def count(program, scenario, rounds):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, scenario, str(rounds)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{run.stderr}")
    return int(found.group(1))


def compare(scenario, counted, recorded):
    """A report line for a scenario, and whether it is within its bound."""
    if recorded is None:
        return f"{scenario:<14} {counted:>9} instructions a request, not recorded yet", False
    change = counted / recorded - 1
    line = f"{scenario:<14} {counted:>9} instructions a request, {recorded} recorded, {change:+.1%}"
    if change > TOLERANCE:
        return f"{line}: increase of more than {TOLERANCE:.0%}", False
    if change < -TOLERANCE:
        return f"{line}: record the new count with .ci/instructions.py --write", True
    return line, True


def main():
    build = ["cargo", "build", "--profile", "counted", "-p", "prism-bench", "--example", "request_path"]
    subprocess.run(build, cwd=ROOT, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    )
    target = Path(json.loads(metadata.stdout)["target_directory"])
    program = target / "counted" / "examples" / "request_path"
    counted = {}
    for scenario, requests, few, many in SCENARIOS:
        difference = count(program, scenario, many) - count(program, scenario, few)
        counted[scenario] = difference // ((many - few) * requests)
    if "--write" in sys.argv:
        RECORDED.write_text(json.dumps(counted, indent=2) + "\n")
    recorded = json.loads(RECORDED.read_text())
    results = [compare(scenario, instructions, recorded.get(scenario)) for scenario, instructions in counted.items()]
    for line, _ in results:
        print(line)
    sys.exit(0 if all(within for _, within in results) else 1)


if __name__ == "__main__":
    main()
