"""Hardware semaphores, seen without taking them (RM0399 chapter 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.board.observation import seen, unseen

if TYPE_CHECKING:
    from pytest_h7.board.registers import Registers

SEMAPHORES = 32

_CORE_IDS = {3: "cm7", 1: "cm4"}
"""Bus master ids of the cores (RM0399 11.3.4)."""


def _owner(word: int) -> str | None:
    if not word >> 31:
        return None
    core_id = word >> 8 & 0xF
    return _CORE_IDS.get(core_id, f"master {core_id}")


class Semaphore:
    """One of the 32 semaphores."""

    def __init__(self, registers: Registers, index: int) -> None:
        self._registers = registers
        self.index = index

    @property
    def owner(self) -> str | None:
        """``"cm7"``, ``"cm4"`` or None when free. Reads Rn, because reading RLRn would take it.

        Raises:
            PeripheralUnclocked: HSEM has no bus clock, and would answer junk.
        """
        with unseen():
            word = getattr(self._registers.HSEM, f"R{self.index}").value
        return seen(f"hsem[{self.index}].owner", _owner(word))

    @property
    def process(self) -> int:
        """PROCID of the owner, 0 when free or taken in one step."""
        return int(getattr(self._registers.HSEM, f"R{self.index}").PROCID)


class Hsem:
    """All semaphores by number."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def __getitem__(self, index: int) -> Semaphore:
        if not 0 <= index < SEMAPHORES:
            raise IndexError(f"the STM32H755 has semaphores 0 to {SEMAPHORES - 1}, not {index}")
        return Semaphore(self._registers, index)

    def __len__(self) -> int:
        return SEMAPHORES

    def owners(self) -> dict[int, str]:
        """Return the owners of the semaphores that are taken, in one read.

        Raises:
            PeripheralUnclocked: HSEM has no bus clock.
        """
        words = self._registers.HSEM.R0.read_following(SEMAPHORES)
        owners = {index: _owner(word) for index, word in enumerate(words)}
        return {index: owner for index, owner in owners.items() if owner is not None}
