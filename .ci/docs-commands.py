#!/usr/bin/env python3
"""Executes the commands of README.md, CONTRIBUTING.md and docs/*.md, and checks the configurations shown there.

    .ci/docs-commands.py PRISM [PAGE...]      PRISM is the built binary; without pages, all of them

The blocks of a page run one after the other in one shell, in a scratch folder that holds links to this repository's files.
A block's mark is a comment on the line above it, which a reader of the rendered page does not see:

    <!-- run: background -->      runs on; what follows waits until the server at 127.0.0.1:8980 serves
    <!-- run: background, with CA -->  as above, with TLS, where CA is the authority to trust
    <!-- run: exit 2 -->          must exit with 2, and not with 0
    <!-- run: skip, REASON -->    does not run; it is counted and listed with its reason
    <!-- prints -->               a text block: exactly what the block before it must have printed
    <!-- file: NAME -->           is written to NAME; a .yaml file is checked by `prism check-config`
    <!-- file: NAME, with A -->   as above, with the variable A set, which a token of it names
    <!-- stop -->                 on a line of its own: ends what runs in the background, as Ctrl-C does
    <!-- needs: postgres -->      on a line of its own: from here on 127.0.0.1:5432 is a throwaway Postgres, of which psql and the
                                  like are told. A machine without its programs skips the blocks to the next <!-- needs: nothing -->

A block that only includes a file of docs/deploy is left to .ci/deploy/check.py.

Three things differ from what a reader does. Ports 89xx of 127.0.0.1 become free ones. `cargo run` of a binary of this
repository runs the one that is built already, since a release build takes minutes. And target/release holds links to it.
Everything else, grpcurl included, is the real program.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from docs_page import ROOT, Failed, Page

MARK = re.compile(r"<!-- (run|prints|file|stop|needs)(?:: (.*?))? -->$")


class Block:
    """A fenced block, or a mark that stands alone."""

    def __init__(self, line, language, mark, argument, text):
        self.line, self.language, self.mark, self.argument, self.text = line, language, mark, argument or "", text


def blocks(text):
    """The blocks of a page, in order."""
    mark, fence, start, lines = None, None, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is not None:
            if line.strip() == "```":
                kind, argument = mark or (None, None)
                yield Block(start, fence, kind, argument, "\n".join(lines) + "\n")
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
                raise Failed(f"line {number}: a mark must stand on the line above a block")
            elif found:
                mark = found.groups()
    if fence is not None or mark:
        raise Failed(f"the block or mark of line {start} does not end")


def pages(said):
    if said:
        return [Path(name).resolve() for name in said]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def main():
    prism = Path(sys.argv[1]).resolve()
    programs = [path for path in (prism, prism.with_name("prism-conformance")) if path.exists()]
    if prism not in programs:
        sys.exit(f"{prism} is not there")
    failures, skipped, ran, checked = [], [], 0, 0
    for path in pages(sys.argv[2:]):
        name = os.path.relpath(path, ROOT)
        scratch = Path(tempfile.mkdtemp(prefix="prism-docs-"))
        counts = {"ran": 0, "checked": 0, "skipped": []}
        page, block = None, None
        try:
            found = list(blocks(path.read_text(encoding="utf-8")))
            page = Page(programs, scratch)
            for block in found:
                page.do(block, counts)
        except Failed as why:
            failures.append(f"{name}:{block.line if block else 1}: {why}")
        finally:
            if page:
                page.close()
            shutil.rmtree(scratch)
        skipped += [f"{name}:{line}: {why}" for line, why in counts["skipped"]]
        ran, checked = ran + counts["ran"], checked + counts["checked"]
        if counts["ran"] or counts["checked"] or counts["skipped"]:
            print(f"{name}: {counts['ran']} ran, {counts['checked']} checked, {len(counts['skipped'])} skipped", flush=True)
    print(f"Blocks of commands: {ran} ran, {checked} files and outputs were checked, {len(skipped)} skipped:")
    for line in skipped:
        print(f"  {line}")
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    sys.exit(1 if failures or not ran else 0)


if __name__ == "__main__":
    main()
