#!/usr/bin/env python3
"""Follows docs/writing-a-backend.md as a reader does, in an empty folder outside of the workspace, and compares the outputs.

    .ci/author.py PRISM_CONFORMANCE           PRISM_CONFORMANCE is the built binary
    .ci/author.py PRISM_CONFORMANCE --write   also writes the outputs into the page, and its files into examples/own-backend

Every block of the page has a mark, an HTML comment on the line above it:

    <!-- author: file PATH -->          the whole of PATH, which is written there; rustfmt must agree with it
    <!-- author: part of PATH -->       an excerpt of the PATH that the page shows whole next
    <!-- run: skip, .ci/author.py runs it -->   commands, run by bash; they must succeed (.ci/docs-commands.py skips them)
    <!-- run: skip, .ci/author.py runs it, exit 101 -->   the same, but the exit code must be 101
    <!-- run: skip, REASON -->          commands that are not run
    <!-- author: prints -->             the output of the commands before it

At the end of the page the crate must be examples/own-backend: the same sources, and a manifest with the same dependencies,
features and targets.

Differences from a reader's session, for the sake of time: `new` gets `--prism` with this repository, the lock file is copied
from here, and the target folder and the dev profile are those of the workspace, so that its dependencies are not built again.
`cargo build --features serve` builds examples/own-backend, whose sources are the same. Durations, temporary folders and the
repository's path are masked in outputs.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/writing-a-backend.md"
EXAMPLE = ROOT / "examples/own-backend"
RUN = re.compile(r"run: skip, \.ci/author\.py runs it(?:, exit (\d+))?")
BLOCK = re.compile(r"<!-- (?P<mark>[^\n]*) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
# Timeout of a block, in seconds; the first one builds the dependencies.
BLOCK_TIMEOUT = 900
WRAPPERS = {
    "prism-conformance": 'if [ "$1" = new ]; then set -- "$@" --prism "$AUTHOR_ROOT"; fi\nexec "$AUTHOR_SUITE" "$@"\n',
    # The log shows warnings of the compiler, which the page's commands may filter out.
    "cargo": 'if [ "$*" = "build --features serve" ]; then cd "$AUTHOR_ROOT" && set -- build -p own-backend --features serve; fi\n'
    '"$AUTHOR_CARGO" "$@" 2> >(tee -a "$AUTHOR_LOG" >&2)\n',
}


class Failed(Exception):
    """The page and what happens differ."""


def masked(text):
    """An output without what differs from run to run."""
    text = re.sub(r"\b\d+(\.\d+)? ?(ms|s)\b", "N s", text)
    text = re.sub(r"/tmp/[\w./-]*", "/tmp/…", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def blocks(page):
    """The marked blocks, in order; a block without a mark is an error."""
    found = list(BLOCK.finditer(page))
    if 2 * len(found) != len(re.findall(r"^```", page, re.M)):
        raise Failed("a block has no mark on the line above it")
    return found


def profile():
    """The workspace's dev profile, as a configuration of Cargo."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    tables = re.split(r"^(?=\[)", manifest, flags=re.M)
    return "".join(table for table in tables if table.startswith("[profile.dev"))


class Reader:
    """A reader's session: a folder, a shell's working directory, and the last output."""

    def __init__(self, suite, scratch):
        self.folder = self.working = scratch / "reader"
        self.printed, self.log, self.cwd = None, scratch / "cargo.log", scratch / "cwd"
        bin_folder = scratch / "bin"
        for folder in (self.folder, bin_folder, scratch / ".cargo"):
            folder.mkdir()
        (scratch / ".cargo/config.toml").write_text(profile(), encoding="utf-8")
        for name, body in WRAPPERS.items():
            (bin_folder / name).write_text("#!/bin/bash\n" + body, encoding="utf-8")
            (bin_folder / name).chmod(0o755)
        # In CI the suite would do more.
        keep = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PRISM_")}
        self.target = Path(keep.pop("CARGO_TARGET_DIR", ROOT / "target")).resolve()
        self.environment = keep | {
            "PATH": f"{bin_folder}:{keep['PATH']}",
            "AUTHOR_ROOT": str(ROOT),
            "AUTHOR_SUITE": str(suite),
            "AUTHOR_CARGO": shutil.which("cargo"),
            "AUTHOR_LOG": str(self.log),
            "CARGO_TARGET_DIR": str(self.target),
            "CARGO_TERM_COLOR": "never",
            "NO_COLOR": "1",
        }

    @property
    def crate(self):
        return self.folder / "own-backend"

    def run(self, text, status):
        self.log.write_text("", encoding="utf-8")
        script = f"{text}\nstatus=$?\npwd >'{self.cwd}'\nexit $status\n"
        done = subprocess.run(
            ["bash", "--norc", "-c", script], cwd=self.working, env=self.environment, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BLOCK_TIMEOUT, check=False,
        )
        self.printed = done.stdout.replace(str(ROOT), "~/prism")
        if done.returncode != status:
            raise Failed(f"exit {done.returncode}, expected {status}, after printing:\n{self.printed}")
        self.working = Path(self.cwd.read_text(encoding="utf-8").strip())
        warnings = [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("warning: ")]
        if warnings := [line for line in warnings if "profile package spec" not in line]:
            raise Failed("the compiler warns:\n" + "\n".join(warnings))
        if self.crate.exists() and not (self.crate / "target").exists():
            shutil.copy(ROOT / "Cargo.lock", self.crate)
            (self.crate / "target").symlink_to(self.target)

    def write(self, path, text):
        file = self.crate / path
        if not file.parent.is_dir():
            raise Failed(f"there is no folder for {path}")
        file.write_text(text, encoding="utf-8")
        if path.endswith(".rs"):
            # In the reader's folder, where the workspace's configuration does not apply.
            command = ["rustfmt", "--edition", "2024", "--check", "--color", "never", file]
            formatted = subprocess.run(command, cwd=self.crate, capture_output=True, text=True, check=False)
            if formatted.returncode:
                raise Failed(f"rustfmt would write {path} differently:\n{formatted.stdout}{formatted.stderr}")


