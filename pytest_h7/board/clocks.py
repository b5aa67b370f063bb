"""Which peripherals have a bus clock now, told from RCC alone (RM0399 9.5.10).

RCC is in D3 and always answers AP1. The other peripherals read as junk without a clock.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import Domain, peripheral_domain
from pytest_h7.chip.registers import Field, peripheral

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection

_RCC = peripheral("RCC")
_C1 = peripheral("RCC_C1")
_C2 = peripheral("RCC_C2")
_CR = _RCC.registers["CR"]
_FIRST_ENABLE = _C1.registers["AHB3ENR"]
_LAST_ENABLE = _C2.registers["APB4ENR"]
_BANK_DISTANCE = _C2.base - _C1.base


@cache
def _enable(name: str) -> tuple[int, Field] | None:
    """Return offset in a bank and field of a peripheral's clock enable bit, None if it needs none."""
    if name == "FLASH":
        return None  # FLASHEN only keeps D1 running for CPU2 (RM0399 9.5.9)
    for register in _C2.registers.values():
        if not register.name.endswith("ENR") or register.name.endswith("LPENR"):
            continue
        for wanted in (f"{name}EN", f"{name}APBEN"):
            if wanted in register.fields:
                return register.offset, register.fields[wanted]
    return None


class PeripheralClocks:
    """Answers whether a peripheral can be accessed, and why not."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def why_unclocked(self, name: str) -> str | None:
        """Return why a peripheral has no bus clock, None when it has one.

        A core that is in CStop does not keep a clock running: it is told by its domain's clock, so for the
        CM4 in CStop while the CM7 keeps D2 running the answer may be too optimistic.
        """
        domain = peripheral_domain(peripheral(name).base)
        enable = _enable(name)
        if enable is None and domain is Domain.D3:
            return None
        control = self._connection.read_word(1, _CR.address)
        ready = {
            Domain.D1: bool(_CR.fields["D1CKRDY"].extract(control)),
            Domain.D2: bool(_CR.fields["D2CKRDY"].extract(control)),
            Domain.D3: True,
        }
        if domain is not None and not ready[domain]:
            return f"domain {domain.value} is stopped"
        if enable is None:
            return None
        offset, field = enable
        start = _FIRST_ENABLE.address
        words = self._connection.read_words(1, start, (_LAST_ENABLE.address - start) // 4 + 1)
        index = (_C1.base + offset - start) // 4
        enabled_by_cm7 = field.extract(words[index])
        enabled_by_cm4 = field.extract(words[index + _BANK_DISTANCE // 4])
        if (enabled_by_cm7 and ready[Domain.D1]) or (enabled_by_cm4 and ready[Domain.D2]):
            return None
        if enabled_by_cm4:
            return f"only the CM4 has its clock enabled ({field.name}), and the CM4 is stopped"
        return f"no core has its clock enabled ({field.name})"
