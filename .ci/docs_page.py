"""Execution of a documentation page: a shell, a scratch folder, background servers. See docs-commands.py."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from throwaway_postgres import Postgres, programs

ROOT = Path(__file__).resolve().parent.parent
WITH_ADMIN = ("getting-started.md", "operating.md")
PORT = re.compile(r"\b127\.0\.0\.1:(89\d\d|5432)\b")
INCLUDE = re.compile(r"\{\{#include (deploy/\S+)\}\}\n")
# Languages of blocks that are not run. Any other unknown language is an error, to force a decision.
NOT_RUN = {"text", "json", "rust", "toml", "sql", "protobuf", "ini"}
# Entries of the repository that a page does not see: its commands make their own.
NOT_LINKED = {"target", ".git", ".venv", "gen", "node_modules"}
# The oldest Node.js on which the packages of docs/clients run.
NODE = 20
SECTIONS = {"server", "database", "logging", "auth", "health", "otlp"}
# Timeout of a block, in seconds.
BLOCK_TIMEOUT = 300
CARGO = """#!/bin/sh
# Replaces `cargo run` on the pages: see .ci/docs-commands.py.
words="$*"
case "$words" in
  "run "*"-p prism-proxy -- "*) program=prism ;;
  "run "*"-p prism-conformance "*"-- "*) program=prism-conformance ;;
  *) echo "the cargo replacement supports only cargo run of a binary, not: cargo $words" >&2; exit 64 ;;
esac
while [ "$1" != -- ]; do shift; done
shift
exec "$(dirname "$0")/$program" "$@"
"""


class Failed(Exception):
    """A block did not behave as its page states."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node_major():
    """The major version of Node.js; 0 without it, or without npm."""
    if not shutil.which("npm") or not shutil.which("node"):
        return 0
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", version)
    return int(found[1]) if found else 0


