#!/usr/bin/env python3
"""Counts the instructions that a request costs, and compares them with those that are written down.

    .ci/instructions.py            counts, compares with bench/instructions.json, and fails where one is above its bound
    .ci/instructions.py --write    writes down what was counted

Instructions are counted by valgrind's callgrind, so the noise of a busy machine cannot touch them. Each scenario of
bench/examples/request_path.rs runs twice, with different numbers of rounds: the difference is what the requests cost, and
not what came before them. Counts differ by up to 4 % from run to run, because threads meet at different places.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ROOT / "bench" / "instructions.json"
# How much more than what is written down may be counted.
SLACK = 0.15
# Scenario, requests in each round, and the two numbers of rounds.
SCENARIOS = [
    ("put-together", 64, 20, 50),
    ("put-alone", 1, 100, 700),
    ("get-together", 64, 20, 50),
    ("get-alone", 1, 100, 1300),
    ("grpc-put", 64, 20, 50),
    ("grpc-get", 64, 20, 50),
]


def count(program, scenario, rounds):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, scenario, str(rounds)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{run.stderr}")
    return int(found.group(1))


def judge(scenario, counted, written):
    """A line for a scenario, and whether it is within its bound."""
    if written is None:
        return f"{scenario:<14} {counted:>9}  is not written down", False
    change = counted / written - 1
    line = f"{scenario:<14} {counted:>9} instructions a request, {written} written down, {change:+.1%}"
    if change > SLACK:
        return f"{line}: more than {SLACK:.0%} above", False
    if change < -SLACK:
        return f"{line}: write the new one down with .ci/instructions.py --write", True
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
        WRITTEN.write_text(json.dumps(counted, indent=2) + "\n")
    written = json.loads(WRITTEN.read_text())
    judged = [judge(scenario, instructions, written.get(scenario)) for scenario, instructions in counted.items()]
    for line, _ in judged:
        print(line)
    sys.exit(0 if all(within for _, within in judged) else 1)


if __name__ == "__main__":
    main()
