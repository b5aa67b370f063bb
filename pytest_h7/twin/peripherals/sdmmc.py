"""SDMMC1 and SDMMC2 without a card: commands get no response, data never comes (RM0399 chapter 58)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

SDMMCS = ("SDMMC1", "SDMMC2")
_POWER_ON = 3
_CTIMEOUT, _DTIMEOUT, _CMDSENT = 1 << 2, 1 << 3, 1 << 7
_DPSMACT, _CPSMACT = 1 << 12, 1 << 13
_EMPTY_FIFO = 1 << 14 | 1 << 18 | 1 << 19
"""TXFIFOHE, TXFIFOE and RXFIFOE."""

_STATIC = 0x1FE0_0FFF
"""Flags that stay until they are cleared through ICR."""

_CMDTRANS, _CPSMEN = 1 << 6, 1 << 12
_DTEN, _FIFORST = 1 << 0, 1 << 13
_COMMAND_CLOCKS, _RESPONSE_CLOCKS = 48, 64
"""Bits of a command, and how long a response is waited for."""


class Sdmmc(Peripheral):
    """One SD/MMC controller; its CMD line is high, as a pull-up resistor leaves it."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        self._flags = 0
        self._command: Event | None = None
        self._data: Event | None = None
        super().__init__(mcu, name)

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._flags = 0
        self._stop()
        self._update()

    def _stop(self) -> None:
        for event in (self._command, self._data):
            if event is not None:
                event.cancel()
        self._command = self._data = None

    @property
    def _clock_hz(self) -> float:
        """Frequency of SDMMC_CK in Hz, 0 while the card has no power."""
        if self.field("POWER", "PWRCTRL") != _POWER_ON:
            return 0
        divider = self.field("CLKCR", "CLKDIV")
        return kernel_clock_hz(self.mcu.rcc, self.name) / (2 * divider if divider else 1)

    # -- registers ------------------------------------------------------------------------------

    def write_POWER(self, value: int, master: Master) -> None:
        self["POWER"] = value & self.implemented("POWER")
        if not self._clock_hz:
            self._stop()

    def write_CMD(self, value: int, master: Master) -> None:
        """Send a command: one without a response is sent, one with a response times out."""
        self["CMD"] = value & self.implemented("CMD")
        clock = self._clock_hz
        if not value & _CPSMEN or not clock or self._command is not None:
            return
        if self.field("CMD", "WAITRESP"):
            clocks, action = _COMMAND_CLOCKS + _RESPONSE_CLOCKS, self._no_response
        else:
            clocks, action = _COMMAND_CLOCKS, self._sent
        self._command = self.mcu.schedule(round(clocks * PS_PER_S / clock), action)
        if value & _CMDTRANS:
            self._start_data()

    def _sent(self) -> None:
        self._command = None
        self._raise(_CMDSENT)

    def _no_response(self) -> None:
        self._command = None
        self._raise(_CTIMEOUT)

    def write_DCTRL(self, value: int, master: Master) -> None:
        """Set up a data transfer; DTEN starts it without a command."""
        self["DCTRL"] = value & self.implemented("DCTRL") & ~_FIFORST
        if value & _DTEN:
            self._start_data()

    def _start_data(self) -> None:
        clock = self._clock_hz
        if clock and self._data is None:
            self["DCOUNT"] = self["DLEN"]
            self._data = self.mcu.schedule(round(self["DTIMER"] * PS_PER_S / clock), self._no_data)

    def _no_data(self) -> None:
        self._data = None
        self._raise(_DTIMEOUT)

    def read_FIFO(self, master: Master) -> int:
        return 0

    def read_STA(self, master: Master) -> int:
        return self._status()

    def write_ICR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _STATIC)
        self._update()

    def write_MASK(self, value: int, master: Master) -> None:
        self["MASK"] = value & self.implemented("MASK")
        self._update()

    # -- status ---------------------------------------------------------------------------------

    def _status(self) -> int:
        active = (_CPSMACT if self._command is not None else 0) | (_DPSMACT if self._data is not None else 0)
        return self._flags | active | _EMPTY_FIFO

    def _raise(self, flag: int) -> None:
        self._flags |= flag
        self._update()

    def _update(self) -> None:
        self.mcu.drive_interrupt(self.name, self.name, bool(self._status() & self["MASK"]))
