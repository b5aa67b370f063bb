"""The start of both cores in the steps of a vendor's library, which polls one flag after the other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

PERIPHERALS = ("RTC", "RNG", "ADC3", "LPTIM1", "IWDG1", "DMA1", "I2C1", "QUADSPI", "USB2_OTG_FS")


@pytest.mark.parametrize("pin", ["PB0", "PE1"])
def test_everything_a_library_waits_for_comes(start_program: Start, pin: str) -> None:
    program = start_program("vendor_start")
    edges = program.edges(pin)
    program.expect("USB2_OTG_FS: .*\r\n", ms=1_000)
    assert program.console.splitlines() == [f"{name}: ready" for name in ("start", *PERIPHERALS)]
    assert [program.mcu.clock_hz(core) for core in ("cm7", "cm4")] == [480_000_000, 240_000_000]
    edges.clear()
    program.run(ms=110)
    periods = [(after - before) / PS_PER_MS for (before, _), (after, _) in itertools.pairwise(edges)]
    assert periods == [pytest.approx(11, abs=0.01)] * 9
    assert not program.mcu.warnings
