#!/usr/bin/env python3
"""Tests of the action: the steps of action.yml run in order, as a runner would, with a stand-in for prism-conformance,

    test_action.py PRISM WHEELS

and with the wheel in the folder WHEELS, against the gateway PRISM. The stand-in notes its arguments, and writes the report
that a test gives it. `uses` steps are left to the real runner.
"""

import json
import re
import shlex
import stat
import sys
import tempfile
import unittest
from pathlib import Path

import conformance
import report
from stand_in import HERE, STAND_IN, Runner, case, document


class Action(unittest.TestCase):
    """The steps, with the stand-in."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="prism action ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.runner = Runner(self.folder)
        self.binary = self.folder / "prism-conformance"
        self.binary.write_text(STAND_IN)
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)

    def run_action(self, found=None, code=0, **inputs):
        path = self.folder / "given.json"
        if found is not None:
            path.write_text(json.dumps(found))
        environment = {"NOTED": str(self.folder / "noted"), "REPORT": str(path) if found else "", "CODE": str(code)}
        return self.runner.run(environment, binary=str(self.binary), **inputs)

    def noted(self):
        return (self.folder / "noted").read_text().splitlines()

    def test_inputs_become_arguments_without_being_run(self):
        code = self.run_action(
            document(), endpoint="http://a:1\nhttp://b:2", only="put 'TTL-*'", skip="x::$(touch${IFS}bad)", budget="quick",
            profile="core", known_failing="known failing.toml", args="--seed 7 --tls-domain 'a b'",
        )  # fmt: skip
        self.assertEqual(code, 0, self.runner.printed)
        expected = [
            "run", "--endpoint", "http://a:1", "--endpoint", "http://b:2", "--only", "put", "--only", "'TTL-*'", "--skip",
            "x::$(touch${IFS}bad)", "--budget", "quick", "--profile", "core", "--known-failing", "known failing.toml", "--json",
            "conformance-report/conformance.json", "--html", "conformance-report/conformance.html", "--junit",
            "conformance-report/conformance.xml", "--badge", "conformance-report/conformance.svg", "--seed", "7", "--tls-domain",
            "a b",
        ]  # fmt: skip
        self.assertEqual(self.noted(), expected)

    def test_outputs_name_the_verdict_and_the_reports_that_exist(self):
        self.assertEqual(self.run_action(document(), command="./server --listen {listen}"), 0, self.runner.printed)
        suite = {name.split(".")[1]: text for name, text in self.runner.outputs.items() if name.startswith("suite.")}
        self.assertEqual(suite, {
            "verdict": "conformant", "exit-code": "0", "json": "conformance-report/conformance.json",
            "html": "conformance-report/conformance.html",
        })  # fmt: skip
        self.assertEqual(self.noted()[:3], ["run", "--spawn", "./server --listen {listen}"])
        self.assertEqual(self.runner.annotations(), [])

    def test_every_output_of_the_action_is_one_of_the_script(self):
        named = set(re.findall(r"steps\.suite\.outputs\.([a-z-]+)", self.runner.text))
        self.assertEqual(named, {"verdict", "exit-code", *conformance.FILES})

    def test_a_failed_run_fails_the_action_with_its_code(self):
        self.assertEqual(self.run_action(document(case("one")), code=1, endpoint="http://a:1"), 1)
        self.assertEqual(self.runner.outputs["suite.verdict"], "not_conformant")

    def test_a_suite_that_a_signal_ended_has_the_code_of_a_shell(self):
        self.assertEqual(self.run_action(code="killed", endpoint="http://a:1"), 137)
        self.assertEqual(self.run_action(code="killed", endpoint="http://a:1", fail="false"), 0)

    def test_with_fail_false_the_outputs_decide(self):
        self.assertEqual(self.run_action(document(case("one")), code=1, endpoint="http://a:1", fail="false"), 0)
        self.assertEqual(self.runner.outputs["suite.exit-code"], "1")

    def test_a_run_without_a_report_is_an_annotation_with_the_error(self):
        self.assertEqual(self.run_action(None, code=3, endpoint="http://a:1"), 3)
        annotation = "::error title=Conformance%3A there is no server to test::the server refused"
        self.assertEqual(self.runner.annotations(), [annotation])
        self.assertIn("## Conformance: there is no server to test\n\n```text\nthe server refused", self.runner.summary)

    def test_a_report_of_an_earlier_run_is_not_taken_for_one_of_this(self):
        self.assertEqual(self.run_action(document(), endpoint="http://a:1"), 0)
        self.assertEqual(self.run_action(None, code=3, endpoint="http://a:1"), 3)
        self.assertEqual(self.runner.outputs["suite.verdict"], "no_report")

    def test_one_of_endpoint_and_command_is_required(self):
        for inputs, found in (({}, "neither is given"), ({"endpoint": "a", "command": "b"}, "both are given")):
            self.runner = Runner(self.folder)
            self.assertEqual(self.run_action(document(), **inputs), 2)
            expected = f"::error title=Prism conformance::endpoint, command: {found}; exactly one of them is allowed"
            self.assertEqual(self.runner.annotations(), [expected])

    def test_a_binary_that_does_not_exist_is_named(self):
        self.assertEqual(self.runner.run(binary="nowhere", endpoint="http://a:1"), 2)
        self.assertEqual(self.runner.annotations(), ["::error title=Prism conformance::binary: nowhere is not an executable file"])


class Reports(unittest.TestCase):
    """Summary and annotations of a report."""

    def test_failures_of_a_group_are_one_annotation(self):
        group = {"likely_cause": "PutForgets: it forgets.", "rules": ["PUT-1", "PUT-2"], "shown": "put::b", "cases": ["put::a", "put::b"]}
        found = report.annotations(document(case("a"), case("b"), case("c"), groups=[group]), 1, "")
        self.assertEqual(found, [
            "::error title=put%3A%3Ab (PUT-1%2C PUT-2)::A title.%0Aexpected: OK%0Aactual: NOT_FOUND%0Alikely cause: PutForgets: it "
            "forgets.%0Aand 1 more with the same cause%0Areplay: prism-conformance run --only put::b",
            "::error title=put%3A%3Ac (PUT-1)::A title.%0Aexpected: OK%0Aactual: NOT_FOUND%0Areplay: prism-conformance run --only put::c",
        ])  # fmt: skip

    def test_at_most_ten_annotations_the_last_counts_the_rest(self):
        found = report.annotations(document(*(case(f"c{number}") for number in range(14))), 1, "")
        self.assertEqual(len(found), 10)
        self.assertEqual(found[-1], "::error title=Conformance::5 more in the job summary and in the report")

    def test_a_failed_run_without_failed_cases_is_annotated_with_its_sentence(self):
        found = report.annotations(document(case("a", outcome="passed"), sentence="Incomplete: 50 % ran."), 1, "")
        self.assertEqual(found, ["::error title=Conformance::Incomplete: 50 %25 ran."])

    def test_the_summary_has_counts_causes_and_failed_rules(self):
        text = report.summary(document(case("a", transcript="put ```x", title="A <b> title.")), 1, "")
        for part in (
            "## ❌ 1 failed.\n",
            "| 3 | 1 | 0 | 2 | ci | 1 | 1.2.3 |\n",
            "| put::a | PUT-1 | 1 |  |\n",
            "<details><summary>put::a: A &lt;b&gt; title.</summary>\n\n````text\nput ```x\n\nreplay  ",
            "| PUT-1 | A Put &#124; puts. |\n",
        ):
            self.assertIn(part, text)

    def test_the_summary_of_a_conformant_server_has_no_causes(self):
        text = report.summary(document(case("a", outcome="passed")), 0, "")
        self.assertTrue(text.startswith("## ✅ Conformant.\n"))
        self.assertNotIn("###", text)

    def test_every_member_that_is_read_is_required_by_the_schema(self):
        schema = json.loads((HERE.parents[2] / "docs/report.schema.json").read_text(encoding="utf-8"))
        found = document(case("a"))
        self.assertLessEqual(found.keys(), set(schema["required"]))
        for name in ("counts", "target", "run"):
            self.assertLessEqual(found[name].keys(), set(schema["properties"][name]["required"]))
        self.assertLessEqual(found["cases"][0].keys(), set(schema["$defs"]["case"]["required"]))
        self.assertLessEqual(found["requirements"][0].keys(), set(schema["$defs"]["requirement"]["required"]))


class Real(unittest.TestCase):
    """The steps with the wheel, against prism."""

    @classmethod
    def setUpClass(cls):
        # One folder, so that the environment for the wheel is created once.
        folder = tempfile.TemporaryDirectory(prefix="prism-action-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)

    def run_action(self, **inputs):
        runner = Runner(self.folder)
        environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(Path(WHEELS).resolve())}
        return runner, runner.run(environment, **inputs)

    def test_a_conformant_server_is_proved_by_the_installed_wheel(self):
        prism = shlex.quote(str(Path(PRISM).resolve()))
        runner, code = self.run_action(command=f"{prism} serve", only="put", budget="quick")
        self.assertEqual(code, 0, runner.printed)
        self.assertEqual(runner.outputs["install.binary"], f"{self.folder}/prism-conformance/bin/prism-conformance")
        self.assertEqual(runner.outputs["suite.verdict"], "partial")
        written = {kind: self.folder / runner.outputs[f"suite.{kind}"] for kind in ("json", "html", "junit", "badge")}
        self.assertTrue(all(path.stat().st_size for path in written.values()), written)
        self.assertIn("## ✅ ", runner.summary)
        self.assertEqual(runner.annotations(), [])

    def test_a_server_that_does_not_start_is_an_annotation(self):
        runner, code = self.run_action(command="false", budget="quick")
        self.assertEqual(code, 3, runner.printed)
        self.assertEqual(runner.outputs["suite.verdict"], "no_report")
        self.assertIn("there is no server to test::", runner.annotations()[0])

    def test_a_version_that_does_not_exist_fails_the_installation(self):
        runner, code = self.run_action(command="false", version="99.0.0")
        self.assertEqual(code, 1, runner.printed)
        self.assertIn("::error title=Prism conformance::prism-conformance==99.0.0 cannot be installed", runner.printed)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: test_action.py PRISM WHEELS")
    PRISM, WHEELS = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
