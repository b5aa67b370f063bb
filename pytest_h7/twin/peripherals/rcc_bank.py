"""One core's bank of RCC (RM0399 9.5.10, 9.7.36)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master

_RMVF = 1 << 16
_WWDG1EN, _WWDG2EN = 1 << 6, 1 << 11
"""The clocks of the window watchdogs, which only a reset takes away (RM0399 9.7.43, 9.7.44)."""


class RccBank(Peripheral):
    """One core's bank: clock enables, low-power clock enables and reset flags."""

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def read_RSR(self, master: Master) -> int:
        return self["RSR"]

    def write_RSR(self, value: int, master: Master) -> None:
        if value & _RMVF:
            self["RSR"] = _RMVF
        else:
            self["RSR"] &= ~_RMVF

    def write_APB3ENR(self, value: int, master: Master) -> None:
        self["APB3ENR"] = value | self["APB3ENR"] & _WWDG1EN

    def write_APB1LENR(self, value: int, master: Master) -> None:
        self["APB1LENR"] = value | self["APB1LENR"] & _WWDG2EN

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        super().write(offset, size, value, master)
        self.mcu.unmap_registers()
        self.mcu.update_domains()

    def reset(self) -> None:
        flags = self["RSR"]
        super().reset()
        self["RSR"] = flags & ~_RMVF
        self.mcu.unmap_registers()
