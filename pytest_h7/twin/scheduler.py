"""Runs both cores on one board time: in quanta while both execute, in jumps while they sleep.

Each core has a clock of its own. The core that runs first in a slice is at most one quantum ahead of the
other; what happens when is decided by board time and the order CM7, CM4 alone, so that a run repeats to the
cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.twin.cpu._native import NativeBoard
from pytest_h7.twin.timeline import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_h7.twin.cpu import Core

QUANTUM_CYCLES = 1000
"""Cycles of the faster core in a slice while both run. Firmware polls the other core's state in counted
loops of 65535 turns, which a quantum has to be far shorter than."""


SchedulerState = tuple[bytes, list[tuple[Event, Callable[[], None], int, int]]]
"""Clocks, and the events to come."""


class Scheduler(NativeBoard):
    """The board's time and the loop that advances it."""

    def __init__(self, cores: Sequence[Core]) -> None:
        super().__init__(*cores)
