"""The job summary and the annotations, from the JSON report that docs/report.schema.json describes."""

# GitHub shows at most ten annotations of a kind per step.
MAX_ANNOTATIONS = 10
# Groups of failures whose transcript is in the summary; a summary holds at most 1 MiB.
MAX_TRANSCRIPTS = 10
MAX_TRANSCRIPT = 4_000
MAX_RULES = 30
# Exit codes that have no report, with their meaning.
WITHOUT_REPORT = {
    2: "the command line is invalid, or a report could not be written",
    3: "there is no server to test",
    4: "nothing ran",
}
# Characters that Markdown or HTML would interpret. As entities, they are the same in a table and inside of HTML.
RESERVED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "*": "&#42;", "_": "&#95;"}
FAILED = {"failed", "unexpected_pass", "broken"}


def command(kind, title, message):
    """A workflow command, such as an annotation. Its syntax reserves some characters."""
    def escaped(text):
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    return f"::{kind} title={escaped(title).replace(':', '%3A').replace(',', '%2C')}::{escaped(message)}"


def cell(text):
    """Text on one line of Markdown, such as in a cell of a table."""
    text = " ".join(str(text).split())
    for character, safe in RESERVED.items():
        text = text.replace(character, safe)
    return text


def fenced(text):
    """A block of verbatim text, shortened."""
    if len(text) > MAX_TRANSCRIPT:
        text = text[:MAX_TRANSCRIPT] + "\n… the rest is in the report"
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}\n"


def groups(report):
    """The failures by root cause: pairs of the case to read first and the group. Without groups, each failure is one."""
    by_id = {case["id"]: case for case in report["cases"]}
    found = [(by_id[group["shown"]], group) for group in report.get("groups", [])]
    grouped = {case for _, group in found for case in group["cases"]}
    for case in report["cases"]:
        if case["outcome"] in FAILED and case["id"] not in grouped:
            found.append((case, {"likely_cause": None, "rules": case["rules"], "cases": [case["id"]]}))
    return found


def divergence(case):
    """What was expected and what happened, on two lines; or the reason of a case that could not run."""
    if case["expected"] is None:
        return case["reason"] or "no details"
    return f"expected: {case['expected']}\nactual: {case['actual']}"


def without_report(code, errors):
    why = WITHOUT_REPORT.get(code, f"prism-conformance ended with {code}")
    return why, errors.strip() or "It printed no error."


def annotations(report, code, errors):
    """Annotations: a problem of the run, then one for each root cause."""
    if report is None:
        why, errors = without_report(code, errors)
        return [command("error", f"Conformance: {why}", errors[-MAX_TRANSCRIPT:])]
    lines = [command("error", "Conformance", problem) for problem in report["problems"]]
    for case, group in groups(report):
        others = len(group["cases"]) - 1
        message = f"{case['title']}\n{divergence(case)}"
        if group["likely_cause"]:
            message += f"\nlikely cause: {group['likely_cause']}"
        if others:
            message += f"\nand {others} more with the same cause"
        title = f"{case['id']} ({', '.join(group['rules'])})"
        lines.append(command("error", title, f"{message}\nreplay: {case['replay']}"))
    if len(lines) > MAX_ANNOTATIONS:
        rest = len(lines) - MAX_ANNOTATIONS + 1
        more = command("error", "Conformance", f"{rest} more in the job summary and in the report")
        lines = lines[: MAX_ANNOTATIONS - 1] + [more]
    if not lines and code:
        lines.append(command("error", "Conformance", report["sentence"]))
    return lines


def summary(report, code, errors):
    """The job summary in Markdown: verdict, counts, root causes, failed rules."""
    if report is None:
        why, errors = without_report(code, errors)
        return f"## Conformance: {why}\n\n{fenced(errors)}"
    counts, target, info = report["counts"], report["target"], report["run"]
    lines = [f"## {'✅' if code == 0 else '❌'} {cell(report['sentence'])}", ""]
    row = [counts[name] for name in ("passed", "failed", "known", "skipped")]
    row += [info[name] for name in ("budget", "seed", "suite_version")]
    lines += ["| passed | failed | known | skipped | budget | seed | suite |", "| ---: | ---: | ---: | ---: | --- | ---: | --- |"]
    lines += [f"| {' | '.join(cell(entry) for entry in row)} |", "", f"Target: {cell(target['name'])}, {cell(target['mode'])}."]
    lines += [line for problem in report["problems"] for line in ("", f"Problem: {cell(problem)}")]
    causes = groups(report)
    if causes:
        lines += ["", "### Root causes", "", "| read first | rules | failures | likely cause |", "| --- | --- | ---: | --- |"]
        for case, group in causes:
            likely = cell(group["likely_cause"] or "")
            lines.append(f"| {cell(case['id'])} | {', '.join(group['rules'])} | {len(group['cases'])} | {likely} |")
        lines.append("")
        for case, _ in causes[:MAX_TRANSCRIPTS]:
            detail = case["transcript"] or divergence(case)
            lines += [f"<details><summary>{cell(case['id'])}: {cell(case['title'])}</summary>", ""]
            lines += [fenced(f"{detail}\n\nreplay  {case['replay']}"), "</details>", ""]
    failed = [rule for rule in report["requirements"] if rule["verdict"] == "failed"]
    if failed:
        lines += ["### Failed rules", "", "| rule | text |", "| --- | --- |"]
        lines += [f"| {rule['id']} | {cell(rule['text'])} |" for rule in failed[:MAX_RULES]]
        if len(failed) > MAX_RULES:
            lines += ["", f"and {len(failed) - MAX_RULES} more in the report."]
    return "\n".join(lines) + "\n"
