"""Halting and starting both cores at once, through the cross-trigger interfaces (CTI) beside them.

Each core's interface has an output that asks the core to halt and one that lets it go on (RM0399 chapter 63,
tables of the connections of the Cortex-M7 and Cortex-M4 interfaces). They are connected to channels that both
interfaces share, so that one event reaches both cores, but for the cycles it takes to be synchronised with their
clocks.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pyocd.core import exceptions
from pyocd.core.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyocd.coresight.cortex_m import CortexM

CTI_BASE = 0xE004_3000
_CONTROL, _INTACK, _APPPULSE, _OUTEN0, _LAR = 0x000, 0x010, 0x01C, 0x0A0, 0xFB0
_UNLOCK = 0xC5AC_CE55
"""CoreSight's key (Arm IHI0029E B2.3.10)."""

_DEBUG_REQUEST, _RESTART = 0, 7
"""Trigger outputs EDBGRQ and DBGRESTART."""

_HALT_CHANNEL, _RESTART_CHANNEL = 1 << 0, 1 << 1


class CrossTrigger:
    """The interfaces of cores that can be reached; they are connected only while they are used.

    Args:
        cores: pyOCD's objects for the cores.
        wait_for_halt: Waits until a core has halted; returns False if it does not in time.
    """

    def __init__(self, cores: Sequence[CortexM], wait_for_halt: Callable[[CortexM], bool]) -> None:
        self._cores = cores
        self._wait_for_halt = wait_for_halt

    def halt(self) -> bool:
        """Halt all cores; return whether they all have halted.

        Raises:
            pyocd.core.exceptions.TransferError: A core cannot be reached any more.
        """
        for core in self._cores:
            core.session.notify(Target.Event.PRE_HALT, core, Target.HaltReason.USER)
        with self._connected(_DEBUG_REQUEST, _HALT_CHANNEL):
            self._send(_HALT_CHANNEL)
            halted = [self._wait_for_halt(core) for core in self._cores]
            for core in self._cores:
                # The request lasts until it is acknowledged, and the core would halt again.
                core.write32(CTI_BASE + _INTACK, 1 << _DEBUG_REQUEST)
                core.write32(CTI_BASE + _INTACK, 0)
        for core in self._cores:
            core.session.notify(Target.Event.POST_HALT, core, Target.HaltReason.USER)
        return all(halted)

    def resume(self) -> None:
        """Let all cores run, which must be halted.

        Raises:
            pyocd.core.exceptions.TransferError: A core cannot be reached any more.
        """
        for core in self._cores:
            core.session.notify(Target.Event.PRE_RUN, core, Target.RunType.RESUME)
            core.clear_debug_cause_bits()
        with self._connected(_RESTART, _RESTART_CHANNEL):
            self._send(_RESTART_CHANNEL)
        for core in self._cores:
            core.session.notify(Target.Event.POST_RUN, core, Target.RunType.RESUME)

    @contextmanager
    def _connected(self, output: int, channel: int) -> Iterator[None]:
        try:
            for core in self._cores:
                core.write32(CTI_BASE + _LAR, _UNLOCK)
                core.write32(CTI_BASE + _OUTEN0 + 4 * output, channel)
                core.write32(CTI_BASE + _CONTROL, 1)
            yield
        finally:
            for core in self._cores:
                with suppress(exceptions.TransferError):
                    core.write32(CTI_BASE + _OUTEN0 + 4 * output, 0)
                    core.write32(CTI_BASE + _CONTROL, 0)

    def _send(self, channel: int) -> None:
        self._cores[0].write32(CTI_BASE + _APPPULSE, channel)
