"""Measures a day in which both cores are stopped but for what the RTC wakes them up for."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from compiling import example
from measure import Figures, powered, variable

_DAY = 86_400
_START = 1.0
"""Board time in seconds after which the external oscillator runs and the cores have stopped."""


def day_of_board_time() -> Figures:
    """Measure 86400 seconds of ``tests/twin/programs/rtc_wake_up``, in processor time.

    The system is in Stop; the CM7 comes out of it each second, the CM4 each minute.

    Raises:
        RuntimeError: the cores have not woken up as often as they should.
    """
    with tempfile.TemporaryDirectory() as folder:
        pair = example(Path(folder), "rtc_wake_up")
        board = powered(pair)

        def counts() -> tuple[int, int]:
            return variable(board, pair.cm7, "seconds"), variable(board, pair.cm4, "minutes")

        board.sleep(_START)
        before, start = counts(), time.process_time()
        board.sleep(_DAY)
        duration = time.process_time() - start
        counted = tuple(after - earlier for after, earlier in zip(counts(), before, strict=True))
    if counted != (_DAY, _DAY // 60):
        raise RuntimeError(f"the cores have counted {counted} (seconds, minutes) in a day")
    return {"day_of_board_time_s": duration}
