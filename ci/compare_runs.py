"""Compares the board time and the transfers of each test in two JUnit XML files; used by ci/determinism."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def costs(report: Path) -> dict[str, dict[str, str]]:
    """Return the recorded h7 properties of each test that has any, by the test's name."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        properties = {
            entry.attrib["name"]: entry.attrib["value"]
            for entry in case.iter("property")
            if entry.attrib["name"].startswith("h7_")
        }
        if properties:
            found[f"{case.attrib['classname']}.{case.attrib['name']}"] = properties
    return found


def differences(first: dict[str, dict[str, str]], second: dict[str, dict[str, str]]) -> list[str]:
    """Return a line for each test that is not the same in both runs."""
    return [
        f"{test}: {first.get(test)} and {second.get(test)}"
        for test in sorted({*first, *second})
        if first.get(test) != second.get(test)
    ]


def main(first: Path, second: Path) -> int:
    """Print the comparison; return 1 if the runs differ or have recorded nothing."""
    runs = costs(first), costs(second)
    if not any(runs):
        sys.stdout.write("Neither run has recorded board times.\n")
        return 1
    different = differences(*runs)
    for line in different:
        sys.stdout.write(f"{line}\n")
    total = sum(float(cost["h7_board_time_s"]) for cost in runs[0].values())
    sys.stdout.write(f"{len(runs[0])} tests, {total:.6f} s of board time: {len(different)} differ.\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
