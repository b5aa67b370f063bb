"""Compares what became of each test in two JUnit XML files, with its board time, transfers and whatever else is
recorded of it; used by ci/determinism and ci/soak.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

Result = dict[str, str]
"""Of a test: its outcome, and the properties whose names begin with ``h7_``."""

_NOT_PASSED = ("failure", "error", "skipped")


def results(report: Path) -> dict[str, Result]:
    """Return the result of each test, by the test's name."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        result = {"outcome": next((entry.tag for entry in case if entry.tag in _NOT_PASSED), "passed")}
        for entry in case.iter("property"):
            if entry.attrib["name"].startswith("h7_"):
                result[entry.attrib["name"]] = entry.attrib["value"]
        found[f"{case.attrib['classname']}.{case.attrib['name']}"] = result
    return found


def differences(first: dict[str, Result], second: dict[str, Result]) -> list[str]:
    """Return a line for each test that is not the same in both runs."""
    lines = []
    for test in sorted({*first, *second}):
        one, other = first.get(test, {}), second.get(test, {})
        different = [
            f"{name} {one.get(name)} and {other.get(name)}"
            for name in sorted({*one, *other})
            if one.get(name) != other.get(name)
        ]
        if different:
            lines.append(f"{test}: {', '.join(different)}")
    return lines


def main(first: Path, second: Path) -> int:
    """Print the comparison; return 1 if the runs differ or have recorded nothing."""
    runs = results(first), results(second)
    if all(result.keys() == {"outcome"} for run in runs for result in run.values()):
        sys.stdout.write("Neither run has recorded board times.\n")
        return 1
    different = differences(*runs)
    for line in different:
        sys.stdout.write(f"{line}\n")
    total = sum(float(result.get("h7_board_time_s", 0)) for result in runs[0].values())
    sys.stdout.write(f"{len(runs[0])} tests, {total:.6f} s of board time: {len(different)} differ.\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
