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

    core: str | None
    """``"cm7"`` or ``"cm4"``: whose bank of a core-banked register is meant; None for AP1 and AP2."""

    is_core: bool
    """Whether a core itself accesses, not the debugger."""


for _master, _core in zip(Master, ("cm7", "cm4", "cm7", None, None, "cm4"), strict=True):
    _master.core = _core
    _master.is_core = _master in (Master.CM7, Master.CM4)


class BusFault(Exception):
    """The bus answered with an error: reserved address, wrong access size, protected memory."""

    def __init__(self, address: int) -> None:
        super().__init__(f"bus error at 0x{address:08X}")
        self.address = address
