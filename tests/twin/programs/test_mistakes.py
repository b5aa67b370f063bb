"""Programs whose cores are in each other's way, or against the rules: what comes of it."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

LINES = ["this is CM7\r\n", "and this is CM4\r\n"]
EACH = 8


def test_lines_of_two_cores_on_one_port_are_whole_under_a_semaphore(start_program: Start) -> None:
    program = start_program("shared_serial")
    program.run(ms=150)
    assert Counter(program.console.splitlines(keepends=True)) == dict.fromkeys(LINES, EACH)


def test_lines_of_two_cores_on_one_port_mix_without(start_program: Start) -> None:
    program = start_program("shared_serial", "-DLOCKED=0")
    program.run(ms=150)
    assert [program.variable(core, "printed") for core in ("cm7", "cm4")] == [EACH, EACH]
    assert not set(program.console.splitlines(keepends=True)) <= set(LINES)


@pytest.mark.parametrize(("flags", "lost"), [((), False), (("-DATOMIC=0",), True)], ids=["BSRR", "ODR"])
def test_two_cores_change_one_port(start_program: Start, flags: tuple[str, ...], lost: bool) -> None:
    program = start_program("shared_port", *flags)
    edges = [program.edges(pin) for pin in ("PE4", "PE5")]
    program.run_until(lambda: all(program.variable(core, "done") for core in ("cm7", "cm4")), ms=50)
    assert (sum(map(len, edges)) != 2 * 2000) is lost
    for seen in edges:
        assert all(before != after for (_, before), (_, after) in itertools.pairwise(seen))


def test_mistakes_of_programming(start_program: Start) -> None:
    program = start_program("flash_mistakes")
    program.expect("while the bank", ms=3_000)
    program.run(ms=10)
    assert program.console.replace("\r\n", "\n") == (
        "without keys errors=2\n  blank=1\n"
        "with the keys of the other bank errors=2\n  blank=1\n"
        "without PG errors=2\n  blank=1\n"
        "while the bank is busy errors=0\n  blank=0\n"
        "wrong key: faults=1\n  locked=1\n"
    )
