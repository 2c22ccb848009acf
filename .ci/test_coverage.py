#!/usr/bin/env python3
"""The coverage gate, on reports made up for it."""

import importlib.util
import unittest
from pathlib import Path

spec = importlib.util.spec_from_file_location("coverage_gate", Path(__file__).with_name("coverage.py"))
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)

ROOT = Path("/repository")


def report(files: dict[str, tuple[int, int]]) -> dict:
    def summary(covered, count):
        return {"lines": {"covered": covered, "count": count}, "regions": {"covered": covered, "count": count}}

    listed = [{"filename": f"/repository/{name}", "summary": summary(*numbers)} for name, numbers in files.items()]
    return {"data": [{"files": listed}]}


def below(**changed) -> list[str]:
    files = {f"{crate}/src/lib.rs": (96, 100) for crate in gate.CRATES}
    files.update({name.replace("__", "/") + ".rs": numbers for name, numbers in changed.items()})
    return gate.table(gate.measured(report(files), ROOT))[1]


class Gate(unittest.TestCase):
    def test_enough_of_everything_passes(self):
        self.assertEqual(below(), [])

    def test_a_crate_below_its_gate_is_named_though_the_whole_is_enough(self):
        self.assertEqual(
            below(proxy__src__lib=(89, 100), backends__src__more=(1000, 1000)),
            ["proxy: 89.00 % of its lines; at least 90 % are wanted"],
        )

    def test_the_whole_below_its_gate_is_named_though_each_crate_is_enough(self):
        low = {f"{crate}__src__lib": (94, 100) for crate in gate.CRATES}
        self.assertEqual(below(**low), ["all: 94.00 % of the lines; at least 95 % are wanted"])

    def test_generated_code_tests_and_tools_do_not_count(self):
        self.assertEqual(
            below(proto__src__generated__prism=(0, 9000), proxy__tests__all=(0, 9000), xtask__src__main=(0, 9000)), []
        )

    def test_a_crate_of_which_nothing_was_measured_does_not_pass(self):
        crates = gate.measured(report({"proxy/src/lib.rs": (100, 100)}), ROOT)
        self.assertIn("backends: nothing was measured", gate.table(crates)[1])

    def test_the_files_that_lack_most_come_first(self):
        crates = gate.measured(report({"wire/src/a.rs": (9, 10), "wire/src/b.rs": (10, 40)}), ROOT)
        listed = [line.split()[0] for line in gate.table(crates)[0].splitlines() if line.startswith("wire/")]
        self.assertEqual(listed, ["wire/src/b.rs", "wire/src/a.rs"])


if __name__ == "__main__":
    unittest.main()