class Page:
    """A page in execution: a shell, a scratch folder, background servers."""

    def __init__(self, programs, scratch, name):
        self.scratch, self.ports, self.printed = scratch, {}, ""
        self.background, self.lacks, self.postgres = [], None, None
        for entry in sorted(os.listdir(ROOT)):
            if entry not in NOT_LINKED:
                (scratch / entry).symlink_to(ROOT / entry)
        for folder in ("bin", "target/release"):
            (scratch / folder).mkdir(parents=True)
            for program in programs:
                (scratch / folder / program.name).symlink_to(program)
        (scratch / "bin/cargo").write_text(CARGO)
        (scratch / "bin/cargo").chmod(0o755)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "DATABASE_URL"))}
        home = Path.home()
        self.environment = {
            # Each page has a separate home; downloads are kept in that of the caller.
            "PIP_CACHE_DIR": str(home / ".cache/pip"),
            "NPM_CONFIG_CACHE": str(home / ".npm"),
            "NPM_CONFIG_USERCONFIG": str(home / ".npmrc"),
        } | keep | {
            "PATH": f"{scratch / 'bin'}:{keep['PATH']}",
            "HOME": str(scratch),
            "PRISM_SERVER_LISTEN": f"127.0.0.1:{self.port('8980')}",
            # Only where a page shows it: with an address that is set, a second server of the page would not start.
            "PRISM_ADMIN_LISTEN": f"127.0.0.1:{self.port('8981')}" if name in WITH_ADMIN else "off",
            "PRISM_ENDPOINT": f"http://127.0.0.1:{self.port('8980')}",
        }
        self.shell = subprocess.Popen(
            ["bash", "--norc"], cwd=scratch, env=self.environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.execute("shopt -s expand_aliases; set -uo pipefail")

    def port(self, shown):
        return self.ports.setdefault(shown, free_port())

    def text(self, block):
        return PORT.sub(lambda found: f"127.0.0.1:{self.port(found[1])}", block.text)

    def shown(self, printed):
        """An output as a reader would see it: with the ports of the page, not with those that replace them."""
        for port, free in self.ports.items():
            printed = re.sub(rf"\b127\.0\.0\.1:{free}\b", f"127.0.0.1:{port}", printed)
        return printed

    def execute(self, command):
        """Runs a command in the shell; returns its exit code and output."""
        watchdog = threading.Timer(BLOCK_TIMEOUT, os.killpg, (self.shell.pid, signal.SIGKILL))
        watchdog.start()
        try:
            return self.read_result(command)
        finally:
            watchdog.cancel()

    def read_result(self, command):
        end = f"end-{time.monotonic_ns()}"
        self.shell.stdin.write(f"{command}\nprintf '\\n%s %d\\n' {end} $?\n")
        self.shell.stdin.flush()
        printed = []
        for line in self.shell.stdout:
            if line.startswith(end):
                return int(line.split()[1]), "".join(printed).removesuffix("\n")
            printed.append(line)
        # `set -e` ended the shell.
        return self.shell.wait() or 1, "".join(printed)

    def run(self, block):
        name = f"block-{block.line}.sh"
        (self.scratch / name).write_text(self.text(block), encoding="utf-8")
        kind, _, argument = block.argument.partition(" ")
        if kind.rstrip(",") == "background":
            if self.background:
                raise Failed("another background block is still running and would answer instead; `stop` it first")
            # A separate job, so that it and its children can be interrupted together, as by Ctrl-C.
            _, job = self.execute(f"set -m; (set -e; source ./{name}) >{name}.log 2>&1 & set +m; echo $!")
            self.background.append(int(job))
            self.wait_until_serving(name, argument.removeprefix("with "))
            self.printed = self.log_of(name)
        elif kind == "exit":
            status, self.printed = self.execute(f"(set -e; source ./{name})")
            if status != int(argument):
                raise Failed(f"exit {status}, expected {argument}, after printing:\n{self.printed}")
        elif block.mark:
            raise Failed(f"`run: {block.argument}` is an unknown mark")
        else:
            status, self.printed = self.execute(f"set -e; source ./{name}; set +e")
            if status:
                raise Failed(f"exit {status}, after printing:\n{self.printed}")

    def wait_until_serving(self, name, files):
        deadline = time.monotonic() + 60
        address = f"127.0.0.1:{self.port('8980')}"
        # The CA, and the client's certificate and key if the server wants one.
        options = zip(("--tls-ca", "--tls-cert", "--tls-key"), files.split(", ") if files else [])
        tls = [word for option, file in options for word in (option, str(self.scratch / file))]
        health = [str(self.scratch / "bin/prism"), "health", "--endpoint", f"{'https' if tls else 'http'}://{address}", *tls]
        while subprocess.run(health, env=self.environment, capture_output=True, check=False).returncode:
            gone, _ = self.execute(f"kill -0 {self.background[-1]} 2>/dev/null")
            if gone or time.monotonic() > deadline:
                log = (self.scratch / f"{name}.log").read_text(encoding="utf-8")
                raise Failed(f"the background block did not become healthy:\n{log}")
            time.sleep(0.05)

    def log_of(self, name):
        """What a background block has printed so far. A server writes its log beside its work, so it may follow later."""
        deadline = time.monotonic() + 10
        while not (log := (self.scratch / f"{name}.log").read_text(encoding="utf-8")) and time.monotonic() < deadline:
            time.sleep(0.02)
        return log

    def stop(self):
        for job in self.background:
            self.end(job)
        self.background = []
        if self.shell.poll() is None:
            self.execute("wait")

    @staticmethod
    def end(job):
        """Interrupts a job, and kills it on timeout."""
        try:
            os.killpg(job, signal.SIGINT)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                os.killpg(job, 0)
                time.sleep(0.02)
            os.killpg(job, signal.SIGKILL)
            raise Failed("the background block did not end within 30 s after Ctrl-C")
        except ProcessLookupError:
            pass

    def need(self, what):
        """Starts what the next blocks need, or sets the reason for skipping them."""
        self.lacks = None
        if what == "postgres" and not programs():
            self.lacks = "PostgreSQL's binaries are not installed"
        elif what == "postgres" and not self.postgres:
            self.postgres = Postgres().__enter__()
            self.ports["5432"] = self.postgres.port
            for name, value in self.postgres.environment().items():
                self.execute(f"export {name}={value}")
            self.execute(f"PATH={self.postgres.programs}:$PATH")
        elif what == "node" and (major := node_major()) < NODE:
            version = f"is version {major}" if major else "is not installed"
            self.lacks = f"Node.js {version}; {NODE} or newer is needed"
        elif what not in {"postgres", "node", "nothing"}:
            raise Failed(f"`needs: {what}` is an unknown mark")

    def write(self, block):
        name, _, variable = block.argument.partition(", with ")
        (self.scratch / name).write_text(self.text(block), encoding="utf-8")
        if block.language == "yaml" and Path(name).suffix == ".yaml":
            self.check_config(self.scratch / name, variable)

    def check_config(self, path, variable=""):
        environment = self.environment | ({variable: "a-token-for-the-check"} if variable else {})
        command = [str(self.scratch / "bin/prism"), "check-config", "--config", str(path)]
        # In the folder of the page, to which the paths of its keys are relative.
        checked = subprocess.run(command, env=environment, cwd=self.scratch, capture_output=True, text=True, check=False)
        if checked.returncode:
            raise Failed(f"`prism check-config` rejects it:\n{checked.stderr}")

    def do(self, block, counts, compare):
        """Executes a block and counts it; `compare` takes a shown output and what was printed."""
        if block.mark == "stop":
            self.stop()
        elif block.mark == "needs":
            self.need(block.argument)
        elif found := INCLUDE.fullmatch(block.text):
            if not (ROOT / "docs" / found[1]).is_file():
                raise Failed(f"docs/{found[1]} does not exist")
        elif block.argument.startswith("skip, "):
            self.printed = None
            counts["skipped"].append((block.line, block.argument.removeprefix("skip, ")))
        elif self.lacks and block.language in {"sh", "bash"}:
            counts["skipped"].append((block.line, self.lacks))
        elif block.mark == "file":
            self.write(block)
            counts["checked"] += 1
        elif block.mark == "prints" and self.lacks:
            pass
        elif block.mark == "prints":
            if self.printed is None:
                raise Failed("the previous block is skipped, so its output cannot be compared")
            compare(block, self.shown(self.printed))
            counts["checked"] += 1
        elif block.language in {"sh", "bash"}:
            self.run(block)
            counts["ran"] += 1
        elif block.language == "yaml":
            if not set(re.findall(r"^(\w+):", block.text, re.M)) <= SECTIONS:
                raise Failed("a yaml block must be a configuration of Prism or have a mark")
            (self.scratch / "block.yaml").write_text(self.text(block), encoding="utf-8")
            self.check_config(self.scratch / "block.yaml")
            counts["checked"] += 1
        elif block.language not in NOT_RUN or block.mark:
            raise Failed(f"unknown language '{block.language}' or mark '{block.mark}'")

    def close(self):
        self.stop()
        self.shell.stdin.close()
        try:
            self.shell.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.shell.kill()
        finally:
            if self.postgres:
                self.postgres.__exit__()
