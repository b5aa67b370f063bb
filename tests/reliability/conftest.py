"""Tests that let things go wrong at every moment: a sample of the cases, or all of them with ``--every-case``."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

Case = TypeVar("Case")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-case", action="store_true", help="all cases of the reliability tests, which takes long"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were injected into the main job, and what has come of them."""
    counts = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "every_transfer"
    ]
    if counts:
        passed, reported = map(sum, zip(*counts, strict=True))
        terminalreporter.write_line(
            f"every transfer, every fault: {passed + reported} cases, {passed} passed after a retry, "
            f"{reported} reported, nothing else"
        )


@pytest.fixture
def choose(request: pytest.FixtureRequest) -> Callable[[Sequence[Case], int], list[Case]]:
    """Return the cases to be tried: so many by chance, another choice each time, or all."""

    def choose(cases: Sequence[Case], count: int) -> list[Case]:
        if request.config.getoption("every_case", default=False):
            return list(cases)
        return random.Random().sample(cases, min(count, len(cases)))

    return choose
