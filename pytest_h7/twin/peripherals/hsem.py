"""HSEM: 32 hardware semaphores that the cores take and free, with an interrupt on each release.

Sources: RM0399 chapter 11; core ids of table 95. A debugger's access port is taken for its core.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

SEMAPHORES = 32

CORE_IDS = {"cm7": 3, "cm4": 1}
"""COREID of each core's bus master (RM0399 table 95); every other master is unauthorised."""

_LOCK = 1 << 31
_COREID_SHIFT = 8
_COREID_MASK = 0xF << _COREID_SHIFT
_OWNER_MASK = _COREID_MASK | 0xFF
_KEY_MASK = 0xFFFF_0000

_OUTPUTS = (("cm7", "C1", 125, 77), ("cm4", "C2", 126, 78))
"""Core, prefix of its registers, interrupt line, EXTI direct line (RM0399 chapter 20 and table 152)."""


class Hsem(Peripheral):
    """The semaphores.

    On a release the status flag of both lines is set, enabled or not: C1IER and C2IER only decide what
    MISR shows, and with it the interrupt of CM7 and of CM4 and the EXTI lines that end CStop.
    """

    word_only = True

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "HSEM")
        for number in range(SEMAPHORES):
            self.model(f"R{number}", writer=partial(self._write_semaphore, f"R{number}"))
            self.model(f"RLR{number}", reader=partial(self._read_lock, f"R{number}"))
        for _, prefix, _, _ in _OUTPUTS:
            self.model(f"{prefix}IER", writer=partial(self._write_enable, prefix))
            self.model(f"{prefix}ICR", self._read_zero, partial(self._write_clear, prefix))
            self.model(f"{prefix}MISR", reader=partial(self._read_masked_status, prefix))

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"C1ISR", "C2ISR"})

    def reset(self) -> None:
        """Free all semaphores without an interrupt."""
        super().reset()
        self._update_outputs()

    def owners(self) -> list[str | None]:
        """Return who has locked each semaphore: ``"cm7"``, ``"cm4"`` or None."""
        names = {core_id: core for core, core_id in CORE_IDS.items()}
        values = (self[f"R{number}"] for number in range(SEMAPHORES))
        return [names[value >> _COREID_SHIFT & 0xF] if value & _LOCK else None for value in values]

    # -- semaphores -----------------------------------------------------------------------------

    def _core_id(self, master: Master) -> int | None:
        return CORE_IDS[master.core] if master.core is not None else None

    def _write_semaphore(self, register: str, value: int, master: Master) -> None:
        """Lock in two steps, or unlock; what does not match is ignored."""
        core_id = self._core_id(master)
        owner = value & _OWNER_MASK
        if core_id is None or owner >> _COREID_SHIFT != core_id:
            return
        if value & _LOCK:
            if self[register] == 0:
                self[register] = _LOCK | owner
                self.mcu.observe()
        elif self[register] == _LOCK | owner:
            self._release([register])

    def _read_lock(self, register: str, master: Master) -> int:
        """Lock in one step: a read takes a free semaphore for the reader, with PROCID 0."""
        core_id = self._core_id(master)
        if core_id is None:
            return 0
        if self[register] == 0:
            self[register] = _LOCK | core_id << _COREID_SHIFT
            self.mcu.observe()
        return self[register]

    def write_CR(self, value: int, master: Master) -> None:
        """Free all semaphores of one COREID, if the key is right."""
        if self._core_id(master) is None or value & _KEY_MASK != self["KEYR"]:
            return
        locked_by = _LOCK | value & _COREID_MASK
        names = [f"R{number}" for number in range(SEMAPHORES)]
        self._release([name for name in names if self[name] & ~0xFF == locked_by])

    def write_KEYR(self, value: int, master: Master) -> None:
        self["KEYR"] = value & _KEY_MASK

    def _release(self, registers: list[str]) -> None:
        freed = 0
        for register in registers:
            self[register] = 0
            freed |= 1 << int(register.removeprefix("R"))
        self["C1ISR"] |= freed
        self["C2ISR"] |= freed
        self._update_outputs()

    # -- interrupts -----------------------------------------------------------------------------

    def _read_zero(self, master: Master) -> int:
        return 0

    def _read_masked_status(self, prefix: str, master: Master) -> int:
        return self[f"{prefix}ISR"] & self[f"{prefix}IER"]

    def _write_enable(self, prefix: str, value: int, master: Master) -> None:
        self[f"{prefix}IER"] = value
        self._update_outputs()

    def _write_clear(self, prefix: str, value: int, master: Master) -> None:
        self[f"{prefix}ISR"] &= ~value
        self._update_outputs()

    def _update_outputs(self) -> None:
        self.mcu.observe()
        for core, prefix, irq, line in _OUTPUTS:
            level = bool(self[f"{prefix}ISR"] & self[f"{prefix}IER"])
            self.mcu.set_irq(core, irq, level)
            self.mcu.exti.set_direct_line(line, level)
