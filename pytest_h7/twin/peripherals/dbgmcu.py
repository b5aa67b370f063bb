"""DBGMCU: device id, and what the debugger keeps clocked and frozen (RM0399 section 63.5.8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu


class Dbgmcu(Peripheral):
    """The debug configuration. Only a power-on reset clears it: NRST and SYSRESETREQ do not."""

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "DBGMCU")
        for name in self.map.registers:
            if "FZ" in name:
                self.model(name, writer=partial(self._write_freeze, name))

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"IDCODE"})

    def write_CR(self, value: int, master: Master) -> None:
        self["CR"] = value & self.implemented("CR")
        self.mcu.debug_clocks_changed()

    def _write_freeze(self, register: str, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)

    def reset(self) -> None:
        """Keep everything: a system reset does not reach DBGMCU."""

    def power_on_reset(self) -> None:
        """Clear everything."""
        self.load_reset_values()
        self.mcu.debug_clocks_changed()
