"""Measures how long firmware's accesses to the registers of peripherals take."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from compiling import for_virtual_board
from measure import Figures, powered, variable

if TYPE_CHECKING:
    from pytest_h7.board.images import Image
    from pytest_h7.twin.board import VirtualBoard

MOVES_A_PIN = "move_gpio_pin"
LOOPS = (
    "read_gpio_idr",
    "read_gpio_odr",
    "write_gpio_odr",
    "read_rcc_cr",
    "read_rcc_ahb4enr",
    "read_hsem_r0",
    "write_hsem_r0",
    "read_tim2_arr",
    "read_usart3_isr",
    "read_dcmi_cwsize",
    "write_dcmi_cwsize",
)
"""Loops of ``programs/access.c`` whose accesses start nothing; DCMI is a peripheral without a model."""

_ACCESSES = 1000
"""In one turn of a loop."""

_WINDOW = 0.001
"""Board time in seconds over which turns are counted; the core runs at 64 MHz."""

_WINDOWS = 20


def mmio_access() -> Figures:
    """Measure an access of the CM7 to a register, by the slowest of `LOOPS`, and one that moves a pin."""
    seconds = seconds_per_access(*LOOPS, MOVES_A_PIN)
    return {
        "mmio_access_us": 1e6 * max(seconds[loop] for loop in LOOPS),
        "mmio_pin_move_us": 1e6 * seconds[MOVES_A_PIN],
    }


def seconds_per_access(*loops: str) -> dict[str, float]:
    """Return the processor time that an access of each loop takes, without the loop around it.

    Raises:
        RuntimeError: the core does not get through a loop.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = for_virtual_board(Path(folder), "access").cm7
        board = powered([image])
        board.sleep(_WINDOW)
        empty = _seconds_per_turn(board, image, "nothing")
        return {loop: (_seconds_per_turn(board, image, loop) - empty) / _ACCESSES for loop in loops}


def _seconds_per_turn(board: VirtualBoard, image: Image, loop: str) -> float:
    from pytest_h7.twin.bus import Master

    board.mcu.write(image.symbol("loop"), 4, image.symbol(loop) | 1, Master.CM7)
    board.sleep(_WINDOW)
    times = []
    for _ in range(_WINDOWS):
        before, start = variable(board, image, "turns"), time.process_time()
        board.sleep(_WINDOW)
        duration, turns = time.process_time() - start, variable(board, image, "turns") - before
        if not turns:
            raise RuntimeError(f"the core does not get through {loop}")
        times.append(duration / turns)
    return min(times)
