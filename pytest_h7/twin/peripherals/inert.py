"""Peripherals that are not modelled, as far as a vendor's driver waits for them: ready, done, empty.

Registers are stored, and all accesses are counted, because the function behind them is missing. `ANSWERS` lists
the bits that hardware would set or clear while a driver polls them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu


@dataclass(frozen=True, slots=True)
class Answer:
    """How the bits of one register answer.

    Attributes:
        register: Its name.
        commands: Bits that start something, which is over at once: they read 0.
        ready: Bits that read 1 while `condition` is set.
        condition: Register and bits.
    """

    register: str
    commands: int = 0
    ready: int = 0
    condition: tuple[str, int] = ("", 0)


_FLUSH_BLOCK = tuple(Answer(f"{block}CR2", commands=1 << 3) for block in "AB")
_DELAY_LINE = (Answer("CFGR", ready=1 << 31, condition=("CR", 1 << 1)),)
_FILTERS = tuple(Answer(f"DFSDM_FLT{number}CR1", commands=1 << 17 | 1 << 1) for number in range(4))

ANSWERS: dict[str, tuple[Answer, ...]] = {
    "CEC": (),
    "CRS": (Answer("CR", commands=1 << 7),),
    "CRYP": (Answer("CR", commands=1 << 14),),
    "DCMI": (),
    "DFSDM1": _FILTERS,
    "DLYB_QUADSPI": _DELAY_LINE,
    "DLYB_SDMMC1": _DELAY_LINE,
    "DLYB_SDMMC2": _DELAY_LINE,
    "HASH": (Answer("CR", commands=1 << 2), Answer("STR", commands=1 << 8)),
    "JPEG": (Answer("CR", commands=3 << 13),),
    "LTDC": (Answer("SRCR", commands=3 << 0),),
    "MDIOS": (),
    **dict.fromkeys(("SAI1", "SAI2", "SAI3", "SAI4"), _FLUSH_BLOCK),
    "SPDIFRX": (),
    "SWPMI1": (Answer("ISR", ready=1 << 11, condition=("CR", 1 << 11)),),
}
"""Sources, chapters of RM0399: CRS 10 (SWSYNC), CRYP 37 (FFLUSH), DFSDM 31 (RSWSTART, JSWSTART), DLYB 25 (LNGF
follows SEN), HASH 38 (INIT, DCAL), JPEG 35 (IFF, OFF), LTDC 33 (IMR, VBR), SAI 54 (FFLUSH), SWPMI 56 (RDYF follows
SWPTEN)."""

STORAGE = ("ART", "GPV", "RAMECC1", "RAMECC2", "RAMECC3")
"""Peripherals that do nothing firmware could notice here: caches, priorities, memories without errors."""


class Inert(Peripheral):
    """A peripheral of which only the answers to a driver's questions are known."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        super().__init__(mcu, name)
        for answer in ANSWERS[name]:
            self.model(answer.register, partial(self._read, answer), partial(self._write, answer))
            self._stored_only[self._offsets[answer.register]] = answer.register

    def _count(self, register: str, master: Master, *, write: bool) -> None:
        if master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=write)

    def _read(self, answer: Answer, master: Master) -> int:
        self._count(answer.register, master, write=False)
        register, bits = answer.condition
        ready = answer.ready if register and self[register] & bits else 0
        return self[answer.register] & ~answer.ready | ready

    def _write(self, answer: Answer, value: int, master: Master) -> None:
        self._count(answer.register, master, write=True)
        if self._offsets[answer.register] not in self._read_only:
            self[answer.register] = value & ~answer.commands


class Storage(Peripheral):
    """A peripheral for which storing is all there is to do."""

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)
