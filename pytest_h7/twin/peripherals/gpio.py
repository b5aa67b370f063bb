"""GPIO ports A to K (RM0399 chapter 12)."""

from __future__ import annotations

import enum
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.pins import PINS_PER_PORT, Pins, Pull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_ALL = (1 << PINS_PER_PORT) - 1
_LCKK = 1 << 16
_LOCK_KEYS = (True, False, True)
"""LCKK in the writes of the lock sequence, each time with the same pins."""

_PULLS = (Pull.NONE, Pull.UP, Pull.DOWN, Pull.NONE)

_BITS_PER_PIN = {"MODER": 2, "OTYPER": 1, "OSPEEDR": 2, "PUPDR": 2}


def _numbers(pins: int) -> Iterator[int]:
    """Yield the numbers of the pins of a mask."""
    while pins:
        yield (pins & -pins).bit_length() - 1
        pins &= pins - 1


class Mode(enum.IntEnum):
    """Mode of a pin, as in MODER."""

    INPUT = 0
    OUTPUT = 1
    ALTERNATE = 2
    ANALOG = 3


class Gpio(Peripheral):
    """One port. A pin in alternate mode is driven by the signal of a peripheral that its function selects.

    A write that makes an output work against a level held from outside raises `PinContention`, after it has
    taken effect.
    """

    def __init__(self, mcu: Mcu, port: str, pins: Pins) -> None:
        super().__init__(mcu, f"GPIO{port}")
        self.port = port
        self._pins = pins
        self._names = [f"P{port}{number}" for number in range(PINS_PER_PORT)]
        self._lock_step = 0
        self._lock_candidate = 0
        self._outputs = 0
        for register, bits in _BITS_PER_PIN.items():
            self.model(register, writer=partial(self._write_configuration, register, bits, 0))
        self.model("AFRL", writer=partial(self._write_configuration, "AFRL", 4, 0))
        self.model("AFRH", writer=partial(self._write_configuration, "AFRH", 4, 8))

    def reset(self) -> None:
        """Reset by a system reset or by RCC: unlocked, and all pins but those of the debug port analog."""
        super().reset()
        self._lock_step = 0
        self._apply(_ALL)

    def alternate_function(self, pin: int) -> int | None:
        """Return the number of the alternate function pin 0 to 15 is switched to, None in another mode."""
        if self._mode(pin) is not Mode.ALTERNATE:
            return None
        return self["AFRL" if pin < 8 else "AFRH"] >> 4 * (pin % 8) & 0xF

    # -- configuration --------------------------------------------------------------------------

    def _mode(self, pin: int) -> Mode:
        return Mode(self["MODER"] >> 2 * pin & 3)

    def _write_configuration(self, register: str, bits: int, first: int, value: int, master: Master) -> None:
        """Change the pins that are not locked; a register holds `bits` for each pin from `first` on."""
        locked = self["LCKR"] & _ALL if self["LCKR"] & _LCKK else 0
        changed = 0
        pin_mask = (1 << bits) - 1
        for pin in range(first, min(first + 32 // bits, PINS_PER_PORT)):
            mask = pin_mask << bits * (pin - first)
            if (self[register] ^ value) & mask and not locked >> pin & 1:
                self[register] = self[register] & ~mask | value & mask
                changed |= 1 << pin
        if register != "OSPEEDR":
            self._apply(changed)

    def _apply(self, pins: int) -> None:
        """Let the pins of a mask take over their registers."""
        for pin in _numbers(pins):
            mode = self._mode(pin)
            high = bool(self["ODR"] >> pin & 1)
            open_drain = bool(self["OTYPER"] >> pin & 1)
            is_output = mode is Mode.OUTPUT
            self._outputs = self._outputs & ~(1 << pin) | is_output << pin
            self._pins.configure(
                self._names[pin],
                output=high if is_output and not (open_drain and high) else None,
                pull=_PULLS[self["PUPDR"] >> 2 * pin & 3],
                analog=mode is Mode.ANALOG,
                function=self.alternate_function(pin),
                open_drain=open_drain,
            )
        self.mcu.observe()

    # -- data -----------------------------------------------------------------------------------

    def read_IDR(self, master: Master) -> int:
        return self._pins.inputs(self.port)

    def write_ODR(self, value: int, master: Master) -> None:
        changed = (self["ODR"] ^ value) & self._outputs
        self["ODR"] = value & _ALL
        if changed:
            open_drain = self["OTYPER"]
            for pin in _numbers(changed):
                high = bool(value >> pin & 1)
                self._pins.set_output(self._names[pin], None if high and open_drain >> pin & 1 else high)

    def write_BSRR(self, value: int, master: Master) -> None:
        """Set and clear output bits; where both are asked for, set wins."""
        self.write_ODR(self["ODR"] & ~(value >> PINS_PER_PORT) | value & _ALL, master)

    # -- lock -----------------------------------------------------------------------------------

    def write_narrow(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a part of a register; of LCKR, that does nothing but abort the lock sequence."""
        if offset & ~3 == self.map.registers["LCKR"].offset:
            self._lock_step = 0
        else:
            super().write_narrow(offset, size, value, master)

    def read_LCKR(self, master: Master) -> int:
        """Return the lock; a read right after the three writes of the sequence closes it."""
        if self._lock_step == len(_LOCK_KEYS):
            self["LCKR"] = _LCKK | self._lock_candidate
        self._lock_step = 0
        return self["LCKR"]

    def write_LCKR(self, value: int, master: Master) -> None:
        """Take a write of the lock sequence; a wrong one aborts it (RM0399 12.4.8)."""
        if self["LCKR"] & _LCKK:
            return
        key = bool(value & _LCKK)
        candidate = value & _ALL
        step = self._lock_step
        if (
            step < len(_LOCK_KEYS)
            and key is _LOCK_KEYS[step]
            and (step == 0 or candidate == self._lock_candidate)
        ):
            self._lock_step += 1
        else:
            self._lock_step = int(key)
        self._lock_candidate = candidate
        self["LCKR"] = candidate
