#!/usr/bin/env python3
"""Pages with a mistake in them, each of which .ci/docs-commands.py must find, and one without.

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
RIGHT = (
    SERVE
    + block("sh", "export PRISM_ENDPOINT=http://127.0.0.1:8980\nprism put demo a k=v")
    + block("sh", "prism health --endpoint http://127.0.0.1:8980")
    + block("text", "SERVING", "<!-- prints -->")
    + "<!-- stop -->\n"
    + block("sh", "prism get demo a", "<!-- run: exit 1 -->")
    + block("yaml", "server:\n  listen: 127.0.0.1:8980", "<!-- file: c.yaml -->")
    + block("sh", "prism check-config --config c.yaml")
)
# What is wrong, the page, and what must be said of it.
WRONG = [
    ("a command fails", block("sh", "false\ntrue"), "exit 1"),
    ("a command fails in a pipe", block("sh", "false | cat"), "exit 1"),
    ("a command is not there", block("sh", "no-such-program"), "command not found"),
    ("a command should fail and does not", block("sh", "true", "<!-- run: exit 2 -->"), "exit 0, and not 2"),
    ("other output", block("sh", "echo a") + block("text", "b", "<!-- prints -->"), "printed this instead"),
    ("a wrong configuration", block("yaml", "server:\n  lisen: a:1"), "did you mean 'server.listen'"),
    ("a wrong file", block("yaml", "x: 1", "<!-- file: c.yaml -->"), "check-config` refuses it"),
    ("another kind of yaml", block("yaml", "kind: Pod"), "is a configuration of Prism, or has a mark"),
    ("a language nobody thought of", block("fish", "x"), "is not known"),
    ("a mark that is none", block("sh", "true", "<!-- run: backgruond -->"), "is not a mark that is known"),
    ("a mark without its block", "<!-- run: exit 1 -->\ntext\n" + block("sh", "true"), "on the line above a block"),
    ("a server that ends", block("sh", "echo gone; false", "<!-- run: background -->"), "does not serve:\ngone"),
    ("two servers", SERVE + SERVE, "something runs in the background already"),
    ("a command that needs cargo itself", block("sh", "cargo build"), "knows only cargo run of a binary"),
    ("a file of docs/deploy that is not there", block("ini", "{{#include deploy/no.service}}"), "there is no docs/deploy/no"),
    ("nothing that runs", "# A page\n", "Blocks of commands: 0 ran"),
]


def run(prism, page):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.md"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run([sys.executable, PROGRAM, prism, path], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    prism = sys.argv[1]
    status, said = run(prism, RIGHT)
    assert status == 0 and "5 ran, 2 files and outputs were checked, 0 skipped" in said, said
    for what, page, expected in WRONG:
        status, said = run(prism, page)
        assert status == 1 and expected in said, f"{what}: exit {status} after saying\n{said}"
    print(f"{len(WRONG)} wrong pages were refused, each for its own mistake.")


if __name__ == "__main__":
    main()
