"""Faults of probe, cable and supply, which a test lets happen at a moment of its choice.

The moment is a transfer over USB or a board time, so that a case can be repeated exactly. Where the behaviour of
an ST-LINK is not documented, the docstrings of `Fault` say what is taken for it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.twin.resets import NOMINAL_SUPPLY
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.stlink import VirtualStlink

ABSENCE_TIME = PS_PER_S
"""How long the probe of `Fault.PROBE_BACK` is gone."""

DROP_TIME = 10 * PS_PER_MS
DROPPED_SUPPLY = 1500
"""`Fault.VOLTAGE_DROP`: how long, and to which VDD in mV; the chip's power-on reset acts below 1.62 V."""


class Fault(enum.Enum):
    """What can go wrong. The value is the word of reports."""

    USB_ERROR = "USB error"
    """The command is lost, with an input/output error on the host."""
    TIMEOUT = "timeout"
    """The probe takes longer than the host waits. Its answer lies there for whoever reads next; a command without
    an answer is not carried out."""
    SHORT_REPLY = "short reply"
    """Half of an answer comes."""
    WAIT = "WAIT"
    """The access port is busy: the access is not made."""
    FAULT = "FAULT"
    """The debug port refuses the access and all later ones until its sticky error flag is cleared."""
    PARITY = "parity"
    """A data phase arrives damaged: a read is made and its data lost, a write is not made."""
    PROBE_GONE = "probe gone"
    """The cable is pulled. The board keeps its supply, as one with a supply of its own does."""
    PROBE_BACK = "probe back"
    """The probe starts again, and is a new USB device, after `ABSENCE_TIME`."""
    NRST_STUCK = "NRST stuck"
    """Something holds NRST low."""
    VOLTAGE_DROP = "voltage drop"
    """VDD falls to `DROPPED_SUPPLY` and comes back after `DROP_TIME`."""
    POWER_CUT = "power cut"
    """VDD is gone for good."""


ON_THE_LINE = frozenset((Fault.WAIT, Fault.FAULT, Fault.PARITY))
_OVER_USB = frozenset((Fault.USB_ERROR, Fault.TIMEOUT, Fault.SHORT_REPLY))


@dataclass
class _Waiting:
    """A fault whose moment is still to come: not before a transfer, counted from the first, and a chip's time."""

    fault: Fault
    transfer: int
    time: int
    times: int


class Faults:
    """The faults that wait for their moment at one probe."""

    def __init__(self, stlink: VirtualStlink, mcu: Mcu) -> None:
        self._stlink = stlink
        self._mcu = mcu
        self._waiting: list[_Waiting] = []
        self._transfer = -1

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits any more."""
        return not self._waiting

    def add(self, fault: Fault, transfer: int, seconds: float, times: int) -> None:
        """Let a fault happen; see `VirtualStlink.inject`."""
        delay = round(seconds * PS_PER_S)
        if delay and fault not in ON_THE_LINE | _OVER_USB:
            self._mcu.schedule(delay, lambda: self._happen(fault))
        else:
            self._waiting.append(_Waiting(fault, self._transfer + 1 + transfer, self._mcu.now + delay, times))

    def before_transfer(self, *, has_answer: bool) -> Fault | None:
        """Let happen what is due at this transfer; return what is to happen to the transfer itself."""
        self._transfer += 1
        found = None
        for waiting in [waiting for waiting in self._waiting if self._is_due(waiting)]:
            if waiting.fault in ON_THE_LINE:
                continue
            if waiting.fault not in _OVER_USB:
                self._waiting.remove(waiting)
                self._happen(waiting.fault)
            elif found is None and (has_answer or waiting.fault is not Fault.SHORT_REPLY):
                self._use(waiting)
                found = waiting.fault
        return found

    def on_the_line(self, *, can_be_refused: bool) -> Fault | None:
        """Return what is to happen to an access of the debug port or through it.

        Args:
            can_be_refused: Whether WAIT and FAULT are answers to this access.
        """
        for waiting in self._waiting:
            if not self._is_due(waiting) or waiting.fault not in ON_THE_LINE:
                continue
            if can_be_refused or waiting.fault is Fault.PARITY:
                self._use(waiting)
                return waiting.fault
        return None

    def _is_due(self, waiting: _Waiting) -> bool:
        return waiting.transfer <= self._transfer and waiting.time <= self._mcu.now

    def _use(self, waiting: _Waiting) -> None:
        waiting.times -= 1
        if not waiting.times:
            self._waiting.remove(waiting)

    def _happen(self, fault: Fault) -> None:
        stlink, mcu = self._stlink, self._mcu
        match fault:
            case Fault.PROBE_GONE | Fault.PROBE_BACK:
                stlink.plugged = False
                if fault is Fault.PROBE_BACK:
                    mcu.schedule(ABSENCE_TIME, lambda: setattr(stlink, "plugged", True))
            case Fault.NRST_STUCK:
                stlink.nrst_stuck = True
            case Fault.VOLTAGE_DROP:
                mcu.set_supply(DROPPED_SUPPLY)
                mcu.schedule(DROP_TIME, lambda: mcu.set_supply(NOMINAL_SUPPLY))
            case Fault.POWER_CUT:
                mcu.set_supply(0)