def dependencies(table, workspace):
    """The dependencies of a manifest, as (requirement, optional, features); those of this repository without a version."""
    found = {}
    for name, given in table.items():
        given = {"version": given} if isinstance(given, str) else given
        if given.get("workspace"):
            shared = workspace[name]
            given = given | ({"version": shared} if isinstance(shared, str) else shared)
        version = None if name.startswith("prism-") else given["version"]
        found[name] = (version, given.get("optional", False), sorted(given.get("features", [])))
    return found


def compared(manifest):
    """What must be equal in the manifests of the page's crate and of the example."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["dependencies"]
    table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    kinds = {kind: dependencies(table.get(kind, {}), workspace) for kind in ("dependencies", "dev-dependencies")}
    return kinds | {kind: table.get(kind) for kind in ("features", "bin", "test")} | {"name": table["package"]["name"]}


def sources(crate):
    """The sources of a crate, by path."""
    found = [*crate.glob("src/**/*.rs"), *crate.glob("tests/**/*.rs")]
    return {str(file.relative_to(crate)): file.read_text(encoding="utf-8") for file in found}


def check_files(page):
    """Each excerpt is a part of the file that follows it, and the last version of each file is the example's."""
    last, following = {}, {}
    for block in reversed(blocks(page)):
        kind, _, path = block["mark"].removeprefix("author: ").rpartition(" ")
        if kind == "file":
            following[path] = block["text"]
            last.setdefault(path, block["text"])
        elif kind == "part of" and block["text"] not in following.get(path, ""):
            raise Failed(f"the {path} that follows on the page does not contain this:\n{block['text']}")
    example = sources(EXAMPLE)
    for path in sorted(last.keys() | example.keys()):
        if last.get(path) != example.get(path):
            raise Failed(f"examples/own-backend/{path} is not the page's last version; --write writes it")


def step(reader, block, write):
    """Does what a block says; returns the output to put in its place, if there is one and `write` is set."""
    mark, text = block["mark"], block["text"]
    if found := RUN.fullmatch(mark):
        reader.run(text, int(found[1] or 0))
    elif mark == "author: prints":
        if write:
            return reader.printed.strip("\n") + "\n"
        if masked(text) != masked(reader.printed):
            raise Failed(f"the commands before it printed this instead; --write writes it:\n{reader.printed}")
    elif mark.startswith("author: file "):
        reader.write(mark.removeprefix("author: file "), text)
    elif not mark.startswith(("author: part of ", "run: skip, ")):
        raise Failed(f"'{mark}' is an unknown mark")
    return None


def follow(page, reader, write):
    """Follows the page; returns it with the outputs of this session if `write` is set."""
    outputs = []
    for block in blocks(page):
        line, began = page.count("\n", 0, block.start()) + 1, time.monotonic()
        try:
            if (printed := step(reader, block, write)) is not None:
                outputs.append((block.span("text"), printed))
        except Failed as why:
            raise Failed(f"docs/writing-a-backend.md:{line}: {why}") from None
        if RUN.fullmatch(block["mark"]):
            command = block["text"].strip().splitlines()[-1]
            print(f"line {line}: {time.monotonic() - began:.1f} s: {command}", flush=True)
    for (start, end), printed in reversed(outputs):
        page = page[:start] + printed + page[end:]
    return page


def write_example(page):
    for block in blocks(page):
        if block["mark"].startswith("author: file "):
            file = EXAMPLE / block["mark"].removeprefix("author: file ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block["text"], encoding="utf-8")


def main():
    suite, write = Path(sys.argv[1]).resolve(), "--write" in sys.argv[2:]
    if not suite.is_file():
        sys.exit(f"{suite} does not exist")
    page = PAGE.read_text(encoding="utf-8")
    scratch = Path(tempfile.mkdtemp(prefix="prism-author-"))
    try:
        if write:
            write_example(page)
        check_files(page)
        reader = Reader(suite, scratch)
        followed = follow(page, reader, write)
        if sources(reader.crate) != sources(EXAMPLE):
            raise Failed("the files of examples/own-backend are not those of the page's crate")
        if compared(reader.crate / "Cargo.toml") != compared(EXAMPLE / "Cargo.toml"):
            raise Failed("examples/own-backend/Cargo.toml differs from the page's crate in dependencies, features or targets")
        if write:
            PAGE.write_text(followed, encoding="utf-8")
    except Failed as why:
        sys.exit(f"FAILED {why}")
    finally:
        shutil.rmtree(scratch)
    print(f"{len(blocks(page))} blocks of docs/writing-a-backend.md; the crate at its end is examples/own-backend.")


if __name__ == "__main__":
    main()
