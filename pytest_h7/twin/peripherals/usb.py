"""USB1_OTG_HS and USB2_OTG_FS without a cable: resets, modes, settings (RM0399 chapter 60).

Nobody is at the other end: no endpoint ever moves data, no device is found. A device that pretends to see VBUS
(BVALOVAL) and connects finds a bus that is idle, and reports suspend after 3 ms.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_LINES = {"USB1_OTG_HS": "OTG_HS", "USB2_OTG_FS": "OTG_FS"}
USBS = tuple(_LINES)
_SPAN = 0x4_0000
"""Bytes of addresses of each, FIFOs included (RM0399 table 7)."""

_AHBIDL = 1 << 31
_CMOD, _ESUSP, _USBSUSP = 1 << 0, 1 << 10, 1 << 11
_EMPTY_FIFOS = 1 << 5 | 1 << 26
"""NPTXFE and PTXFE."""

_CLEARED_BY_ONE = 0xF030_FC0A
"""Bits of GINTSTS that software clears; the others follow their cause."""

_FHMOD, _FDMOD = 1 << 29, 1 << 30
_MODE_CHANGE = 25 * PS_PER_MS
"""From forcing a mode to CMOD (RM0399 chapter 60, FHMOD)."""

_SUSPEND_AFTER = 3 * PS_PER_MS
_BVALOEN, _BVALOVAL, _CIDSTS, _BSVLD = 1 << 6, 1 << 7, 1 << 16, 1 << 19
_GOTGCTL_WRITABLE = 0xFE | 7 << 9 | 1 << 12
_GINT = 1 << 0
_SDIS, _GINSTS, _GONSTS = 1 << 1, 1 << 2, 1 << 3
_SUSPSTS = 1 << 0
_PORT_CLEARED_BY_ONE = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5
_PORT_WRITABLE = 1 << 6 | 1 << 7 | 1 << 8 | 1 << 12 | 0xF << 13
_NAKSTS, _CNAK, _SNAK, _EPDIS, _EPENA = 1 << 17, 1 << 26, 1 << 27, 1 << 30, 1 << 31
_EPDISD = 1 << 1
_CHDIS, _CHENA, _CHH = 1 << 30, 1 << 31, 1 << 1
_ENDPOINT_COMMANDS = _CNAK | _SNAK | 3 << 28 | _EPDIS


class UsbOtg(Peripheral):
    """One USB controller."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        self._flags = 0
        self._mode: Event | None = None
        self._suspend: Event | None = None
        super().__init__(mcu, name)
        for register in self.map.registers:
            if re.fullmatch(r"D(IEP|OEP)INT\d+|HCINT\d+|GOTGINT", register):
                self.model(register, partial(self._read, register), partial(self._clear, register))
            elif re.fullmatch(r"D(IEP|OEP)CTL\d+", register):
                self.model(register, writer=partial(self._control_endpoint, register))
            elif re.fullmatch(r"HCCHAR\d+", register):
                self.model(register, writer=partial(self._control_channel, register))

    @property
    def span(self) -> int:
        """Bytes of its addresses."""
        return _SPAN

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._flags = 0
        for event in (self._mode, self._suspend):
            if event is not None:
                event.cancel()
        self._mode = self._suspend = None
        self._update()

    # -- core -----------------------------------------------------------------------------------

    def write_GRSTCTL(self, value: int, master: Master) -> None:
        """Reset the core or flush FIFOs: over at once, and there is nothing in them."""
        self["GRSTCTL"] = _AHBIDL | value & 0x1F << 6

    def write_GUSBCFG(self, value: int, master: Master) -> None:
        """Write the settings; a forced mode comes after a while."""
        self["GUSBCFG"] = value & self.implemented("GUSBCFG")
        if self._mode is None:
            self._mode = self.mcu.schedule(_MODE_CHANGE, self._change_mode)

    def _change_mode(self) -> None:
        self._mode = None
        host = self["GUSBCFG"] & (_FHMOD | _FDMOD) == _FHMOD
        self._flags = self._flags | _CMOD if host else self._flags & ~_CMOD
        self._update()

    def write_GAHBCFG(self, value: int, master: Master) -> None:
        self["GAHBCFG"] = value & self.implemented("GAHBCFG")
        self._update()

    def read_GINTSTS(self, master: Master) -> int:
        return self._status()

    def write_GINTSTS(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _CLEARED_BY_ONE)
        self._update()

    def write_GINTMSK(self, value: int, master: Master) -> None:
        self["GINTMSK"] = value
        self._update()

    def read_GOTGCTL(self, master: Master) -> int:
        """Return GOTGCTL: no plug pulls ID low, and VBUS is only there where it is pretended."""
        return self["GOTGCTL"] | _CIDSTS | (_BSVLD if self._session_valid else 0)

    def write_GOTGCTL(self, value: int, master: Master) -> None:
        self["GOTGCTL"] = value & _GOTGCTL_WRITABLE
        self._watch_bus()

    @property
    def _session_valid(self) -> bool:
        return self["GOTGCTL"] & (_BVALOEN | _BVALOVAL) == _BVALOEN | _BVALOVAL

    def _status(self) -> int:
        return self._flags | _EMPTY_FIFOS

    def _update(self) -> None:
        active = self["GAHBCFG"] & _GINT and self._status() & self["GINTMSK"] & ~_CMOD
        self.mcu.drive_interrupt(_LINES[self.name], self.name, bool(active))

    # -- device ---------------------------------------------------------------------------------

    def write_DCTL(self, value: int, master: Master) -> None:
        """Write DCTL: set and clear the global NAK bits, connect or disconnect."""
        status = self["DCTL"] & (_GINSTS | _GONSTS)
        for set_bit, clear_bit, flag in ((7, 8, _GINSTS), (9, 10, _GONSTS)):
            if value >> set_bit & 1:
                status |= flag
            if value >> clear_bit & 1:
                status &= ~flag
        self["DCTL"] = value & (1 << 0 | _SDIS | 7 << 4 | 1 << 11) | status
        self._watch_bus()

    def _watch_bus(self) -> None:
        """Suspend a connected device after 3 ms without anything on the bus."""
        connected = self._session_valid and not self["DCTL"] & _SDIS
        if connected and self._suspend is None and not self["DSTS"] & _SUSPSTS:
            self._suspend = self.mcu.schedule(_SUSPEND_AFTER, self._suspended)
        elif not connected:
            if self._suspend is not None:
                self._suspend.cancel()
            self._suspend = None
            self["DSTS"] &= ~_SUSPSTS

    def _suspended(self) -> None:
        self._suspend = None
        self["DSTS"] |= _SUSPSTS
        self._flags |= _ESUSP | _USBSUSP
        self._update()

    def _read(self, register: str, master: Master) -> int:
        return self[register]

    def _clear(self, register: str, value: int, master: Master) -> None:
        self[register] &= ~value

    def _control_endpoint(self, register: str, value: int, master: Master) -> None:
        """Write the control register of an endpoint, whose commands are over at once."""
        status = self[register] & (_NAKSTS | _EPENA)
        if value & _SNAK:
            status |= _NAKSTS
        if value & _CNAK:
            status &= ~_NAKSTS
        status |= value & _EPENA
        if value & _EPDIS and status & _EPENA:
            status &= ~_EPENA
            self[register.replace("CTL", "INT")] |= _EPDISD
        self[register] = value & ~(_ENDPOINT_COMMANDS | _NAKSTS | _EPENA) | status

    # -- host -----------------------------------------------------------------------------------

    def write_HPRT(self, value: int, master: Master) -> None:
        """Write the port: no device is connected to it."""
        kept = self["HPRT"] & _PORT_CLEARED_BY_ONE & ~value
        self["HPRT"] = kept | value & _PORT_WRITABLE

    def _control_channel(self, register: str, value: int, master: Master) -> None:
        """Write a host channel; halting it is over at once."""
        if value & _CHDIS:
            value &= ~(_CHDIS | _CHENA)
            self[register.replace("HCCHAR", "HCINT")] |= _CHH
        self[register] = value
