"""What would make the virtual board a hundred times slower, and nothing else would show."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pytest_h7.chip.registers import peripheral
from pytest_h7.twin.bus import Master
from pytest_h7.twin.interconnect import Way
from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.timeline import PS_PER_MS

STORE_AT_ITS_OWN_OFFSET_IN_DTCM = r"""
void program(void)
{
    __asm volatile("adr r0, loop\n\t"
                   "add r0, #0x18000000\n\t"
                   ".balign 4\n"
                   "loop: str r0, [r0]\n\t"
                   "b loop" ::: "r0", "memory");
}
"""


def test_stores_to_data_are_not_taken_for_changes_of_code(
    make_mcu: Callable[..., Mcu], build_program: Callable[..., object]
) -> None:
    mcu = make_mcu(build_program("cm7", STORE_AT_ITS_OWN_OFFSET_IN_DTCM))
    mcu.run_for(PS_PER_MS)
    core = mcu.cores["cm7"]
    before, start = core.cycles, time.process_time()
    mcu.run_for(2 * PS_PER_MS)
    assert core.running
    assert (core.cycles - before) / (time.process_time() - start) > 4_000_000


POLL_TWO_REGISTERS = """
void program(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;
    for (uint32_t i = 0;; ++i) {
        (void)GPIOB_IDR;
        GPIOB_ODR = i;
    }
}
"""


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_way_to_a_register_is_looked_for_once(
    make_mcu: Callable[..., Mcu],
    build_program: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    core: str,
) -> None:
    mcu = make_mcu(build_program(core, POLL_TWO_REGISTERS))
    looked_for = []
    way = mcu.interconnect.way

    def find(address: int, size: int, master: Master) -> Way | None:
        looked_for.append(address)
        return way(address, size, master)

    monkeypatch.setattr(mcu.interconnect, "way", find)
    mcu.run_for(PS_PER_MS)
    assert mcu.gpio["B"]["ODR"] > 1000
    registers = [("RCC", "AHB4ENR"), ("GPIOB", "IDR"), ("GPIOB", "ODR")]
    assert looked_for == [peripheral(unit).registers[name].address for unit, name in registers]
