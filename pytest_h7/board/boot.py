"""The boot contract: in which order the two cores start, and what is broken when they do not.

The order is that of ST's dual-core start-up (AN5361; ``BootCM4_CM7`` of STM32CubeH7): the CM4 goes to sleep in
D2 stop, the CM7 sets the clocks, takes and releases hardware semaphore 0, the CM4 wakes, both run.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.board.core import CoreState
from pytest_h7.board.domains import DomainState
from pytest_h7.chip.registers import peripheral
from pytest_h7.diagnosis.knowledge import KNOWLEDGE, Concern
from pytest_h7.errors import BootContractBroken, FirmwareError, H7Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.board.board import Board
    from pytest_h7.diagnosis.causes import Diagnosis

_CFGR = peripheral("RCC").registers["CFGR"]
_PLL1 = 3
_ALIVE = (CoreState.RUNNING, CoreState.SLEEPING)


class BootStage(enum.Enum):
    """A step of the boot contract that can be seen from outside. The value is a sentence for the report."""

    CM4_STOPPED = "the CM4 sleeps in D2 stop while the CM7 is held at its first instruction"
    CLOCKS_SET = "the CM7 runs the system from PLL1"
    CM4_WOKEN = "the CM7 has released hardware semaphore 0 and D2 runs again"
    AP3_READABLE = "AP3 gives access to the CM4"
    BOTH_ALIVE = "both cores run"


@dataclass(frozen=True)
class BootReport:
    """How the start of both cores went.

    Attributes:
        times: When each stage was seen, in seconds of board time since the CM7 was let go.
        missing: The first stage that was not seen in time, None if all were.
        diagnosis: Why, as far as it can be told; None if all were seen.
    """

    times: dict[BootStage, float]
    missing: BootStage | None = None
    diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        return "\n".join(f"{time * 1e3:8.3f} ms  {stage.value}" for stage, time in self.times.items())


def follow_boot_contract(board: Board, timeout: float) -> BootReport:
    """Reset the board and watch both cores start.

    Args:
        board: The board; it is reset, and both cores run in the end.
        timeout: Board time in seconds for all of it.

    Raises:
        BootContractBroken: a stage was not seen in time; the message names it, and what was.
    """
    __tracebackhide__ = True
    deadline = board.time() + timeout
    board.reset(halt=True)
    times: dict[BootStage, float] = {}
    start = board.time()

    def await_stage(stage: BootStage, seen: Callable[[], bool]) -> None:
        __tracebackhide__ = True
        try:
            board.wait_until(seen, max(deadline - board.time(), 0.0))
        except FirmwareError:
            report = BootReport(times, stage, _why(board))
            raise BootContractBroken(_describe_failure(board, report, timeout), report) from None
        times[stage] = board.time() - start

    await_stage(BootStage.CM4_STOPPED, lambda: board.domains.d2.state is DomainState.STOP)
    board.cm7.resume()
    start = board.time()
    times[BootStage.CM4_STOPPED] = 0.0
    await_stage(BootStage.CLOCKS_SET, lambda: bool(board.registers.RCC.CFGR.SWS == _PLL1))
    await_stage(BootStage.CM4_WOKEN, lambda: board.domains.d2.state is DomainState.RUN)
    await_stage(BootStage.AP3_READABLE, lambda: board.ap[3].readable)
    await_stage(BootStage.BOTH_ALIVE, lambda: all(core.state in _ALIVE for core in (board.cm7, board.cm4)))
    return BootReport(times)


def _why(board: Board) -> Diagnosis | None:
    """Return what keeps the cores from starting, None if nothing shows or the board cannot be asked.

    The CM7 comes first: a CM4 that waits for it is only the consequence.
    """
    try:
        found = [core.explain() for core in board.cores]
    except H7Error:
        return None
    return next((each for each in found if KNOWLEDGE[each.cause].concern is not Concern.NOTHING), None)


def _describe_failure(board: Board, report: BootReport, timeout: float) -> str:
    assert report.missing is not None
    lines = [f"The boot contract broke: within {timeout:g} s it was not seen that {report.missing.value}."]
    lines += [f"Seen: {report}"] if report.times else []
    for core in (board.cm7, board.cm4):
        location = core.location
        lines.append(f"{core.name} is {core.state.value}" + (f" in {location}." if location else "."))
    lines.append(f"AP3: {_explain_port(board)}")
    if report.diagnosis is not None and str(report.diagnosis) not in lines[-1]:
        lines.append(f"Why: {report.diagnosis}")
    return "\n".join(lines)


def _explain_port(board: Board) -> str:
    try:
        return str(board.ap[3].explain())
    except H7Error as error:
        return f"it could not be examined: {error}"
