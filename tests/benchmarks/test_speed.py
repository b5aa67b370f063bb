"""What would make the virtual board a hundred times slower, and nothing else would show."""

from __future__ import annotations

import time
from collections.abc import Callable

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
