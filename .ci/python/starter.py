"""Checks a run of the suite on the Python starter: it is red because its methods are not written.

usage: starter.py EXIT-CODE REPORT.json
"""

import json
import sys
from collections import Counter
from pathlib import Path

UNWRITTEN = "is not written yet"


def main(exit_code: str, path: str) -> str | None:
    if exit_code != "1":
        return f"exit code {exit_code}; 1 is expected: the server answers, and does not conform"
    cases = json.loads(Path(path).read_text(encoding="utf-8"))["cases"]
    passed = [case["id"] for case in cases if case["outcome"] == "passed"]
    if "wire::health_and_reflection_answer" not in passed:
        return "health and reflection do not answer"
    if "limits::are_those_of_the_contract" not in passed:
        return "Describe does not answer"
    actual = Counter(case["actual"] for case in cases if case["outcome"] == "failed")
    unwritten = sum(count for text, count in actual.items() if UNWRITTEN in text)
    if unwritten < 100:
        return f"{unwritten} cases failed at a method that {UNWRITTEN}; at least 100 are expected: {actual}"
    if bugs := [text for text in actual if "INTERNAL" in text or "UNKNOWN" in text]:
        return f"the starter has a bug: {bugs}"
    print(f"{len(passed)} cases passed, {unwritten} failed at a method that {UNWRITTEN}: {dict(actual)}")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
