"""Interrupt lines of both NVICs (RM0399 chapter 20) and the exceptions of ARMv7-M."""

from __future__ import annotations

import enum
import json
from functools import cache
from importlib import resources

IRQ_LINES = 150
"""Interrupt lines of each core's NVIC, IRQ 0 to IRQ 149."""

PRIORITY_BITS = 4
"""Implemented bits of an interrupt priority, the upper ones of each byte."""


class ExceptionNumber(enum.IntEnum):
    """Numbers of the system exceptions (Arm DDI0403E B1.5.2); interrupt n is number 16 + n."""

    RESET = 1
    NMI = 2
    HARD_FAULT = 3
    MEM_MANAGE = 4
    BUS_FAULT = 5
    USAGE_FAULT = 6
    SVCALL = 11
    DEBUG_MONITOR = 12
    PENDSV = 14
    SYSTICK = 15


_EXCEPTION_NAMES = {
    ExceptionNumber.RESET: "Reset",
    ExceptionNumber.NMI: "NMI",
    ExceptionNumber.HARD_FAULT: "HardFault",
    ExceptionNumber.MEM_MANAGE: "MemManage",
    ExceptionNumber.BUS_FAULT: "BusFault",
    ExceptionNumber.USAGE_FAULT: "UsageFault",
    ExceptionNumber.SVCALL: "SVCall",
    ExceptionNumber.DEBUG_MONITOR: "DebugMonitor",
    ExceptionNumber.PENDSV: "PendSV",
    ExceptionNumber.SYSTICK: "SysTick",
}


@cache
def _names(core: str) -> tuple[str | None, ...]:
    source = resources.files(__package__).joinpath("data/interrupts.json")
    lines = json.loads(source.read_text("utf-8"))["lines"]
    return tuple(line.get("name", line.get(core)) for line in lines)


def irq_name(core: str, irq: int) -> str | None:
    """Return the name of interrupt line `irq` of ``"cm7"`` or ``"cm4"``, None where nothing is connected."""
    return _names(core)[irq]


def irq_number(core: str, name: str) -> int:
    """Return the interrupt line called `name` on that core; raise KeyError if it has none."""
    try:
        return _names(core).index(name)
    except ValueError:
        raise KeyError(f"{core} has no interrupt line {name}") from None


def exception_name(core: str, number: int) -> str:
    """Return a readable name of exception `number` as it stands in IPSR; 0 is thread mode."""
    if number == 0:
        return "Thread"
    if number < 16:
        try:
            return _EXCEPTION_NAMES[ExceptionNumber(number)]
        except ValueError:
            return f"exception {number}"
    irq = number - 16
    name = irq_name(core, irq) if irq < IRQ_LINES else None
    return f"IRQ {irq} ({name})" if name else f"IRQ {irq}"
