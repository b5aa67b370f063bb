"""Tests that let things go wrong at every moment: a sample of the cases, or all of them with ``--every-case``."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard

Case = TypeVar("Case")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-case", action="store_true", help="all cases of the reliability tests, which takes long"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were injected into the main job, and what has come of them, by kind."""
    outcomes = Counter(
        tuple(value)
        for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed"))
        for name, value in report.user_properties
        if name == "every_transfer" and report.when == "call"
    )
    if not outcomes:
        return
    write = terminalreporter.write_line
    write(f"every transfer, every fault: {_counts(outcomes)}")
    for fault in dict.fromkeys(fault for fault, _ in outcomes):
        write(f"  {fault}: {_counts(Counter({key: n for key, n in outcomes.items() if key[0] == fault}))}")


def _counts(outcomes: Counter[tuple[str, str]]) -> str:
    def count(wanted: str) -> int:
        return sum(number for (_, outcome), number in outcomes.items() if outcome == wanted)

    wrong = count("wrong")
    return (
        f"{outcomes.total()} cases, {count('passed after a retry')} passed after a retry, "
        f"{count('reported')} reported, {f'{wrong} WRONG' if wrong else 'nothing else'}"
    )


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> VirtualBoard:
    """A new board, which is that of this process meanwhile."""
    board = VirtualBoard()
    monkeypatch.setattr(twin_board, "_boards", {"": board})
    return board


@pytest.fixture
def choose(request: pytest.FixtureRequest) -> Callable[[Sequence[Case], int], list[Case]]:
    """Return the cases to be tried: so many by chance, another choice each time, or all."""

    def choose(cases: Sequence[Case], count: int) -> list[Case]:
        if request.config.getoption("every_case", default=False):
            return list(cases)
        return random.Random().sample(cases, min(count, len(cases)))

    return choose
