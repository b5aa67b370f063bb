"""Each kind of fault at each transfer of the main job: it is survived or reported, and the next run passes.

``ci/reliability`` tries all of them and prints how many there were. What may come out is in `judge`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence

import pytest
from main_job import FIRST, SECOND, Desk, Result

from pytest_h7.twin.faults import ON_THE_LINE, Fault

PARTS = 12
"""Tests that all cases are divided into, so that several processes can share them."""

SAMPLE = 2
"""Cases of each part that are tried unless all are."""

OUTCOME = "every_transfer"
"""Property of a report: the kind of a fault and what has come of it, for each case."""

SHOWN = 5
"""Cases that a failure shows whole."""

LASTING = frozenset((Fault.PROBE_GONE, Fault.NRST_STUCK, Fault.POWER_CUT))
"""Faults that are not over before somebody has been at the desk."""

LONGEST_WALL_TIME, LONGEST_DELAY = 60.0, 10.0
"""Seconds that a run may take, and of board time that it may take more than without a fault."""

Case = tuple[Fault, int]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a board, in whose flash there is other firmware."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    with desk.set_up():
        desk.prepare()
        # Each run collects garbage, and need not look at all that was imported.
        gc.collect()
        gc.freeze()
        yield desk
        gc.unfreeze()


@pytest.fixture(scope="session")
def undisturbed(desk: Desk) -> Result:
    desk.new_board()
    result = desk.run()
    assert result.has_passed, result.output
    return result


@pytest.fixture(scope="session")
def cases(desk: Desk) -> list[Case]:
    """Every kind of fault at every transfer of the first test, connecting and disconnecting included."""
    desk.new_board()
    count = desk.run(None, 0, "-k", FIRST).transfers
    return [(fault, transfer) for transfer in range(count) for fault in Fault]


def judge(fault: Fault, first: Result, following: Result, undisturbed: Result) -> list[str]:
    """Return what must not have come out: of the run with the fault, and of the one after it."""
    wrong = []
    if not (first.has_passed or first.is_reported):
        wrong.append(f"it ended with exit code {first.exit_code} and {first.errors}")
    if fault in ON_THE_LINE and not first.has_passed:
        wrong.append("it was not tried again")
    if fault not in LASTING and {FIRST, SECOND} <= first.errors.keys():
        wrong.append("the test after it failed, too")
    for result in (first, following):
        if result.noise:
            wrong.append(f"{result.noise!r} was printed")
        if result.in_the_way:
            wrong.append(result.in_the_way)
        if result.wall_time > LONGEST_WALL_TIME:
            wrong.append(f"it took {result.wall_time:.1f} s")
        if result.board_time > undisturbed.board_time + LONGEST_DELAY:
            wrong.append(f"it took {result.board_time:.1f} s of board time")
    if not following.has_passed:
        wrong.append("the next run failed")
    return wrong


@pytest.mark.parametrize("part", range(PARTS))
def test_every_fault_at_every_transfer(
    desk: Desk,
    undisturbed: Result,
    cases: list[Case],
    choose: Callable[[Sequence[Case], int], list[Case]],
    part: int,
    record_property: Callable[[str, object], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong: list[str] = []
    for fault, transfer in choose(cases[part::PARTS], SAMPLE):
        caplog.clear()  # what has been logged keeps the boards of earlier runs
        desk.new_board()
        first, following = desk.run(fault, transfer), desk.run()
        found = judge(fault, first, following, undisturbed)
        outcome = "wrong" if found else "passed after a retry" if first.has_passed else "reported"
        record_property(OUTCOME, [fault.value, outcome])
        if found:
            wrong.append(
                f"{fault.name} at transfer {transfer}: {'; '.join(found)}.\n"
                f"{first.output}\nThe next run:\n{following.output}"
            )
    assert not wrong, "\n\n".join([f"{len(wrong)} cases", *wrong[:SHOWN]])
