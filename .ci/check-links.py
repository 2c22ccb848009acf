#!/usr/bin/env python3
"""Checks the links between the Markdown files of this repository, that the book lists all its pages, and that the two tables
of what is where name every folder.

A link must lead to a file that is there and, where it names one, to a heading or an id of that file. A page of docs/ links
only to pages of docs/, since the rendered book holds nothing else. Links to other sites are not followed.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ID = re.compile(r'<a id="([^"]+)"')


def markdown_files():
    """Every Markdown file that git tracks or would track."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def prose(path):
    """The numbered lines of a file that are not in a code block, without their code spans."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(path):
    """What a link may name in a file: its ids, and its headings as forges and mdBook spell them."""
    found = set()
    for _, line in prose(path):
        found.update(ID.findall(line))
        heading = re.match(r"#+ (.*)", line)
        if heading:
            words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower())
            found.add(words.replace(" ", "-"))
    return found


def problems(path):
    """Yields what is wrong with the links of one file."""
    for number, line in prose(path):
        for link in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, fragment = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            where = f"{path.relative_to(ROOT)}:{number}: {link}"
            if not target.exists():
                yield f"{where}: there is no such file"
            elif path.parent == DOCS and not target.is_relative_to(DOCS):
                yield f"{where}: leads out of the book"
            elif fragment and target.suffix == ".md" and fragment not in anchors(target):
                yield f"{where}: no heading or id of that name"


def unlisted_pages():
    """Yields the pages of the book that its summary does not name."""
    listed = set(LINK.findall((DOCS / "SUMMARY.md").read_text(encoding="utf-8")))
    for page in sorted(DOCS.rglob("*.md")):
        name = page.relative_to(DOCS).as_posix()
        if name != "SUMMARY.md" and name not in listed:
            yield f"docs/{name}: not in docs/SUMMARY.md"


def unlisted_folders():
    """Yields the folders at the top that the tables of what is where do not name."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for folder in sorted({name.split("/")[0] for name in tracked.splitlines() if "/" in name and name[0] != "."}):
        for table in ("README.md", "docs/architecture.md"):
            if not re.search(rf"^\| \[?`{folder}/`", (ROOT / table).read_text(encoding="utf-8"), re.M):
                yield f"{table}: its table does not name the folder {folder}/"


def main():
    files = markdown_files()
    found = [problem for path in files for problem in problems(path)] + [*unlisted_pages(), *unlisted_folders()]
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"The links of {len(files)} Markdown files lead somewhere.")


if __name__ == "__main__":
    main()
