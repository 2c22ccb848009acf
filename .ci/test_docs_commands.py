#!/usr/bin/env python3
"""Tests of .ci/docs-commands.py: a valid page, and pages with one mistake each, which must be detected.

    .ci/test_docs_commands.py PRISM      PRISM is the built binary
"""

import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).resolve().with_name("docs-commands.py")


def block(language, text, mark=""):
    return f"{mark}\n```{language}\n{text}\n```\n"


SERVE = block("sh", "prism serve", "<!-- run: background -->")
VALID = (
    SERVE
    + block("sh", "export PRISM_ENDPOINT=http://127.0.0.1:8980\nprism put demo a k=v")
    + block("sh", "prism health --endpoint http://127.0.0.1:8980")
    + block("text", "SERVING", "<!-- prints -->")
    + "<!-- stop -->\n"
    + block("sh", "prism get demo a", "<!-- run: exit 1 -->")
    + block("yaml", "server:\n  listen: 127.0.0.1:8980", "<!-- file: c.yaml -->")
    + block("sh", "prism check-config --config c.yaml")
)
# The mistake, the page, and the expected message.
INVALID = [
    ("a command fails", block("sh", "false\ntrue"), "exit 1"),
    ("a command fails in a pipe", block("sh", "false | cat"), "exit 1"),
    ("an unknown command", block("sh", "no-such-program"), "command not found"),
    ("a command that should fail succeeds", block("sh", "true", "<!-- run: exit 2 -->"), "exit 0, expected 2"),
    ("other output", block("sh", "echo a") + block("text", "b", "<!-- prints -->"), "printed this instead"),
    ("a wrong configuration", block("yaml", "server:\n  lisen: a:1"), "did you mean 'server.listen'"),
    ("a wrong file", block("yaml", "x: 1", "<!-- file: c.yaml -->"), "check-config` rejects it"),
    ("another kind of yaml", block("yaml", "kind: Pod"), "must be a configuration of Prism or have a mark"),
    ("an unknown language", block("fish", "x"), "unknown language 'fish'"),
    ("an unknown mark", block("sh", "true", "<!-- run: backgruond -->"), "is an unknown mark"),
    ("a mark without its block", "<!-- run: exit 1 -->\ntext\n" + block("sh", "true"), "on the line above a block"),
    ("a server that ends", block("sh", "echo gone; false", "<!-- run: background -->"), "did not become healthy:\ngone"),
    ("two servers", SERVE + SERVE, "another background block is still running"),
    ("a command that needs the real cargo", block("sh", "cargo build"), "supports only cargo run of a binary"),
    ("a missing file of docs/deploy", block("ini", "{{#include deploy/no.service}}"), "docs/deploy/no.service does not exist"),
    ("nothing to run", "# A page\n", "Command blocks: 0 ran"),
]


def run(prism, page):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.md"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run([sys.executable, PROGRAM, prism, path], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    prism = sys.argv[1]
    status, output = run(prism, VALID)
    assert status == 0 and "5 ran, 2 files and outputs checked, 0 skipped" in output, output
    for what, page, expected in INVALID:
        status, output = run(prism, page)
        assert status == 1 and expected in output, f"{what}: exit {status}, output:\n{output}"
    print(f"{len(INVALID)} invalid pages were rejected, each with the expected message.")


if __name__ == "__main__":
    main()
