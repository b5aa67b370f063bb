"""RNG, with numbers that are the same after each reset: a run of the virtual board repeats (RM0399 chapter 35).

The numbers follow from the unique device id, so that two boards differ. Seed errors do not happen.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import SYSTEM_FLASH1, UNIQUE_ID_ADDRESS
from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_RNGEN, _IE, _CED = 1 << 2, 1 << 3, 1 << 5
_DRDY, _CECS, _CEIS, _SEIS = (1 << bit for bit in (0, 1, 5, 6))
_WORDS = 4
"""Numbers that are made at once (RM0399 35.5)."""

_FIRST_CYCLES = 128, 426
_NEXT_CYCLES = 64, 213
"""RNG and AHB clocks until the first numbers after RNGEN is set, and until the next ones (RM0399 35.5)."""

_SLOWEST = 32
"""The RNG clock has to be faster than the AHB clock divided by that (RM0399 35.3.6)."""


class Rng(Peripheral):
    """The generator. With no RNG clock there are no numbers; too slow a one is a clock error unless CED is set."""

    def __init__(self, mcu: Mcu) -> None:
        self._numbers: deque[int] = deque()
        self._made = 0
        self._clock_error = False
        self._event: Event | None = None
        super().__init__(mcu, "RNG")

    def reset(self) -> None:
        """Reset by a system reset or by RCC: the numbers begin anew."""
        super().reset()
        self._stop()
        self._numbers.clear()
        self._made = 0
        self._clock_error = False
        self._update_interrupt()

    def clock_changed(self) -> None:
        """Go on when the clock comes back; notice one that is too slow."""
        if self["CR"] & _RNGEN:
            self._check_clock()
            self._go_on(_NEXT_CYCLES)

    def _clock_hz(self) -> int:
        return kernel_clock_hz(self.mcu.rcc, "RNG") if self.mcu.clocked(self.name) else 0

    def _check_clock(self) -> None:
        checked = self["CR"] & _RNGEN and not self["CR"] & _CED and self.mcu.clocked(self.name)
        self._clock_error = bool(checked) and self._clock_hz() * _SLOWEST < self.mcu.rcc.clock_hz("hclk")
        if self._clock_error:
            self["SR"] |= _CEIS
        self._update_interrupt()

    def _go_on(self, cycles: tuple[int, int]) -> None:
        """Let numbers be ready in time, if there is room for them."""
        clock, bus_clock = self._clock_hz(), self.mcu.rcc.clock_hz("hclk")
        if self._event is None and not self._numbers and clock and bus_clock:
            own, bus = cycles
            delay = own * PS_PER_S // clock + bus * PS_PER_S // bus_clock
            self._event = self.mcu.schedule(delay, self._finish)

    def _finish(self) -> None:
        self._event = None
        if not self._clock_hz():
            return
        start = UNIQUE_ID_ADDRESS - SYSTEM_FLASH1.start
        seed = bytes(self.mcu.memory(SYSTEM_FLASH1.name)[start : start + 12])
        digest = hashlib.sha256(seed + self._made.to_bytes(8, "little")).digest()
        self._made += 1
        words = (digest[4 * index : 4 * index + 4] for index in range(_WORDS))
        self._numbers.extend(int.from_bytes(word, "little") for word in words)
        self._update_interrupt()

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None

    def write_CR(self, value: int, master: Master) -> None:
        before = self["CR"]
        self["CR"] = value & self.implemented("CR")
        self._check_clock()
        if not value & _RNGEN:
            self._stop()
        elif not before & _RNGEN:
            self._go_on(_FIRST_CYCLES)

    def read_SR(self, master: Master) -> int:
        ready = _DRDY if self._numbers else 0
        return self["SR"] | ready | (_CECS if self._clock_error else 0)

    def write_SR(self, value: int, master: Master) -> None:
        """Clear CEIS and SEIS by writing 0."""
        self["SR"] &= value & (_CEIS | _SEIS)
        self._update_interrupt()

    def read_DR(self, master: Master) -> int:
        """Take a number; 0 while there is none."""
        if not self._numbers:
            return 0
        number = self._numbers.popleft()
        if not self._numbers and self["CR"] & _RNGEN:
            self._go_on(_NEXT_CYCLES)
        self._update_interrupt()
        return number

    def _update_interrupt(self) -> None:
        causes = bool(self._numbers) or bool(self["SR"] & (_CEIS | _SEIS))
        level = causes and self["CR"] & (_IE | _RNGEN) == _IE | _RNGEN
        self.mcu.drive_interrupt("HASH_RNG", self.name, bool(level))
