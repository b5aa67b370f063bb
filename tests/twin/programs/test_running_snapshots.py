"""A snapshot taken while a bus or a converter is busy: from it, the same things happen again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.memory import MEMORIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

PROGRAMS = {
    "spi_dma": [("PB5", "PA6")],
    "spi_two_controllers": [("PA5", "PE12"), ("PA6", "PE13"), ("PB5", "PE14"), ("PG9", "PG12")],
    "i2c_two_controllers": [("PB8", "PF1"), ("PB9", "PF0"), ("PG9", "PG12")],
    "dac_to_adc": [("PA4", "PC0"), ("PG9", "PD1"), ("PD0", "PG12")],
    "adc_continuous_interrupt": [],
    "adc_dma": [],
    "dac_timer_wave": [],
    "fdcan_no_bus": [],
}
"""Programs with the wires they need."""


def outcome(program: RunningProgram) -> list[object]:
    """Return the board time, what the cores have done and what the memories hold."""
    mcu = program.mcu
    memories = [hashlib.sha256(mcu.memory(memory.name)).hexdigest() for memory in MEMORIES]
    return [mcu.now, *memories, *(core.cycles for core in mcu.cores.values())]


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_again(load_program: Callable[..., RunningProgram], name: str) -> None:
    program = load_program(name)
    for one, other in PROGRAMS[name]:
        program.mcu.pins.connect(one, other)
    program.power_on()
    for us in (37, 61, 211, 409, 1009):
        program.run(us=us)
        snapshot = program.board.take_snapshot()
        program.run(ms=1)
        first = outcome(program)
        program.run(ms=0.3)
        program.board.restore(snapshot)
        program.run(ms=1)
        assert outcome(program) == first
