"""What happens on the board, as signals over board time.

Signals are the modes of both cores and what they execute (``cm7.mode``, ``cm4.exception``), the domains
(``domains.D2``), the semaphores (``hsem.HSEM0``), the pins (``pins.PB0``), the LEDs by the board's names for them
(``leds.LD1``, high while lit), NRST and the supply (``board.NRST``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import IRQ_LINES, exception_name, irq_name
from pytest_h7.twin.pins import PINS_PER_PORT, PORTS

if TYPE_CHECKING:
    from pytest_h7.chip.boards import Contact
    from pytest_h7.twin.mcu import Mcu

Value = bool | str
Change = tuple[int, str, Value]
"""Time in picoseconds, signal, value from there on."""

_IPSR = 16
_NUMBER = 0x1FF
_FIRST_IRQ = 16


class SignalRecorder:
    """Watches a chip, and keeps the changes of its signals until they are fetched.

    Args:
        mcu: The chip.
        leds: The LEDs of the board.
        now: Its time in picoseconds, which never goes back.
    """

    def __init__(self, mcu: Mcu, leds: Mapping[str, Contact], now: Callable[[], int]) -> None:
        self._mcu = mcu
        self._leds = leds
        self._now = now
        self._changes: list[Change] = []
        self._last: dict[str, Value] = {}
        for core in mcu.cores.values():
            core.reports_exceptions = True
        mcu.observers.append(self._look)
        for port in PORTS:
            for number in range(PINS_PER_PORT):
                name = f"P{port}{number}"
                mcu.pins.watch(name, partial(self._pin_changed, name))
        self.look_again()

    def values(self) -> dict[str, Value]:
        """Return all signals as they are now."""
        return {**dict(self._signals()), **dict(self._levels())}

    def look_again(self) -> None:
        """Take all signals anew: the board has another state than it came to by itself."""
        self._note(self._signals())
        self._note(self._levels())

    def fetch(self) -> list[Change]:
        """Return the changes since the last time, in the order of time.

        Call it between runs: within one, a core is ahead of the other, and its changes come first.
        """
        changes, self._changes = self._changes, []
        return sorted(changes, key=lambda change: change[0])

    def _pin_changed(self, name: str, level: bool) -> None:
        self._note([(f"pins.{name}", level)])
        self._note(self._lit())

    def _look(self) -> None:
        self._note(self._signals())

    def _note(self, signals: Iterable[tuple[str, Value]]) -> None:
        for signal, value in signals:
            if self._last.get(signal) != value:
                self._last[signal] = value
                self._changes.append((self._now(), signal, value))

    def _levels(self) -> Iterator[tuple[str, Value]]:
        for port in PORTS:
            for number in range(PINS_PER_PORT):
                yield f"pins.P{port}{number}", self._mcu.pins.level(f"P{port}{number}")

    def _lit(self) -> Iterator[tuple[str, Value]]:
        for name, led in self._leds.items():
            yield f"leds.{name}", self._mcu.pins.driven(led.pin) is led.active_high

    def _signals(self) -> Iterator[tuple[str, Value]]:
        mcu = self._mcu
        for name, core in mcu.cores.items():
            mode = "lockup" if core.lockup else "halted" if core.halted else mcu.mode(name).value
            yield f"{name}.mode", mode
            yield f"{name}.exception", _exception(name, core.register(_IPSR) & _NUMBER)
        for domain in ("D1", "D2", "D3"):
            yield f"domains.{domain}", mcu.domain_state(domain)
        for number, owner in enumerate(mcu.hsem.owners()):
            yield f"hsem.HSEM{number}", owner or "free"
        yield from self._lit()
        yield "board.NRST", not mcu.nrst_asserted
        yield "board.powered", mcu.powered


def _exception(core: str, number: int) -> str:
    """Name what a core executes in a word: ``Thread``, ``SysTick``, ``EXTI15_10``."""
    irq = number - _FIRST_IRQ
    if 0 <= irq < IRQ_LINES:
        return irq_name(core, irq) or f"IRQ{irq}"
    return exception_name(core, number).replace(" ", "")
