"""FMC with nothing connected: commands to SDRAM are over at once (RM0399 chapter 22). Its memories do not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master

_NORMAL, _SELF_REFRESH, _POWER_DOWN = 0, 1, 2
_MODES = {0: _NORMAL, 5: _SELF_REFRESH, 6: _POWER_DOWN}
"""Commands that change the mode of a bank (RM0399 22.9.5, SDCMR.MODE)."""


class Fmc(Peripheral):
    """The memory controller."""

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
