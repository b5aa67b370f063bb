"""What a JUnit XML file of pytest says: each test with its outcome, and what the plugin has recorded of it."""

from __future__ import annotations

import enum
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

from pytest_h7.errors import H7Error


class Outcome(enum.Enum):
    """What became of a test; an error is a failure outside of the test's own code."""

    PASSED = "passed"
    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One test of a run.

    Attributes:
        name: Module, class and function, with a dot between them.
        outcome: What became of it.
        message: Why it has failed or was skipped, as pytest has it; can have several lines.
        seconds: Wall-clock time.
        recorded: What was recorded of it, such as ``h7_board``: names and values, in order.
    """

    name: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0
    recorded: list[tuple[str, str]] = field(default_factory=list)

    @property
    def properties(self) -> dict[str, str]:
        """What was recorded of it by name, the last of each."""
        return dict(self.recorded)

    @property
    def is_failure(self) -> bool:
        """Whether it has failed, in its own code or around it."""
        return self.outcome in (Outcome.FAILED, Outcome.ERROR)


def read_junit(path: Path) -> list[Case]:
    """Return the tests of a file in the order of the run.

    Raises:
        H7Error: it cannot be read, or is no JUnit XML.
    """
    try:
        root = ET.parse(path).getroot()
    except OSError as error:
        raise H7Error(f"There is no report of the run at {path}: {error.strerror}.") from None
    except ET.ParseError as error:
        raise H7Error(f"The report {path} is no JUnit XML: {error}.") from None
    if root.tag not in ("testsuites", "testsuite"):
        raise H7Error(f"The report {path} is no JUnit XML: it begins with <{root.tag}>.")
    try:
        # A test that was interrupted has an entry without a name.
        return [_case(element) for element in root.iter("testcase") if element.get("name")]
    except (KeyError, ValueError) as error:
        raise H7Error(f"The report {path} is no JUnit XML of pytest: {error}.") from None


def _case(element: ET.Element) -> Case:
    name = ".".join(filter(None, (element.get("classname"), element.attrib["name"])))
    recorded = [
        (entry.attrib["name"], entry.attrib["value"]) for entry in element.iterfind("properties/property")
    ]
    outcome, message = Outcome.PASSED, ""
    for kind in (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED):
        found = element.find(kind.value)
        if found is not None:
            outcome, message = kind, _message(found)
            break
    return Case(name, outcome, message, float(element.get("time", "0")), recorded)


def _message(element: ET.Element) -> str:
    """What a module raises while it is collected is in the text only, behind an E as everywhere in pytest."""
    message = element.get("message", "")
    if message != "collection failure":
        return message
    raised = [line[1:].strip() for line in (element.text or "").splitlines() if line.startswith("E ")]
    return raised[-1] if raised else message
