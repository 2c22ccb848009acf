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
    + block("sh", "prism get demo a", "<!-- run: exit 3 -->")
    + block("yaml", "server:\n  listen: 127.0.0.1:8980", "<!-- file: c.yaml -->")
    + block("sh", "prism check-config --config c.yaml")
)
# What varies from run to run, and what does not.
VARYING = (
    block("sh", "echo at 2026-01-31T12:00:00.5Z: 1,234 items, 1.5 KiB in 1.5 ms, key7, v 0.1.0")
    + block("text", "at 2020-02-02T02:02:02Z: 9 items, 80 B in 3 s, key7, v 1.2.3", "<!-- prints: any number, time, size, duration, release -->")
    + block("sh", "printf '%s\\n' a b c d e")
    + block("text", "a\n…\nc\n…\ne", "<!-- prints -->")
    + block("sh", "echo listening on 127.0.0.1:8980")
    + block("text", "listening on 127.0.0.1:8980", "<!-- prints -->")
    + SERVE
    + block("text", "…\n…", "<!-- prints -->")
)
# A page before and after --write: what differs is written, and what merely varies stays.
STALE = (
    block("sh", "printf '%s\\n' two lines")
    + block("text", "old", "<!-- prints -->")
    + block("sh", "echo at 2026-01-31T12:00:00Z")
    + block("text", "at 2020-02-02T02:02:02Z", "<!-- prints: any time -->")
    + block("sh", "printf '%s\\n' a b c d e")
    + block("text", "x\ny\n…\nz", "<!-- prints -->")
    + block("sh", "echo first")
    + "<!-- prints -->\n```text\n```\n"
)
WRITTEN = STALE.replace("old", "two\nlines").replace("x\ny\n…\nz", "a\nb\n…\ne").replace("text\n```", "text\nfirst\n```")
# The mistake, the page, and the expected message.
INVALID = [
    ("a command fails", block("sh", "false\ntrue"), "exit 1"),
    ("a command fails in a pipe", block("sh", "false | cat"), "exit 1"),
    ("an unknown command", block("sh", "no-such-program"), "command not found"),
    ("a command that should fail succeeds", block("sh", "true", "<!-- run: exit 2 -->"), "exit 0, expected 2"),
    ("other output", block("sh", "echo a") + block("text", "b", "<!-- prints -->"), "printed this instead"),
    ("a number in a word", block("sh", "echo key7") + block("text", "key8", "<!-- prints: any number -->"), "printed this instead"),
    ("a number that is not masked", block("sh", "echo 7") + block("text", "8", "<!-- prints: any time -->"), "printed this instead"),
    ("lines that are not left out", block("sh", "printf 'a\\nb\\n'") + block("text", "a\n…\nc", "<!-- prints -->"), "printed this instead"),
    ("lines in another order", block("sh", "printf 'a\\nb\\n'") + block("text", "…\nb\n…\na\n…", "<!-- prints -->"), "printed this instead"),
    ("an unknown mask", block("sh", "true") + block("text", "", "<!-- prints: any date -->"), "`any` takes time, duration"),
    ("an output of a skipped block", block("sh", "x", "<!-- run: skip, a test -->") + block("text", "x", "<!-- prints -->"), "cannot be compared"),
    ("an unknown need", "<!-- needs: fortran -->\n", "`needs: fortran` is an unknown mark"),
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


def run(prism, page, *options):
    """Runs a page; returns the exit code, what was printed, and the page as it is then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.md"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run([sys.executable, PROGRAM, prism, *options, path], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr, path.read_text(encoding="utf-8")


def main():
    prism = sys.argv[1]
    for page, expected in [(VALID, "5 ran, 2 files and outputs checked, 0 skipped"), (VARYING, "4 ran, 4 files and outputs checked")]:
        status, output, after = run(prism, page)
        assert status == 0 and expected in output and after == page, output
    status, output, after = run(prism, STALE, "--write")
    assert status == 0 and "3 outputs written" in output and after == WRITTEN, output + after
    for what, page, expected in INVALID:
        status, output, after = run(prism, page)
        assert status == 1 and expected in output and after == page, f"{what}: exit {status}, output:\n{output}"
    print(f"{len(INVALID)} invalid pages were rejected, each with the expected message.")


if __name__ == "__main__":
    main()
