"""The watch on both cores: a fault, a lock-up or a reset during a test that the test has not asked for fails it.

What is read: CFSR, HFSR and DHCSR of each core that answers, in one block, and, where DHCSR.S_RESET_ST tells of a
reset, RCC_C1_RSR (RM0399 9.7.36). A core that records a fault and clears it has handled it, and is not noticed;
nor is one that locks up because it starts from erased flash, for there is no firmware that could have failed. A
press of the reset button after a reset by the test cannot be told from that: both set PINRSTF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.board.faults import Fault, decode_fault
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.errors import ChipReset, CoreFaulted, FirmwareError, H7Error, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core

_SCS = private_peripheral("cm7", "SCS").registers
_CPUID, _DHCSR = _SCS["CPUID"].address, _SCS["DHCSR"].address
_WATCHED = tuple(_SCS[name].address for name in ("VTOR", "CFSR", "HFSR", "DHCSR"))
_CPUIDS = {"cm7": CPUID_CM7, "cm4": CPUID_CM4}
_HALT, _LOCKUP = (_SCS["DHCSR"].fields[name].mask for name in ("S_HALT", "S_LOCKUP"))
_ADDRESS_VALID = sum(_SCS["CFSR"].fields[name].mask for name in ("MMARVALID", "BFARVALID"))

_RSR = peripheral("RCC_C1").registers["RSR"]
"""An access port sees the flags in the copies for the cores alone (RM0399 9.7.36)."""

_CAUSES = {
    "IWDG1RSTF": "independent watchdog 1 (IWDG1)",
    "IWDG2RSTF": "independent watchdog 2 (IWDG2)",
    "WWDG1RSTF": "window watchdog 1 (WWDG1)",
    "WWDG2RSTF": "window watchdog 2 (WWDG2)",
    "LPWR1RSTF": "the CM7 in a low-power mode it may not enter",
    "LPWR2RSTF": "the CM4 in a low-power mode it may not enter",
    "SFT1RSTF": "software of the CM7 (SYSRESETREQ)",
    "SFT2RSTF": "software of the CM4 (SYSRESETREQ)",
    "PORRSTF": "power-on",
    "BORRSTF": "a brown-out of the supply",
    "PINRSTF": "NRST",
}
"""Causes by flag, the more telling ones first: each reset pulses NRST and so sets PINRSTF (RM0399 9.4.2)."""

_RMVF = _RSR.fields["RMVF"].mask
_ERASED = 0xFFFF_FFFF
_POLL = 0.001


@dataclass(frozen=True)
class _Status:
    """The status of a core at one moment."""

    vtor: int
    cfsr: int
    hfsr: int
    dhcsr: int

    @property
    def is_halted(self) -> bool:
        return bool(self.dhcsr & _HALT)


_NOTHING = _Status(0, 0, 0, 0)


class ExpectedFault:
    """What `Board.expect_fault` gives.

    Attributes:
        fault: The fault that came; None before, and for a core that locked up without recording one.
    """

    def __init__(self, core: str) -> None:
        self.core = core
        self.fault: Fault | None = None


class ExpectedReset:
    """What `Board.expect_reset` gives.

    Attributes:
        flags: The flags of RCC_RSR that the reset has set, the more telling ones first: ``("IWDG1RSTF",)``.
            Flags that were set before are not among them.
    """

    def __init__(self) -> None:
        self.flags: tuple[str, ...] = ()


@dataclass
class _Incident:
    """Something that a test may expect, and else fails of."""

    core: str | None
    error: FirmwareError
    fault: Fault | None = None
    flags: tuple[str, ...] = ()


class Watch:
    """Looks at both cores at the begin and at the end of a test."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._connection = board.bench.connection
        self._before: dict[str, _Status] = {}
        self._reset_flags: int | None = None
        self._connected = 0
        self._has_ended = True
        self._incidents: list[_Incident] = []

    def begin(self) -> None:
        """Take what is there as given, and let a core run that is halted.

        Raises:
            H7Error: the board cannot be reached.
        """
        self._incidents.clear()
        if self._reset_flags is None or not self._has_ended or self._connected != self._connection.connected:
            # Nobody has looked since the bench has failed, or somebody else has reset the chip.
            self._reset_flags = self._read_reset_flags()
        self._connected = self._connection.connected
        self._has_ended = False
        for core in self._board.cores:
            status = self._read(core)
            self._before[core.name] = status or _NOTHING
            if status is not None and status.is_halted:
                core.resume()
        self._connection.target.resets.take()

    def end(self) -> list[FirmwareError]:
        """Return what has happened since `begin` without being expected; each is told once.

        Raises:
            H7Error: the board cannot be reached.
        """
        self._look()
        errors = [incident.error for incident in self._incidents]
        if any(incident.core is None for incident in self._incidents):
            self._clear_reset_flags()
        self._incidents.clear()
        self._has_ended = True
        return errors

    @contextmanager
    def expect_fault(self, core: str, timeout: float) -> Iterator[ExpectedFault]:
        """See `Board.expect_fault`."""
        __tracebackhide__ = True
        if core not in _CPUIDS:
            raise ValueError(f"the cores are cm7 and cm4, not {core!r}")
        expected = ExpectedFault(core)
        yield expected
        incident = self._wait(lambda incident: incident.core == core, timeout)
        if incident is None:
            raise CoreFaulted(f"{core} was expected to fault{_within(timeout)}, and has not.")
        expected.fault = incident.fault

    @contextmanager
    def expect_reset(self, timeout: float) -> Iterator[ExpectedReset]:
        """See `Board.expect_reset`."""
        __tracebackhide__ = True
        expected = ExpectedReset()
        yield expected
        incident = self._wait(lambda incident: incident.core is None, timeout)
        if incident is None:
            raise ChipReset(f"The chip was expected to be reset{_within(timeout)}, and has not been.")
        expected.flags = incident.flags

    def _wait(self, is_it: Callable[[_Incident], bool], timeout: float) -> _Incident | None:
        deadline = self._board.time() + timeout
        while True:
            self._look()
            for incident in self._incidents:
                if is_it(incident):
                    self._incidents.remove(incident)
                    return incident
            if self._board.time() >= deadline:
                return None
            self._board.sleep(_POLL)

    # -- what is there ----------------------------------------------------------------------------

    def _look(self) -> None:
        """Add to the incidents what has happened since the last time."""
        found = {core: self._read(core) for core in self._board.cores}
        seen, own = self._connection.target.resets.take()
        if self._connected != self._connection.connected:
            # Whatever has reset the chip, the bench has reported it, or has done it itself while connecting.
            self._connected = self._connection.connected
            self._reset_flags = self._read_reset_flags()
            seen, own = set(), {"PINRSTF"}
        elif seen or own or found[self._board.cm7] is None:
            self._look_at_reset(seen, own)
        for core, status in found.items():
            if status is None:
                continue
            before = _NOTHING if own or core.apsel in seen else self._before[core.name]
            self._before[core.name] = status
            self._compare(core, before, status)

    def _read(self, core: Core) -> _Status | None:
        """Return the status of a core, None where it cannot be reached."""
        try:
            words = self._connection.read_words(core.apsel, _CPUID, (_DHCSR - _CPUID) // 4 + 1)
        except TargetAccessError:
            return None
        if words[0] != _CPUIDS[core.name]:
            return None
        return _Status(*(words[(address - _CPUID) // 4] for address in _WATCHED))

    def _compare(self, core: Core, before: _Status, now: _Status) -> None:
        faulted = now.cfsr & ~before.cfsr & ~_ADDRESS_VALID or now.hfsr & ~before.hfsr
        locked_up = now.dhcsr & ~before.dhcsr & _LOCKUP
        if not (faulted or locked_up) or self._has_no_firmware(core, now):
            return
        fault = self._fault(core, now)
        what = [f"has faulted: {fault}"] if faulted else []
        what += ["is locked up"] if locked_up else []
        location = core.location
        place = f"; it is in {location}" if location and not locked_up else ""
        error = CoreFaulted(f"During this test {core.name} {' and '.join(what)}{place}.")
        self._incidents.append(_Incident(core.name, error, fault))

    def _has_no_firmware(self, core: Core, now: _Status) -> bool:
        """Whether the core has locked up because the flash that it starts from is erased."""
        if not now.dhcsr & _LOCKUP:
            return False
        try:
            return self._connection.read_word(core.apsel, now.vtor) == _ERASED
        except TargetAccessError:
            return False

    def _fault(self, core: Core, status: _Status) -> Fault | None:
        try:
            return core.fault
        except H7Error:
            return decode_fault(status.cfsr & ~_ADDRESS_VALID, status.hfsr, 0, 0)

    # -- resets -----------------------------------------------------------------------------------

    def _look_at_reset(self, seen: set[int], own: set[str]) -> None:
        flags = self._read_reset_flags()
        if flags is None:
            return
        new = flags & ~(self._reset_flags or 0)
        self._reset_flags = flags
        found = tuple(name for name in _CAUSES if _RSR.fields[name].extract(new))
        causes = tuple(name for name in found if name not in own | {"PINRSTF"})
        if not causes:
            if own or len(seen) < len(_CPUIDS) or self._has_been_in_standby():
                return
            causes = found
        text = _CAUSES[causes[0]] if causes else "NRST, or what the firmware has removed from RCC_RSR"
        error = ChipReset(f"During this test the chip was reset by {text}, and not by the test.")
        self._incidents.append(_Incident(None, error, flags=found))

    def _read_reset_flags(self) -> int | None:
        try:
            return self._connection.read_word(1, _RSR.address)
        except TargetAccessError:
            return None

    def _has_been_in_standby(self) -> bool:
        """Waking up from it starts the cores anew and is no reset of the chip (RM0399 7.7.10)."""
        register = peripheral("PWR").registers["CPUCR"]
        try:
            value = self._connection.read_word(1, register.address)
        except TargetAccessError:
            return False
        return any(register.fields[name].extract(value) for name in ("SBF", "SBF_D1"))

    def _clear_reset_flags(self) -> None:
        """The next reset by the same cause is to be seen as well: no reset but power-on clears the flags."""
        for bank in ("RCC_C1", "RCC_C2"):
            address = peripheral(bank).registers["RSR"].address
            for value in (_RMVF, 0):
                self._connection.write_word(1, address, value)
        self._reset_flags = 0


def _within(timeout: float) -> str:
    return f" within {timeout:g} s of board time" if timeout else ""
