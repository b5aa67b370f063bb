"""A run in Markdown: the verdict, the boards, the failures with their one sentence, the figures.

It is made from what pytest has written (JUnit XML), so that it says the same of a run on a board, on a virtual
one, and by many processes.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_h7 import errors
from pytest_h7.bench_time import BENCH, FIRMWARE, TIME, TRANSFERS
from pytest_h7.release.baseline import Figure, figures_of
from pytest_h7.release.junit import Case, Outcome
from pytest_h7.release.markdown import code_block, table, text

LARGEST = 1_000_000
"""Bytes of a summary at most: GitHub takes 1 MiB from each step, and nothing at all beyond."""

_LOG_LINES = 30
"""The last of what pytest has printed, where it says more than its report."""

_PREFIX = f"{errors.__name__}."

_EXIT_CODES = {
    2: "the run was interrupted",
    3: "pytest has failed itself",
    4: "pytest could not start the tests",
    5: "no test was selected",
}
"""What an exit code of pytest beyond 0 and 1 means (pytest.ExitCode)."""


class Verdict(enum.Enum):
    """What can be said of the firmware; the value is what a script hears, see `exit_code`."""

    PASSED = "passed"
    FAILED = "failed"
    NONE = "none"

    @property
    def exit_code(self) -> int:
        """Return 0 for passed, 1 for failed, and 2 where the run says nothing about the firmware."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Failure:
    """A test that has failed.

    Attributes:
        test: Its name.
        failure_class: Who has to look at it: ``"firmware"``, ``"infrastructure"`` or ``"test"``.
        sentence: What has happened.
        evidence: Where its evidence is; empty if there is none.
    """

    test: str
    failure_class: str
    sentence: str
    evidence: str

    @classmethod
    def of(cls, case: Case) -> Failure:
        """Return what the plugin has recorded of a test, else what can be read from its message."""
        first = next((line.strip() for line in case.message.splitlines() if line.strip()), "no message")
        name, colon, said = first.removeprefix(_PREFIX).partition(": ")
        known = getattr(errors, name, None) if first.startswith(_PREFIX) and colon else None
        found = "test"
        if isinstance(known, type) and issubclass(known, errors.InfrastructureError):
            found = "infrastructure"
        elif isinstance(known, type) and issubclass(known, errors.FirmwareError):
            found = "firmware"
        recorded = case.properties
        return cls(
            case.name,
            recorded.get("h7_failure_class", found),
            recorded.get("h7_failure") or (said if known is not None else first),
            recorded.get("h7_evidence", ""),
        )


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Args:
        cases: Its tests.
        exit_code: That of pytest; None if nobody knows.
        log: What pytest has printed; empty if nobody has kept it.
        trouble: Why there is no report; empty if there is one.
    """

    cases: Sequence[Case]
    exit_code: int | None = None
    log: str = ""
    trouble: str = ""

    @property
    def failures(self) -> list[Failure]:
        """Return the tests that have failed."""
        return [Failure.of(case) for case in self.cases if case.is_failure]

    def judge(self) -> tuple[Verdict, str]:
        """Return the verdict and, unless it speaks for itself, its reason.

        A firmware has not passed if no test has, and not failed if only the bench has.
        """
        failures = self.failures
        to_blame = [failure for failure in failures if failure.failure_class != "infrastructure"]
        if to_blame:
            return Verdict.FAILED, ""
        if self.exit_code in _EXIT_CODES:
            return Verdict.NONE, f"{_EXIT_CODES[self.exit_code]}."
        if self.trouble:
            return Verdict.NONE, self.trouble
        if failures:
            return Verdict.NONE, "the bench has failed, not the firmware."
        if self.exit_code == 1:
            return Verdict.FAILED, "pytest reports a failure outside of the tests."
        if self.exit_code not in (0, None):
            return Verdict.NONE, f"pytest has ended with exit code {self.exit_code}."
        if not any(case.outcome is Outcome.PASSED for case in self.cases):
            return Verdict.NONE, "no test has run."
        return Verdict.PASSED, ""


def summarize(run: Run, title: str = "pytest-h7") -> str:
    """Return the summary of a run in Markdown, of at most `LARGEST` bytes."""
    verdict, reason = run.judge()
    said = "no verdict" if verdict is Verdict.NONE else verdict.value
    page = _Page(LARGEST)
    page.add([f"## {text(title)}: {said}", ""])
    if reason:
        page.add([f"{text(reason[:1].upper() + reason[1:], 2000)}", ""])
    if run.cases:
        page.add([_counts(run.cases), ""])
    page.add(_boards(run.cases))
    page.add(_set_aside(run.log))
    page.add_table("Failures", ["test", "class", "what happened", "evidence"], _failure_rows(run))
    page.add_table("Figures", ["figure", "value", "test"], _figure_rows(run.cases))
    if reason and run.log:
        block = code_block("\n".join(run.log.splitlines()[-_LOG_LINES:]))
        page.add(["What pytest said last:", "", *block, ""])
    return page.text


class _Page:
    """Lines of Markdown, as many as there is room for."""

    def __init__(self, room: int) -> None:
        self._lines: list[str] = []
        self._room = room - 200  # for the sentences about what is left out

    @property
    def text(self) -> str:
        return "\n".join(self._lines).rstrip() + "\n"

    def add(self, lines: Iterable[str]) -> bool:
        """Add lines if there is room for all of them."""
        lines = list(lines)
        size = sum(len(line.encode()) + 1 for line in lines)
        if size > self._room:
            return False
        self._room -= size
        self._lines += lines
        return True

    def add_table(self, heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table with as many rows as there is room for."""
        if not rows or not self.add([f"### {heading}", "", *table(columns, [])]):
            return
        for number, row in enumerate(rows):
            if not self.add(table(columns, [row])[2:]):
                self._lines += ["", f"and {len(rows) - number} more, which are in the JUnit file."]
                break
        self._lines.append("")


