"""Write protection of the timers with break inputs (LOCK of TIMx_BDTR, RM0399 40.4.20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.timer_core import TimerCore

_LOCK = 3 << 8
_OIS = 0x5_7F00
_POLARITY = 0b1010
_BREAK_LEVEL_1 = 0xFF | 1 << 12 | 1 << 13 | 1 << 14 | 0x3FF << 16
_OFF_STATES = 1 << 10 | 1 << 11
_OUTPUT_MODE = 0x1_0078
"""OCxM and OCxPE of the first channel of a mode register."""


class TimerLock:
    """Says which bits of a register a write leaves as they are."""

    def __init__(self, timer: TimerCore) -> None:
        self._timer = timer
        self._closed = False

    def reset(self) -> None:
        """Open the lock."""
        self._closed = False

    def close(self) -> None:
        """Take note that BDTR has been written: LOCK can be chosen once only."""
        self._closed = True

    def keep(self, register: str, value: int) -> int:
        """Return what a write of `value` makes of a register."""
        if not self._timer.features.breaks:
            return value
        locked = self._locked(register)
        return value & ~locked | self._timer[register] & locked

    def _locked(self, register: str) -> int:
        level = self._timer.field("BDTR", "LOCK")
        if register == "BDTR":
            locked = _LOCK if self._closed else 0
            return locked | (_BREAK_LEVEL_1 if level >= 1 else 0) | (_OFF_STATES if level >= 2 else 0)
        if register == "CR2":
            return _OIS if level >= 1 else 0
        outputs = [channel for channel in self._timer.channels if not channel.selection]
        if register == "CCER" and level >= 2:
            return sum(_POLARITY << 4 * (channel.number - 1) for channel in outputs)
        if register.startswith("CCMR") and level == 3:
            return sum(
                _OUTPUT_MODE << channel.mode_shift for channel in outputs if channel.mode_register == register
            )
        return 0
