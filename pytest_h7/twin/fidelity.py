"""How far the virtual chip is the real one: what is modelled, and what firmware has touched beyond that."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.peripheral import Peripheral


class UnmodelledAccess(NamedTuple):
    """An instruction that reads or writes a register of which only the bits are kept."""

    peripheral: str
    register: str
    """Its name; ``+0x...`` where there is none at that offset."""
    core: str
    """``"cm7"`` or ``"cm4"``."""
    kind: str
    """``"read"`` or ``"write"``."""
    pc: int
    """Address of the instruction."""


class Fidelity(enum.Enum):
    """How much of a peripheral behaves as on the chip."""

    MODELLED = "modelled"
    PARTLY = "partly"
    STORED = "stored only"


@dataclass(frozen=True)
class Coverage:
    """What of a peripheral is modelled."""

    peripheral: str
    registers: int
    stored_only: tuple[str, ...]
    """Registers that keep what is written and do nothing."""

    @property
    def fidelity(self) -> Fidelity:
        """All, some or none of its registers."""
        if not self.stored_only:
            return Fidelity.MODELLED
        return Fidelity.STORED if len(self.stored_only) == self.registers else Fidelity.PARTLY


def coverage(models: Iterable[Peripheral]) -> list[Coverage]:
    """Return what is modelled of each peripheral, by name."""
    found = [
        Coverage(model.name, len(model.map.registers), tuple(sorted(model.stored_only()))) for model in models
    ]
    return sorted(found, key=lambda entry: entry.peripheral)
