"""What tests of peripherals on a whole chip do again and again: clocks, pins, interrupt lines."""

from __future__ import annotations

from typing import Any

from pytest_h7.chip.alternate_functions import signals
from pytest_h7.chip.interrupts import irq_number
from pytest_h7.twin.bus import Master

INPUT, OUTPUT, ALTERNATE, ANALOG = range(4)


def enable(desk: Any, *bits: str) -> None:
    """Enable bus clocks for the CM7: ``enable(desk, "APB2ENR.SPI1EN")``."""
    for bit in bits:
        register, field = bit.split(".")
        desk.set(f"RCC_C1.{register}", **{field: 1})


def configure(desk: Any, pin: str, mode: int, *, pull: int = 0, open_drain: bool = False) -> None:
    """Set mode, pull resistor (1 up, 2 down) and output type of a pin."""
    port, number = pin[1], int(pin[2:])
    enable(desk, f"AHB4ENR.GPIO{port}EN")
    for register, width, value in (("PUPDR", 2, pull), ("OTYPER", 1, int(open_drain)), ("MODER", 2, mode)):
        name = f"GPIO{port}.{register}"
        mask = ((1 << width) - 1) << width * number
        desk.write(name, desk.read(name) & ~mask | value << width * number)


def switch(desk: Any, pin: str, signal: str, *, pull: int = 0, open_drain: bool = False) -> None:
    """Switch a pin to a signal of a peripheral."""
    function = next(number for number, names in signals(pin).items() if signal in names)
    port, number = pin[1], int(pin[2:])
    enable(desk, f"AHB4ENR.GPIO{port}EN")
    register = f"GPIO{port}.{'AFRL' if number < 8 else 'AFRH'}"
    place = 4 * (number % 8)
    desk.write(register, desk.read(register) & ~(0xF << place) | function << place)
    configure(desk, pin, ALTERNATE, pull=pull, open_drain=open_drain)


def pending(desk: Any, line: str, core: str = "cm7") -> bool:
    """Return whether an interrupt line is pending in a core's NVIC; clear it if its source allows it."""
    irq = irq_number(core, line)
    scs = desk.mcu.cores[core]
    word, mask = 4 * (irq // 32), 1 << irq % 32
    is_pending = bool(scs.read_debug(0xE000_E200 + word) & mask)
    scs.write_debug(0xE000_E280 + word, mask)
    return is_pending


def write_bytes(desk: Any, register: str, value: int, size: int) -> None:
    """Write a register with a byte or half-word access."""
    desk.mcu.write(desk.address(register), size, value, Master.CM7)


def read_bytes(desk: Any, register: str, size: int) -> int:
    """Read a register with a byte or half-word access."""
    return desk.mcu.read(desk.address(register), size, Master.CM7)
