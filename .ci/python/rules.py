"""Compares the rules in the comments of the Python starter with contract/requirements.toml.

usage: rules.py          exits with 1 if a rule is not named, or if a text is not the contract's
       rules.py --write  writes the contract's texts
"""

import difflib
import re
import sys
import textwrap
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "conformance/templates/python/server.py"
RULE = re.compile(r"    # ([A-Z]+-\d+)\b.*\n(?:    #    .*\n)*")


def comment(rule: re.Match[str], texts: dict[str, str]) -> str:
    """A rule as a comment, indented from the second line on."""
    lines = textwrap.wrap(
        f"{rule[1]}: {texts[rule[1]]}",
        width=110,
        initial_indent="    # ",
        subsequent_indent="    #    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


def main() -> int:
    contract = tomllib.loads((ROOT / "contract/requirements.toml").read_text(encoding="utf-8"))
    texts = {rule["id"]: rule["text"] for rule in contract["requirement"]}
    found = STARTER.read_text(encoding="utf-8")
    expected = RULE.sub(lambda rule: comment(rule, texts), found)
    if sys.argv[1:] == ["--write"]:
        STARTER.write_text(expected, encoding="utf-8")
        return 0
    # What is not a stub's part is kept by the other two files, which name the rule.
    others = "".join((STARTER.parent / name).read_text(encoding="utf-8") for name in ("wire.py", "checks.py"))
    named = {*RULE.findall(found), *re.findall(r"[A-Z]+-\d+", others)}
    if missing := texts.keys() - named:
        print(f"the starter names no {', '.join(sorted(missing))}")
        return 1
    before, after = found.splitlines(), expected.splitlines()
    difference = list(difflib.unified_diff(before, after, "the starter", "the contract", lineterm=""))
    print("\n".join(difference) or f"{len(RULE.findall(found))} rules have the contract's text")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
