"""VREFBUF, the buffer that can supply VREF+ (RM0399 chapter 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_ENVR, _HIZ, _VRR = 1 << 0, 1 << 1, 1 << 3
_VOLTAGES = (2.5, 2.048, 1.8, 1.5)
"""By VRS."""

_START_UP = 300 * PS_PER_US
"""Typical start-up time (DS12919, with 0.5 uF)."""


class Vrefbuf(Peripheral):
    """The voltage reference buffer: it reaches VREF+ where the board leaves that pin to it."""

    def __init__(self, mcu: Mcu) -> None:
        self._start: Event | None = None
        super().__init__(mcu, "VREFBUF")

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"CCR"})

    def reset(self) -> None:
        """Reset by a system reset or by RCC: off."""
        super().reset()
        self._switch(on=False)

    def write_CSR(self, value: int, master: Master) -> None:
        """Write the settings; VRR follows ENVR after the start-up time."""
        before = self["CSR"]
        self["CSR"] = value & self.implemented("CSR") & ~_VRR | before & _VRR
        if (before ^ value) & _ENVR:
            self._switch(on=bool(value & _ENVR))
        self._supply()

    def _switch(self, *, on: bool) -> None:
        if self._start is not None:
            self._start.cancel()
        self._start = self.mcu.schedule(_START_UP, self._started) if on else None
        if not on:
            self["CSR"] &= ~_VRR
        self._supply()

    def _started(self) -> None:
        self._start = None
        self["CSR"] |= _VRR
        self._supply()

    def _supply(self) -> None:
        selection = self.field("CSR", "VRS")
        supplies = self["CSR"] & (_VRR | _HIZ) == _VRR and selection < len(_VOLTAGES)
        self.mcu.analog.internal_reference = _VOLTAGES[selection] if supplies else 0.0
