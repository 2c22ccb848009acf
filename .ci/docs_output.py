"""Outputs shown on a page: comparison with what a command printed, and replacement. See docs-commands.py."""

import re

from docs_page import Failed

# What may vary from run to run. A mark names those that apply: "<!-- prints: any time, duration -->".
MASKS = {
    "time": re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
    "duration": re.compile(r"\b\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|min)\b"),
    "size": re.compile(r"\b\d+(?:\.\d+)? (?:B|[KMG]iB)(?:/s)?(?!\w)"),
    "release": re.compile(r"\b\d+\.\d+\.\d+(?:-[0-9a-z.]+)?(?: \([0-9a-f]{7,}[^)]*\))?"),
    "number": re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)"),
}
# A line of a shown output that stands for any lines.
LEFT_OUT = "…"


class Expected:
    """The output that a block shows, with the masks of its mark."""

    def __init__(self, text, argument):
        self.lines = tidy(text)
        names = argument.removeprefix("any ").split(", ") if argument else []
        unknown = [name for name in names if name not in MASKS]
        if unknown or (argument and not argument.startswith("any ")):
            raise Failed(f"`prints: {argument}` is an unknown mark; `any` takes {', '.join(MASKS)}, separated by commas")
        # In the order above: a duration is not masked as a number.
        self.masks = [(name, pattern) for name, pattern in MASKS.items() if name in names]

    def is_printed_by(self, printed):
        """Whether a command that printed this is shown correctly."""
        shown, printed = self.masked(self.lines), self.masked(tidy(printed))
        parts = [[]]
        for line in shown:
            if line == LEFT_OUT:
                parts.append([])
            else:
                parts[-1].append(line)
        if len(parts) == 1:
            return shown == printed
        first, *between, last = parts
        rest = printed[len(first):len(printed) - len(last)]
        if len(first) + len(last) > len(printed) or printed != first + rest + last:
            return False
        for part in between:
            at = next((at for at in range(len(rest) - len(part) + 1) if rest[at:at + len(part)] == part), None)
            if at is None:
                return False
            rest = rest[at + len(part):]
        return True

    def rewritten(self, printed):
        """The lines to show instead, as many as now before and after the lines left out."""
        printed = tidy(printed)
        if LEFT_OUT not in self.lines:
            return printed
        if self.lines.count(LEFT_OUT) > 1:
            raise Failed(f"an output with more than one line `{LEFT_OUT}` must be rewritten by hand")
        head = self.lines.index(LEFT_OUT)
        tail = len(self.lines) - head - 1
        if len(printed) <= head + tail:
            return printed
        return printed[:head] + [LEFT_OUT] + printed[len(printed) - tail:]

    def masked(self, lines):
        """The lines with what may vary replaced by its name. Runs of spaces count as one: a column is as wide as its content."""
        for name, pattern in self.masks:
            lines = [pattern.sub(f"<{name}>", line) for line in lines]
        return [re.sub(r" {2,}", "  ", line) for line in lines] if self.masks else lines


def tidy(text):
    """The lines of an output, without blanks at the ends of lines and without empty lines around them."""
    return [line.rstrip() for line in text.strip("\n").rstrip().split("\n")]


def replace(text, changes):
    """A page with other lines in some blocks; `changes` maps the number of a block's first fence to its new lines."""
    lines = text.split("\n")
    for fence, (count, new) in sorted(changes.items(), reverse=True):
        lines[fence:fence + count] = new
    return "\n".join(lines)
