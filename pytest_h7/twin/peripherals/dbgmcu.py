"""DBGMCU: device id, and what the debugger keeps clocked and frozen (RM0399 section 63.5.8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_FREEZES = {"cm7": "FZ1", "cm4": "FZ2"}
"""End of the names of the registers that say what stops while a core is halted."""


class Dbgmcu(Peripheral):
    """The debug configuration. Only a power-on reset clears it: NRST and SYSRESETREQ do not."""

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "DBGMCU")
        for name in self.map.registers:
            if "FZ" in name:
                self.model(name, writer=partial(self._write_freeze, name))
        self._freeze_bits = {
            (core, field.name.removeprefix("DBG_")): (name, field.mask)
            for name, register in self.map.registers.items()
            for core, suffix in _FREEZES.items()
            if name.endswith(suffix)
            for field in register.fields.values()
        }

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"IDCODE"})

    def write_CR(self, value: int, master: Master) -> None:
        self["CR"] = value & self.implemented("CR")
        self.mcu.debug_clocks_changed()

    def _write_freeze(self, register: str, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)
        self.mcu.debug_clocks_changed()

    def freezes(self, core: str) -> bool:
        """Return whether anything stops while a core is halted."""
        return any(self[name] for name in self.map.registers if name.endswith(_FREEZES[core]))

    def frozen(self, peripheral: str) -> bool:
        """Return whether a peripheral stops now, because a core is halted: ``frozen("IWDG1")``.

        Each core has a bit of its own for each peripheral, whichever core uses it (RM0399 63.5.8).
        """
        for core in _FREEZES:
            name, mask = self._freeze_bits[core, peripheral]
            if self[name] & mask and self.mcu.cores[core].halted:
                return True
        return False

    def reset(self) -> None:
        """Keep everything: a system reset does not reach DBGMCU."""

    def power_on_reset(self) -> None:
        """Clear everything."""
        self.load_reset_values()
        self.mcu.debug_clocks_changed()