def _counts(cases: Sequence[Case]) -> str:
    count = Counter("failed" if case.is_failure else case.outcome.value for case in cases)
    parts = [f"{count[name]} {name}" for name in ("passed", "failed", "skipped") if count[name]]
    costs = [f"{_total(cases, lambda case: case.seconds):.1f} s"]
    if any(TIME in case.properties for case in cases):
        board_time = _total(cases, lambda case: float(case.properties.get(TIME, 0)))
        transfers = _total(cases, lambda case: float(case.properties.get(TRANSFERS, 0)))
        costs.append(f"{board_time:.3f} s of board time in {transfers:.0f} transfers")
    return f"**{', '.join(parts)}** in {'; '.join(costs)}."


def _total(cases: Iterable[Case], value: Callable[[Case], float]) -> float:
    def number(case: Case) -> float:
        try:
            return value(case)
        except ValueError:  # a test can record what it likes
            return 0.0

    return sum(map(number, cases))


def _boards(cases: Iterable[Case]) -> list[str]:
    """Return a table of the boards, with what ran on each."""
    tests: Counter[tuple[str, str]] = Counter()
    for case in cases:
        board = case.properties.get(BENCH)
        if board is not None:
            tests[board, case.properties.get(FIRMWARE, "none flashed")] += 1
    if not tests:
        return []
    rows = [(text(board), text(images), str(count)) for (board, images), count in sorted(tests.items())]
    return [*table(["board", "firmware", "tests"], rows), ""]


def _set_aside(log: str) -> list[str]:
    """Return what pytest has said of boards that have failed, see ``--h7-boards``; its report does not have it."""
    said = re.findall(r"^(?:gw\d+ )?h7: (board .+ was set aside: .+)$", log, re.MULTILINE)
    return [*(f"- {text(line[:1].upper() + line[1:])}" for line in said), ""] if said else []


def _failure_rows(run: Run) -> list[tuple[str, ...]]:
    return [
        (text(failure.test), text(failure.failure_class), text(failure.sentence), text(failure.evidence))
        for failure in run.failures
    ]


def _figure_rows(cases: Iterable[Case]) -> list[tuple[str, ...]]:
    return [
        (text(figure.name), text(f"{figure.value:g} {figure.unit}"), text(case.name))
        for case in cases
        for figure in _figures(case)
    ]


def _figures(case: Case) -> list[Figure]:
    try:
        return figures_of(case.recorded)
    except ValueError:  # as above
        return []
