"""Measures a second in which the cores of the virtual board wait, at 400 and 200 MHz, in one of three ways."""

from __future__ import annotations

import tempfile
import time
from functools import cache
from pathlib import Path

from compiling import for_virtual_board
from measure import Figures, powered, variable

LEVELS = ("-O0", "-O2")
"""How a program is compiled makes loops of different length and with different accesses."""

CORES_HZ = {"cm7": 400_000_000, "cm4": 200_000_000}
_TICKS = {"IDLE": 1000, "BUSY_WAIT": 1000, "FOREVER_LOOP": 0}
_SECONDS = 6
_START = 0.1
"""Board time in seconds after which the clocks are set."""


def busy_wait_second() -> Figures:
    """Measure a second in which both cores poll what SysTick counts at 1 kHz, compiled with -O0 or -O2."""
    return {"busy_wait_second_ms": 1e3 * max(second("BUSY_WAIT", level) for level in LEVELS)}


def forever_loop_second() -> Figures:
    """Measure a second in which both cores are in ``while (1);``."""
    return {"forever_loop_second_ms": 1e3 * second("FOREVER_LOOP")}


@cache
def second(way: str, level: str = "-O2", cores: tuple[str, ...] = ("cm7", "cm4")) -> float:
    """Return the processor time, in seconds, of a second of board time in which these cores wait.

    Args:
        way: of ``programs/wait.c``.
        level: of optimisation.
        cores: of the others, the flash is empty; they are locked up.

    Raises:
        RuntimeError: a core has not counted exactly 1000 ticks in each second, or has not the clock it is to have.
    """
    with tempfile.TemporaryDirectory() as folder:
        pair = for_virtual_board(Path(folder), "wait", f"-DWAY={way}", level)
        images = [getattr(pair, core) for core in cores]
        board = powered(images)
        board.sleep(_START)

        def counts() -> list[tuple[int, int]]:
            return [(variable(board, image, "ticks"), board.mcu.cores[image.core].cycles) for image in images]

        times = []
        for _ in range(_SECONDS):
            before, start = counts(), time.process_time()
            board.sleep(1.0)
            times.append(time.process_time() - start)
            counted = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, counts(), strict=True)]
            if counted != [(_TICKS[way], CORES_HZ[core]) for core in cores]:
                raise RuntimeError(f"a second of {way}, {level}, has {counted} (ticks, cycles) of {cores}")
    return min(times)
