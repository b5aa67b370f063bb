"""A preemptive kernel on each core: tasks with floating point, critical sections, mail between the cores."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]


def test_tasks_of_both_cores(start_program: Start) -> None:
    program = start_program("preemptive_tasks")
    edges = program.edges("PB0")
    program.run(ms=102)
    assert [program.variable(core, "ticks") for core in ("cm7", "cm4")] == [pytest.approx(101, abs=1)] * 2
    assert program.variable("cm7", "sent") == program.variable("cm4", "received") == 20
    assert program.variable("cm4", "total") == sum(range(21))
    assert [program.variable(core, "wrong") for core in ("cm7", "cm4")] == [0, 0]
    assert program.variable("cm7", "sums") > 500
    assert all(program.variable("cm4", "turns", index) > 5_000 for index in (0, 1))
    assert all(program.variable(core, "switches") > 100 for core in ("cm7", "cm4"))
    periods = [(after - before) / PS_PER_MS for (before, _), (after, _) in itertools.pairwise(edges)]
    assert periods == [pytest.approx(10, abs=0.01)] * 9
