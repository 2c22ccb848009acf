#!/usr/bin/env python3
"""The steps of the action: installs prism-conformance, runs it, and concludes with its exit code.

    conformance.py install     outputs: binary
    conformance.py run         outputs: verdict, exit-code, json, html, junit, badge; writes job summary and annotations
    conformance.py conclude    exits with the exit code of the run, unless INPUT_FAIL is false

Inputs are environment variables, as action.yml sets them. Only the standard library is used: a runner has nothing else.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from report import annotations, command, summary

FILES = {"json": "conformance.json", "html": "conformance.html", "junit": "conformance.xml", "badge": "conformance.svg"}
PACKAGE = "prism-conformance"
# The exit code for invalid inputs, as of prism-conformance itself.
USAGE = 2


class Invalid(Exception):
    """The inputs of the action are invalid."""


class Failed(Exception):
    """A step failed before the suite ran."""


def value(name):
    """An input without the white space around it; empty if it is not set."""
    return os.environ.get(name, "").strip()


def output(**values):
    """Sets outputs of the step. A line break in a value would begin another output."""
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        for name, text in values.items():
            file.write(f"{name.replace('_', '-')}={' '.join(str(text).splitlines())}\n")


def install():
    """Finds the given binary, or installs the wheel into a separate environment."""
    given = value("INPUT_BINARY")
    if given:
        path = Path(given).resolve()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise Invalid(f"binary: {given} is not an executable file")
    else:
        version = value("INPUT_VERSION")
        folder = Path(os.environ["RUNNER_TEMP"]) / PACKAGE
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        requirement = f"{PACKAGE}=={version}" if version else PACKAGE
        pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        if subprocess.run([*pip, requirement]).returncode:
            raise Failed(f"{requirement} cannot be installed; see the output of pip above")
        path = folder / "bin" / PACKAGE
    print(subprocess.run([str(path), "--version"], check=True, capture_output=True, text=True).stdout, end="", flush=True)
    output(binary=path)


def arguments(reports):
    """The command line of the run, without the program."""
    endpoints, spawn = value("INPUT_ENDPOINT").split(), value("INPUT_COMMAND")
    if bool(endpoints) == bool(spawn):
        found = "both are given" if spawn else "neither is given"
        raise Invalid(f"endpoint, command: {found}; exactly one of them is allowed")
    words = ["run"] + [word for endpoint in endpoints for word in ("--endpoint", endpoint)]
    if spawn:
        words += ["--spawn", spawn]
    for option in ("only", "skip"):
        words += [word for pattern in value(f"INPUT_{option.upper()}").split() for word in (f"--{option}", pattern)]
    for option in ("budget", "profile", "known-failing"):
        given = value(f"INPUT_{option.upper().replace('-', '_')}")
        words += [f"--{option}", given] if given else []
    words += [word for option, path in reports.items() for word in (f"--{option}", str(path))]
    try:
        return words + shlex.split(value("INPUT_ARGS"))
    except ValueError as why:
        raise Invalid(f"args: {why}; words are quoted as for a shell") from None


def run():
    """Runs the suite, and writes outputs, job summary and annotations. Its exit code is an output, not that of this step: the
    reports of a failed run are uploaded."""
    folder = Path(value("INPUT_REPORTS") or "conformance-report")
    reports = {option: folder / name for option, name in FILES.items()}
    words = arguments(reports)
    folder.mkdir(parents=True, exist_ok=True)
    for path in reports.values():
        # A report of an earlier run must not pass for one of this run.
        path.unlink(missing_ok=True)
    # The runner must not read the output as commands: it can contain a server's log.
    token = os.urandom(16).hex()
    print(f"::stop-commands::{token}", flush=True)
    ended = subprocess.run([os.environ["BINARY"], *words], stderr=subprocess.PIPE, text=True, errors="replace")
    print(f"{ended.stderr}\n::{token}::", flush=True)
    # Ended by a signal: the code of a shell.
    code = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
    written = {option: path for option, path in reports.items() if path.is_file()}
    report = json.loads(written["json"].read_text(encoding="utf-8")) if "json" in written else None
    output(verdict=report["verdict"] if report else "no_report", exit_code=code, **written)
    with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as file:
        file.write(summary(report, code, ended.stderr))
    for line in annotations(report, code, ended.stderr):
        print(line)


def conclude():
    """Exits with the exit code of the run."""
    code = value("EXIT_CODE")
    if not code.isdecimal():
        # The run was not reached.
        sys.exit(1)
    sys.exit(0 if value("INPUT_FAIL") == "false" else int(code))


def main():
    steps = {"install": install, "run": run, "conclude": conclude}
    step = steps.get(sys.argv[1]) if len(sys.argv) == 2 else None
    if step is None:
        sys.exit(f"usage: conformance.py {'|'.join(steps)}")
    try:
        step()
    except (Invalid, Failed) as why:
        print(command("error", "Prism conformance", str(why)))
        sys.exit(USAGE if isinstance(why, Invalid) else 1)


if __name__ == "__main__":
    main()
