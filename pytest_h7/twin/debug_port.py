"""The serial wire debug port, as far as a probe that handles the line itself can see it (Arm IHI0031C)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_h7.chip import coresight
from pytest_h7.twin.access_port import (
    AccessPort,
    AccessPortBusy,
    ClosedPolicy,
    CoreAccessPort,
    create_access_ports,
)
from pytest_h7.twin.bus import BusFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

ABORT = DPIDR = 0x0
CTRL_STAT = 0x4
SELECT = RESEND = 0x8
RDBUFF = 0xC

DAPABORT = 1 << 0
STKERRCLR = 1 << 2

STICKYERR = 1 << 5
READOK = 1 << 6
CDBGPWRUPREQ = 1 << 28
CSYSPWRUPREQ = 1 << 30
_POWER_REQUESTS = CDBGPWRUPREQ | CSYSPWRUPREQ
_WRITABLE = _POWER_REQUESTS | 0x04FF_FF0D
"""The power requests, CDBGRSTREQ, TRNCNT, MASKLANE, TRNMODE and ORUNDETECT."""

_T = TypeVar("_T")


class NoAnswer(Exception):
    """Nothing acknowledges: no power, the firmware uses the pins, or the line is not switched to SWD."""


class FaultAnswer(Exception):
    """The FAULT acknowledge: a sticky error flag is set."""


class WaitAnswer(Exception):
    """The WAIT acknowledge: an access port is still busy with an earlier access."""


class DebugPort:
    """The SW-DP with its four access ports; only power-on resets it (RM0399 section 63.3.3)."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self.access_ports = create_access_ports(mcu)
        mcu.debug_port = self
        self._core_ports = [port for port in self.access_ports if isinstance(port, CoreAccessPort)]
        self._ids = coresight.debug_port()
        self.power_on_reset()

    def power_on_reset(self) -> None:
        """Take the state after power-on: JTAG selected, no debug power requested, nothing pending."""
        self._swd = False
        self._ctrl_stat = 0
        self._dlcr = self._ids["DLCR"]
        self._select = 0
        self._result = 0
        self._pending: Callable[[], object] | None = None
        for port in self.access_ports:
            port.power_on_reset()

    @property
    def closed_policy(self) -> ClosedPolicy:
        """What AP0 and AP3 answer for memory while their core has no clock."""
        return self._core_ports[0].closed_policy

    @closed_policy.setter
    def closed_policy(self, policy: ClosedPolicy) -> None:
        for port in self._core_ports:
            port.closed_policy = policy

    @property
    def powered_up(self) -> bool:
        """Whether a debugger asks for debug power: CDBGPWRUPREQ."""
        return bool(self._ctrl_stat & CDBGPWRUPREQ)

    @property
    def dbgswen(self) -> bool:
        """Whether the cores, AP0 and AP1 reach the debug APB at 0x5C000000 (pyOCD issue 1312)."""
        return self.access_ports[2].dbgswen

    def switch_to_swd(self) -> None:
        """Receive the JTAG-to-SWD sequence and a line reset; raise NoAnswer if the port is not there."""
        if not self._mcu.powered or not self._mcu.swd_connected:
            raise NoAnswer
        self._swd = True

    def read(self, address: int) -> int:
        """Read a register of the debug port; `address` is 0, 4, 8 or 12, banked by SELECT.

        Raises:
            NoAnswer: The port is not there.
            FaultAnswer: RDBUFF or RESEND was read while a sticky error is set.
            WaitAnswer: RDBUFF or RESEND was read while an access port is busy.
        """
        self._require_line()
        if address == DPIDR:
            return self._ids["DPIDR"]
        if address == CTRL_STAT:
            banks = {
                0: self._ctrl_stat | (self._ctrl_stat & _POWER_REQUESTS) << 1,
                1: self._dlcr,
                2: self._ids["TARGETID"],
                3: self._ids["DLPIDR"],
            }
            return banks.get(self._select & 0xF, 0)
        self._require_idle()
        return self._result

    def write(self, address: int, value: int) -> None:
        """Write a register of the debug port; raise NoAnswer if it is not there."""
        self._require_line()
        if address == ABORT:
            if value & DAPABORT:
                self._pending = None
            if value & STKERRCLR:
                self._ctrl_stat &= ~STICKYERR
        elif address == CTRL_STAT and self._select & 0xF == 0:
            self._ctrl_stat = self._ctrl_stat & ~_WRITABLE | value & _WRITABLE
            if self.powered_up:
                self._mcu.debugger_connected()
        elif address == CTRL_STAT and self._select & 0xF == 1:
            self._dlcr = value
        elif address == SELECT:
            self._select = value

    def read_ap(self, address: int) -> int:
        """Read register `address` of the selected access port and bank; return the result of the read before.

        Raises:
            NoAnswer: The port is not there.
            FaultAnswer: A sticky error is set; an error of this access shows with the next one.
            WaitAnswer: An access port is busy.
        """
        previous = self._result
        register = self._register(address)

        def access(port: AccessPort) -> None:
            self._ctrl_stat &= ~READOK
            self._result = port.read(register)
            self._ctrl_stat |= READOK

        self._access(access)
        return previous

    def write_ap(self, address: int, value: int) -> None:
        """Write register `address` of the selected access port and bank; errors as for `read_ap`."""
        register = self._register(address)
        self._access(lambda port: port.write(register, value))

    def set_sticky_error(self) -> None:
        """Set CTRL/STAT.STICKYERR, as an access that fails does: accesses are refused until it is cleared."""
        self._ctrl_stat |= STICKYERR

    def burst(self, apsel: int, transfer: Callable[[AccessPort], _T]) -> _T:
        """Do many accesses to one access port at once, as the word by word accesses of `transfer` would end.

        Raises:
            BusFault: An access failed; the sticky error is set.
            NoAnswer, FaultAnswer, WaitAnswer: As for `read_ap`.
        """
        port = self._port(apsel)
        if port is None:
            raise FaultAnswer
        try:
            return transfer(port)
        except BusFault:
            self.set_sticky_error()
            raise
        except AccessPortBusy:
            self._pending = lambda: transfer(port)
            raise WaitAnswer from None

    def _register(self, address: int) -> int:
        return self._select & 0xF0 | address & 0xC

    def _access(self, access: Callable[[AccessPort], None]) -> None:
        port = self._port(self._select >> 24)
        if port is None:
            self._result = 0
            return
        try:
            access(port)
        except BusFault:
            self.set_sticky_error()
        except AccessPortBusy:
            self._pending = lambda: access(port)

    def _port(self, apsel: int) -> AccessPort | None:
        """Return the access port `apsel` once the debug port lets accesses through, None if there is none."""
        self._require_line()
        self._require_idle()
        if not self._ctrl_stat & CDBGPWRUPREQ:
            self.set_sticky_error()
            raise FaultAnswer
        return self.access_ports[apsel] if apsel < len(self.access_ports) else None

    def _require_line(self) -> None:
        if not self._mcu.powered or not self._swd or not self._mcu.swd_connected:
            raise NoAnswer

    def _require_idle(self) -> None:
        """Let an access that hangs end if it can by now."""
        if self._ctrl_stat & STICKYERR:
            raise FaultAnswer
        if self._pending is None:
            return
        try:
            self._pending()
        except AccessPortBusy:
            raise WaitAnswer from None
        except BusFault:
            self.set_sticky_error()
        self._pending = None
        if self._ctrl_stat & STICKYERR:
            raise FaultAnswer
