"""The system's cross-trigger interface on the debug APB (Arm DDI0480; RM0399 chapter 63, cross-trigger).

Its triggers belong to ETF, TPIU and the trace pins, of which nothing is modelled. What a debugger does with it is
to hold a channel, or to send a pulse on one, that the interfaces of both cores listen to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_CONTROL, _INTACK = 0x000, 0x010
_APPSET, _APPCLEAR, _APPPULSE = 0x014, 0x018, 0x01C
_ENABLES = range(0x020, 0x0C0)
_CHINSTATUS, _CHOUTSTATUS, _GATE = 0x138, 0x13C, 0x140
_REGISTERS = {_CONTROL, _INTACK, _APPSET, _APPCLEAR, _APPPULSE, *_ENABLES, *range(0x130, 0x144)}
_CHANNELS = 0xF


class SystemCti:
    """SysCTI. The cores' own interfaces are in their private buses."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self.reset()

    def reset(self) -> None:
        """Lose the state, as at power-on and when D1 loses its supply."""
        self._enabled = False
        self._held = 0
        self._gate = _CHANNELS
        self._enables: dict[int, int] = {}
        self._drive()

    def answers(self, offset: int) -> bool:
        """Return whether the register at `offset` is one that acts; others of the page are only stored."""
        return offset in _REGISTERS

    def read(self, offset: int) -> int:
        """Return a register."""
        if offset in _ENABLES:
            return self._enables.get(offset, 0)
        if offset == _CHINSTATUS:
            return self._mcu.cores["cm7"].channels | self._mcu.cores["cm4"].channels
        return {
            _CONTROL: int(self._enabled),
            _APPSET: self._held,
            _CHOUTSTATUS: self._outgoing(self._held),
            _GATE: self._gate,
        }.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        channels = value & _CHANNELS
        before = self._outgoing(self._held)
        pulses = 0
        if offset in _ENABLES:
            self._enables[offset] = channels
        elif offset == _CONTROL:
            self._enabled = bool(value & 1)
        elif offset == _APPSET:
            self._held |= channels
        elif offset == _APPCLEAR:
            self._held &= ~channels
        elif offset == _APPPULSE:
            pulses = self._outgoing(channels)
        elif offset == _GATE:
            self._gate = channels
        self._drive(pulses | self._outgoing(self._held) & ~before)

    def _drive(self, events: int = 0) -> None:
        for core in self._mcu.cores.values():
            core.set_channels(self._outgoing(self._held), events)

    def _outgoing(self, channels: int) -> int:
        return channels & self._gate if self._enabled else 0
