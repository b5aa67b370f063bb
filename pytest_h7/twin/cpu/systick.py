"""SysTick, computed from the cycle counter of its core (Arm DDI0403E B3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.register_map import RegisterMap

NEVER = 1 << 63
"""A cycle that does not come."""

_CSR, _RVR, _CVR, _CALIB = 0xE000_E010, 0xE000_E014, 0xE000_E018, 0xE000_E01C
_ENABLE, _TICKINT, _CLKSOURCE = 1, 2, 4
_COUNTFLAG = 1 << 16

_EXTERNAL_DIVIDER = 8
"""The external clock is the core clock divided by 8 (RM0399 chapter 20)."""

_CALIBRATION = 0x3E8


class SysTick:
    """The timer: `due` is the cycle at which it pends its exception next, NEVER if it will not.

    Args:
        now: gives the current cycle.
        pend: makes the SysTick exception pending.
        on_due: is called when `due` has been set anew.
    """

    def __init__(self, now: Callable[[], int], pend: Callable[[], None], on_due: Callable[[], None]) -> None:
        self._now = now
        self._pend = pend
        self._on_due = on_due
        self.reset()

    def reset(self) -> None:
        """Stop, as after a reset."""
        self._control = 0
        self._counted = False
        self._reload = 0
        self._top = 0
        self._frozen = 0
        self._zero = NEVER
        self.due = NEVER

    def install(self, registers: RegisterMap) -> None:
        """Add CSR, RVR, CVR and CALIB."""
        registers.add(_CSR, self._read_csr, self._write_csr)
        registers.add(_RVR, lambda: self._reload, self._write_rvr)
        registers.add(_CVR, self._read_cvr, self._write_cvr)
        registers.constant(_CALIB, _CALIBRATION)

    def fire(self) -> None:
        """Let the time come up to the current cycle; pends the exception if the count reached zero."""
        now = self._now()
        if now < self._zero:
            return
        period = (self._reload + 1) * self._divider
        self._counted = True
        if self._reload:
            self._zero += ((now - self._zero) // period + 1) * period
        else:
            self._frozen = 0
            self._zero = NEVER
        self._top = self._reload
        self._set_due()
        if self._control & _TICKINT:
            self._pend()

    @property
    def _divider(self) -> int:
        return 1 if self._control & _CLKSOURCE else _EXTERNAL_DIVIDER

    def _value(self) -> int:
        """Return the count; `fire` must have been called at this cycle."""
        if self._zero == NEVER:
            return self._frozen
        left = -((self._now() - self._zero) // self._divider)
        return left if left <= self._top else 0

    def _start(self, value: int) -> None:
        """Count on from `value`; from zero, the next clock reloads."""
        self._frozen = value
        self._top = value or self._reload
        if self._control & _ENABLE and self._top:
            self._zero = self._now() + (value or self._reload + 1) * self._divider
        else:
            self._zero = NEVER
        self._set_due()

    def _set_due(self) -> None:
        self.due = self._zero if self._control & _TICKINT else NEVER
        self._on_due()

    def _read_csr(self) -> int:
        self.fire()
        value = self._control | (_COUNTFLAG if self._counted else 0)
        self._counted = False
        return value

    def _write_csr(self, value: int) -> None:
        self.fire()
        count = self._value()
        restarts = (self._control ^ value) & (_ENABLE | _CLKSOURCE)
        self._control = value & (_ENABLE | _TICKINT | _CLKSOURCE)
        if restarts:
            self._start(count)
        else:
            self._set_due()

    def _write_rvr(self, value: int) -> None:
        self.fire()
        self._reload = value & 0xFF_FFFF
        if self._control & _ENABLE and self._zero == NEVER:
            self._start(0)

    def _read_cvr(self) -> int:
        self.fire()
        return self._value()

    def _write_cvr(self, _value: int) -> None:
        self.fire()
        self._counted = False
        self._start(0)
