"""Who accesses what: bus masters, and the fault an access ends with."""

from __future__ import annotations

import enum


class Master(enum.Enum):
    """A bus master. AP0 and AP3 enter through their core and are taken for it by the peripherals."""

    CM7 = "cm7"
    CM4 = "cm4"
    AP0 = "ap0"
    AP1 = "ap1"
    AP2 = "ap2"
    AP3 = "ap3"
    DMA1 = "dma1"
    DMA2 = "dma2"
    BDMA = "bdma"
    MDMA = "mdma"

    core: str | None
    """``"cm7"`` or ``"cm4"``: whose bank of a core-banked register is meant; None for AP1, AP2 and the DMAs."""

    reach: str
    """Flag of `pytest_h7.chip.memory.Memory` that says which memories it reaches: those of the DMAs in D1 and D2
    are the same as the CM7's and the CM4's, those of BDMA the same as AP1's (RM0399 table 2)."""

    is_core: bool
    """Whether a core itself accesses, not the debugger."""

    is_debugger: bool
    """Whether an access port accesses."""


_CORE = {Master.CM7: "cm7", Master.AP0: "cm7", Master.CM4: "cm4", Master.AP3: "cm4"}
_REACH = {Master.DMA1: "cm4", Master.DMA2: "cm4", Master.MDMA: "cm7"}

for _master in Master:
    _master.core = _CORE.get(_master)
    _master.is_core = _master in (Master.CM7, Master.CM4)
    _master.is_debugger = _master.value.startswith("ap")
    _master.reach = _REACH.get(_master, _master.core or "ap1")


class BusFault(Exception):
    """The bus answered with an error: reserved address, wrong access size, protected memory."""

    def __init__(self, address: int) -> None:
        super().__init__(f"bus error at 0x{address:08X}")
        self.address = address


class BusStalled(Exception):
    """The access waits on the bus: flash is busy."""
