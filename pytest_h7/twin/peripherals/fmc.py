"""FMC with nothing connected: commands to SDRAM are over at once (RM0399 chapter 23).

The regions of its memories give a bus error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_NORMAL, _SELF_REFRESH, _POWER_DOWN = 0, 1, 2
_MODES = {0: _NORMAL, 5: _SELF_REFRESH, 6: _POWER_DOWN}
"""Commands that change the mode of a bank (RM0399 chapter 23, SDCMR.MODE)."""


class Fmc(Peripheral):
    """The memory controller."""

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "FMC")

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def write_SDCMR(self, value: int, master: Master) -> None:
        """Send a command to the chosen banks; SDSR shows the mode they are in then."""
        self["SDCMR"] = value & self.implemented("SDCMR")
        mode = _MODES.get(self.field("SDCMR", "MODE"))
        if mode is None:
            return
        for bank, target in ((1, "CTB1"), (2, "CTB2")):
            if self.field("SDCMR", target):
                self["SDSR"] = self.map.registers["SDSR"].fields[f"MODES{bank}"].insert(self["SDSR"], mode)

    def write_SDRTR(self, value: int, master: Master) -> None:
        """Set the refresh timer; CRE clears the error flag, which no bank ever sets."""
        self["SDRTR"] = value & self.implemented("SDRTR") & ~1
