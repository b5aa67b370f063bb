"""What a core needs from the chip around it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_h7.twin.cpu.core import Core


class Sleep(enum.Enum):
    """How a core sleeps (Arm DDI0403E B1.5.17)."""

    RUN = "run"
    SLEEP = "sleep"
    """Waiting with SCR.SLEEPDEEP clear: SysTick and NVIC work and wake the core."""

    DEEP = "deep sleep"
    """Waiting with SCR.SLEEPDEEP set: the chip stops the clocks and says when to look for a wake-up."""


class CoreHost(Protocol):
    """The chip, as its cores see it."""

    def core_read(self, core: Core, address: int, size: int) -> int:
        """Return `size` (1, 2 or 4) bytes that are in no directly mapped memory; raise BusFault."""

    def core_write(self, core: Core, address: int, size: int, value: int) -> None:
        """Write `size` bytes to a peripheral or to a memory that is not writable; raise BusFault."""

    def core_slept(self, core: Core) -> None:
        """Learn that the core waits for an interrupt or event; ``core.sleep`` says how."""

    def core_woke(self, core: Core) -> None:
        """Learn that the core no longer waits."""

    def event_sent(self, core: Core) -> None:
        """Learn that the core executed SEV."""

    def reset_requested(self, core: Core) -> None:
        """Learn that AIRCR.SYSRESETREQ was written; the reset follows this instruction."""

    def exception_changed(self, core: Core) -> None:
        """Learn that the core locked up or left lockup; while ``core.reports_exceptions``, that IPSR changed."""

    def halt_changed(self, core: Core) -> None:
        """Learn that the core entered or left Debug state; ``core.halted`` says which."""
