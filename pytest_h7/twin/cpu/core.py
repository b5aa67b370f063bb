"""A core of the virtual board, as the chip and its debug port see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import components
from pytest_h7.twin.bus import BusFault
from pytest_h7.twin.cpu._native import NativeCore
from pytest_h7.twin.cpu.host import CoreHost, Sleep

if TYPE_CHECKING:
    from collections.abc import Iterable

Region = tuple[int, int, int, bool]
"""Address, size, host address of the memory, and whether the core writes it directly."""

_MODELS = ("cortex-m7", "cortex-m4")
_DEPTHS = (Sleep.RUN, Sleep.SLEEP, Sleep.DEEP)
_APSEL = {"cm7": 0, "cm4": 3}
"""Access port whose component list describes the private bus of a core (RM0399 section 63.4.2)."""

_STORED_COMPONENTS = ("ITM", "ETM", "CTI")
"""Components whose registers keep what is written and do nothing else."""

_SELECTORS = {
    **{f"r{number}": number for number in range(16)},
    "sp": 13,
    "lr": 14,
    "pc": 15,
    "xpsr": 16,
    "msp": 17,
    "psp": 18,
    "fpscr": 33,
    **{f"s{number}": 64 + number for number in range(32)},
}
"""Registers by DCRSR.REGSEL (Arm DDI0403E C1.6.3)."""

_SPECIAL = 20
_SPECIAL_SHIFTS = {"primask": 0, "basepri": 8, "faultmask": 16, "control": 24}

NAMES = (
    *(f"r{number}" for number in range(13)),
    *("sp", "lr", "pc", "xpsr", "msp", "psp"),
    *("primask", "basepri", "faultmask", "control", "fpscr"),
    *(f"s{number}" for number in range(32)),
)
"""Every register once."""


class Core(NativeCore):
    """One Cortex-M core.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        model: ``"cortex-m7"`` or ``"cortex-m4"``.
        host: the chip around it.
        regions: memories it accesses directly. Stores to one that is not writable go to the host.
            0x4000_0000 to 0x5FFF_FFFF go to the host too; what is nowhere ends in a bus fault.

    Attributes:
        cycles: Core clock cycles since power-on; in the host's callbacks, with the current instruction.
        running: Whether it would execute if it had a clock: not asleep, not halted, not locked up.
        halted: Whether it is in Debug state.
        lockup: Whether it has locked up (Arm DDI0403E B1.5.15).
        clocked_in_sleep: Whether the debugger keeps its clock on in the sleep it is in, so that CYCCNT counts and
            cross triggers halt it (DBGMCU_CR, RM0399 section 63.5.8).
        channels: Cross-trigger channels that its CTI holds.
    """

    def __init__(self, name: str, model: str, host: CoreHost, regions: Iterable[Region]) -> None:
        super().__init__(_MODELS.index(model), host, BusFault)
        self.name = name
        for address, size, pointer, writable in regions:
            self.map(address, size, pointer, writable)
        for component in components():
            if component.apsel == _APSEL[name]:
                self.component(component.base, component.name in _STORED_COMPONENTS)
                for offset, value in component.words.items():
                    self.component_word(component.base + offset, value)

    @property
    def sleep(self) -> Sleep:
        """Whether it waits for an interrupt or event, and how deep it sleeps."""
        return _DEPTHS[self.sleep_depth]

    @property
    def asleep(self) -> bool:
        """Whether it waits for an interrupt or event."""
        return self.sleep_depth != 0

    def registers(self) -> dict[str, int]:
        """Return every register by name."""
        return {name: self.read_register(name) for name in NAMES}

    def read_register(self, name: str) -> int:
        """Return a register: r0-r12, sp, lr, pc, xpsr, msp, psp, the masks, control, fpscr, s0-s31.

        Raises:
            KeyError: there is none of that name.
        """
        if name in _SPECIAL_SHIFTS:
            return self.register(_SPECIAL) >> _SPECIAL_SHIFTS[name] & 0xFF
        return self.register(_SELECTORS[name])

    def write_register(self, name: str, value: int) -> None:
        """Write a register; raise KeyError if there is none of that name."""
        value &= 0xFFFF_FFFF
        if name in _SPECIAL_SHIFTS:
            shift = _SPECIAL_SHIFTS[name]
            value = self.register(_SPECIAL) & ~(0xFF << shift) | (value & 0xFF) << shift
            self.set_register(_SPECIAL, value)
        else:
            self.set_register(_SELECTORS[name], value)
