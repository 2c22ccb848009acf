"""A stand-in for prism-conformance, made-up reports, and the part of a runner that the tests of the action need."""

import os
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo "prism-conformance 1.2.3"; exit; fi
for word; do printf '%s\\n' "$word"; done >"$NOTED"
while [ $# -gt 0 ]; do case $1 in --json) [ -z "$REPORT" ] || cp "$REPORT" "$2" ;; --html) echo page >"$2" ;; esac; shift; done
echo "::error::a line of the server"
echo "the server refused" >&2
[ "$CODE" != killed ] || kill -KILL $$
exit "$CODE"
"""


def case(name, **fields):
    """A case of a report; by default a failed one."""
    return {
        "id": f"put::{name}", "title": "A title.", "rules": ["PUT-1"], "outcome": "failed", "reason": None, "expected": "OK",
        "actual": "NOT_FOUND", "transcript": None, "likely_causes": [], "replay": f"prism-conformance run --only put::{name}",
    } | fields  # fmt: skip


def document(*cases, **fields):
    """A report."""
    failed = sum(case["outcome"] == "failed" for case in cases)
    rules = [{"id": "PUT-1", "verdict": "failed" if failed else "proven", "text": "A Put | puts."}]
    return {
        "verdict": "not_conformant" if failed else "conformant", "exit_code": 1 if failed else 0,
        "sentence": f"{failed} failed." if failed else "Conformant.", "problems": [], "requirements": rules, "cases": list(cases),
        "counts": {"passed": 3, "failed": failed, "known": 0, "skipped": 2}, "target": {"name": "server", "mode": "over the wire"},
        "run": {"budget": "ci", "seed": 1, "suite_version": "1.2.3"},
    } | fields  # fmt: skip


class Runner:
    """The part of a runner that this action needs: inputs, outputs, conditions that are always true, and `run` steps."""

    def __init__(self, folder):
        # The subset of YAML that action.yml uses is read by hand: the standard library has no parser.
        self.folder, self.text = folder, (HERE / "action.yml").read_text(encoding="utf-8")
        self.outputs, self.printed, self.summary = {}, "", ""

    def defaults(self):
        section = self.text.split("\ninputs:\n")[1].split("\noutputs:\n")[0]
        found = {}
        for entry in re.split(r"(?m)^  (?=[a-z-]+:$)", section)[1:]:
            default = re.search(r"(?m)^    default: (.*)$", entry)
            found[entry.split(":")[0]] = default[1].strip('"') if default else ""
        return found

    def steps(self):
        """The `run` steps: id, environment, command."""
        for step in re.split(r"(?m)^    - ", self.text.split("\n  steps:\n")[1])[1:]:
            command = re.search(r"(?m)^      run: (.*)$", step)
            if command:
                identity = re.match(r"id: (\S+)", step)
                yield identity[1] if identity else None, dict(re.findall(r"(?m)^        ([A-Z_]+): (.*)$", step)), command[1]

    def expand(self, text, inputs):
        def value(found):
            kind, name = found[1].split(".", 1)
            return inputs[name] if kind == "inputs" else self.outputs.get(name.replace(".outputs.", "."), "")

        return re.sub(r"\$\{\{ (\S+) \}\}", value, text)

    def run(self, environment=None, **inputs):
        """Runs the steps until one fails; returns its exit code."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= self.defaults().keys(), given
        values, files = self.defaults() | given, {name: self.folder / name for name in ("output", "summary")}
        for identity, variables, command in self.steps():
            files["output"].write_text("")
            files["summary"].write_text("")
            step = {name: self.expand(text, values) for name, text in variables.items()}
            paths = {"GITHUB_ACTION_PATH": HERE, "GITHUB_OUTPUT": files["output"], "GITHUB_STEP_SUMMARY": files["summary"]}
            base = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "RUNNER_TEMP": str(self.folder)}
            known = base | {name: str(path) for name, path in paths.items()} | step | (environment or {})
            ended = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command], cwd=self.folder, env=known, capture_output=True, text=True
            )
            self.printed += ended.stdout + ended.stderr
            self.summary += files["summary"].read_text(encoding="utf-8")
            for line in files["output"].read_text(encoding="utf-8").splitlines():
                name, _, text = line.partition("=")
                self.outputs[f"{identity}.{name}"] = text
            if ended.returncode:
                return ended.returncode
        return 0

    def annotations(self):
        """The annotations that a runner would read: not those within stopped commands."""
        shown = re.sub(r"::stop-commands::(\w+)\n.*?::\1::", "", self.printed, flags=re.DOTALL)
        return [line for line in shown.splitlines() if line.startswith("::")]
