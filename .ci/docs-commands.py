#!/usr/bin/env python3
"""Runs the commands in README.md, CONTRIBUTING.md, docs/*.md and docs/timeseries/*.md, and checks the configurations shown there.

    .ci/docs-commands.py PRISM [PAGE...]            PRISM is the built binary; default: all pages but docs/clients
    .ci/docs-commands.py PRISM --write [PAGE...]    writes the outputs of the commands into the pages, where they differ

The blocks of a page run in order in one shell, in a scratch folder with links to this repository's files. A block's mark is
an HTML comment on the line above it, invisible on the rendered page:

    <!-- run: background -->      runs in the background; the next block waits until the server at 127.0.0.1:8980 is healthy
    <!-- run: background, with CA -->  as above, with TLS, where CA is the trusted authority
    <!-- run: background, with CA, CERT, KEY -->  as above, for a server that requires a client certificate
    <!-- run: exit 2 -->          must exit with 2
    <!-- run: skip, REASON -->    is not run, but counted and listed with its reason
    <!-- prints -->               a text block: the output of the previous block, exactly; a line … stands for any lines
    <!-- prints: any time, number -->  as above, where values of these kinds may differ and columns may be wider: time
                                  (2026-01-31T12:00:00.5Z), duration (1.5 s), size (1.5 KiB), release (0.1.0), number
                                  (1,000). A number is a whole word: the 7 of `key7` must agree
    <!-- file: NAME -->           is written to NAME; a .yaml file is checked by `prism check-config`
    <!-- file: NAME, with A -->   as above, with the environment variable A set, to which a token refers
    <!-- stop -->                 standalone: interrupts the background process, like Ctrl-C
    <!-- needs: postgres -->      standalone: from here on 127.0.0.1:5432 is a throwaway Postgres, configured for psql and the
                                  like. Without PostgreSQL's binaries, blocks up to the next <!-- needs: nothing --> are skipped
    <!-- needs: node -->          standalone: as above, for Node.js 20 or newer and npm

The outputs of skipped commands are not compared.

A block that only includes a file of docs/deploy is checked by .ci/deploy/check.py instead.

Three differences from a reader's session: Ports 89xx of 127.0.0.1 are replaced by free ones. `cargo run` of a binary of this
repository runs the existing build, since a release build takes minutes. target/release contains links to that build.
Everything else, including grpcurl, is the real program.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from docs_output import Expected, replace
from docs_page import ROOT, Failed, Page

MARK = re.compile(r"<!-- (run|prints|file|stop|needs)(?:: (.*?))? -->$")


class Block:
    """A fenced block, or a standalone mark."""

    def __init__(self, line, language, mark, argument, text):
        self.line, self.language, self.mark, self.argument, self.text = line, language, mark, argument or "", text


def blocks(text):
    """The blocks of a page, in order."""
    mark, fence, start, lines = None, None, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is not None:
            if line.strip() == "```":
                kind, argument = mark or (None, None)
                yield Block(start, fence, kind, argument, "".join(f"{line}\n" for line in lines))
                mark, fence = None, None
            else:
                lines.append(line)
        elif line.lstrip().startswith("```"):
            fence, start, lines = line.strip()[3:], number, []
        else:
            found = MARK.match(line.strip())
            if found and found[1] in {"stop", "needs"}:
                yield Block(number, None, found[1], found[2], "")
            elif mark and line.strip():
                raise Failed(f"line {number}: a mark must be on the line above a block")
            elif found:
                mark = found.groups()
    if fence is not None or mark:
        raise Failed(f"line {start}: the block or mark is not terminated")


def pages(arguments):
    if arguments:
        return [Path(name).resolve() for name in arguments]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
            *sorted((ROOT / "docs/timeseries").glob("*.md"))]


class Outputs:
    """The outputs that a page shows: compared, or collected to be written."""

    def __init__(self, write):
        self.write, self.changes = write, {}

    def compare(self, block, printed):
        expected = Expected(block.text, block.argument)
        if expected.is_printed_by(printed):
            return
        if not self.write:
            raise Failed(f"the previous block printed this instead:\n{printed}")
        self.changes[block.line] = (block.text.count("\n"), expected.rewritten(printed))


def run(path, programs, outputs, counts):
    """Runs the blocks of a page; returns the first failure with its line, or None."""
    scratch = Path(tempfile.mkdtemp(prefix="prism-docs-"))
    page, block = None, None
    try:
        found = list(blocks(path.read_text(encoding="utf-8")))
        page = Page(programs, scratch, path.name)
        for block in found:
            page.do(block, counts, outputs.compare)
    except Failed as why:
        return f"{block.line if block else 1}: {why}"
    finally:
        if page:
            page.close()
        shutil.rmtree(scratch)
    return None


def main():
    prism, *arguments = sys.argv[1:]
    prism, write = Path(prism).resolve(), "--write" in arguments
    programs = [path for path in (prism, prism.with_name("prism-conformance")) if path.exists()]
    if prism not in programs:
        sys.exit(f"{prism} does not exist")
    failures, skipped, ran, checked = [], [], 0, 0
    for path in pages([name for name in arguments if name != "--write"]):
        name = os.path.relpath(path, ROOT)
        counts, outputs = {"ran": 0, "checked": 0, "skipped": []}, Outputs(write)
        if failure := run(path, programs, outputs, counts):
            failures.append(f"{name}:{failure}")
        if outputs.changes:
            path.write_text(replace(path.read_text(encoding="utf-8"), outputs.changes), encoding="utf-8")
            print(f"{name}: {len(outputs.changes)} outputs written")
        skipped += [f"{name}:{line}: {why}" for line, why in counts["skipped"]]
        ran, checked = ran + counts["ran"], checked + counts["checked"]
        if counts["ran"] or counts["checked"] or counts["skipped"]:
            print(f"{name}: {counts['ran']} ran, {counts['checked']} checked, {len(counts['skipped'])} skipped", flush=True)
    print(f"Command blocks: {ran} ran, {checked} files and outputs checked, {len(skipped)} skipped:")
    for line in skipped:
        print(f"  {line}")
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    sys.exit(1 if failures or not ran else 0)


if __name__ == "__main__":
    main()
