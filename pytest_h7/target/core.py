"""The two cores for pyOCD, with as few transfers as an ST-LINK needs."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.core.target import Target
from pyocd.coresight.ap import CSW_SIZE32, MEM_AP, MEM_AP_CSW, MEM_AP_TAR
from pyocd.coresight.cortex_m import CortexM
from pyocd.coresight.rom_table import CoreSightComponentID
from pyocd.probe.stlink_probe import StlinkProbe

from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.target.debug_units import DWT_BASE, FPB_BASE, BreakpointUnit, WatchpointUnit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOG = logging.getLogger(__name__)

CORE_NAMES = {0: "cm7", 3: "cm4"}
"""Names of the cores by access port."""

CPUIDS = {0: CPUID_CM7, 3: CPUID_CM4}
"""What CPUID of each core reads, by access port."""

_SCS_BASE = 0xE000_E000
_SYSTEM_CONTROL_WORDS = (CortexM.DEMCR - CortexM.CPUID) // 4 + 1
_FLOATING_POINT = {
    0: {CortexM.MVFR0: 0x1011_0221, CortexM.MVFR2: 0x40},
    3: {CortexM.MVFR0: 0x1011_0021, CortexM.MVFR2: 0},
}
"""Feature registers by access port: double precision (Arm DDI0489), single precision (Arm DDI0439)."""

_VECTOR_CATCH = (
    CortexM.DEMCR_VC_CORERESET
    | CortexM.DEMCR_VC_MMERR
    | CortexM.DEMCR_VC_NOCPERR
    | CortexM.DEMCR_VC_CHKERR
    | CortexM.DEMCR_VC_STATERR
    | CortexM.DEMCR_VC_BUSERR
    | CortexM.DEMCR_VC_INTERR
    | CortexM.DEMCR_VC_HARDERR
)

_BD0 = 0x10
_HALTING_REGISTERS = range(CortexM.DHCSR, CortexM.DEMCR + 1, 4)


def examine(port: MEM_AP) -> dict[int, int] | None:
    """Read CPUID to DEMCR of the core behind `port` in one block; return the words by address.

    None means that the right core does not answer: no clock, no power, held or in reset.

    Raises:
        pyocd.core.exceptions.ProbeError: The probe failed, not the access.
    """
    try:
        words = port.read_memory_block32(CortexM.CPUID, _SYSTEM_CONTROL_WORDS)
    except exceptions.TransferError:
        return None
    if words[0] != CPUIDS[port.address.apsel]:
        return None
    return {CortexM.CPUID + 4 * index: word for index, word in enumerate(words)}


def isolate_breakpoints(core: CortexM) -> None:
    """Keep a core that cannot be reached from stopping the other one from running.

    pyOCD sets the pending breakpoints of every core before any core runs, and does not run it if that fails.
    """
    flush = core.bp_manager._pre_run_handler

    def flush_if_reachable(notification: Any) -> None:
        try:
            flush(notification)
        except exceptions.TransferError as error:
            if notification.source is core:
                raise
            LOG.info("Breakpoints of %s are still to be set: %s", core.node_name, error)

    core.session.unsubscribe(flush, Target.Event.PRE_RUN)
    core.session.subscribe(flush_if_reachable, Target.Event.PRE_RUN)


class STM32H755Core(CortexM):
    """A core of known type at a known access port: its debug units need no discovery.

    With an ST-LINK the core registers go through the access port's banked data registers, where a register
    costs three transfers instead of six.
    """

    @classmethod
    def create(cls, port: MEM_AP, seen: Mapping[int, int], *, was_debugged: bool) -> STM32H755Core:
        """Add the core behind `port` to pyOCD's target.

        Args:
            port: Its access port.
            seen: What `examine` has just read of it.
            was_debugged: Whether an earlier session has not let go of it, and may have left watchpoints.
        """

        def component(unit: Any, base: int) -> Any:
            return unit.factory(port, CoreSightComponentID(None, port, base), base)

        core: STM32H755Core = component(cls, _SCS_BASE)
        core._known = {**seen, **_FLOATING_POINT[port.address.apsel]}
        try:
            core.init()
        finally:
            core._known = {}
        component(BreakpointUnit, FPB_BASE).init()
        component(WatchpointUnit, DWT_BASE)
        demcr = seen[CortexM.DEMCR]
        if was_debugged or demcr & (CortexM.DEMCR_TRCENA | _VECTOR_CATCH):
            core._stop_watching(demcr)
        return core

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: Mapping[int, int] = {}
        self._banked = False
        self._has_asked = False
        self._ready: int | None = None

    def clear_debug_units(self, demcr: int) -> None:
        """Take away breakpoints, watchpoints and vector catches, whoever has set them.

        Args:
            demcr: What DEMCR reads now.
        """
        self.fpb.clear()
        self._stop_watching(demcr)

    def _stop_watching(self, demcr: int) -> None:
        """Take away watchpoints and vector catches; the DWT answers only while DEMCR.TRCENA is set."""
        if not demcr & CortexM.DEMCR_TRCENA:
            self.write32(CortexM.DEMCR, demcr | CortexM.DEMCR_TRCENA)
        self.dwt.stop_leftovers()
        if not demcr & CortexM.DEMCR_TRCENA or demcr & _VECTOR_CATCH:
            self.write32(CortexM.DEMCR, demcr & ~_VECTOR_CATCH)

    def revive(self, seen: Mapping[int, int]) -> int:
        """Set up again what a reset of the core's debug logic has cleared; return DEMCR.

        `seen` is what `examine` has just read of the core.
        """
        demcr = seen[CortexM.DEMCR]
        if not seen[CortexM.DHCSR] & CortexM.C_DEBUGEN:
            self.write32(CortexM.DHCSR, CortexM.DBGKEY | CortexM.C_DEBUGEN)
            self.fpb.enabled = False
        if self.dwt.get_watchpoints() and not demcr & CortexM.DEMCR_TRCENA:
            demcr |= CortexM.DEMCR_TRCENA
            self.write32(CortexM.DEMCR, demcr)
            self.dwt.restore()
        self.fpb.restore()
        return demcr

    def read_memory(self, addr: int, transfer_size: int = 32, now: bool = True) -> Any:
        """Read a memory location; while the core is created, what is known of it is not read again."""
        if addr in self._known:
            value = self._known[addr]
        elif self._banked and addr == CortexM.DHCSR and self._ready is not None:
            value = self._ready
        elif self._banked and addr in _HALTING_REGISTERS:
            value = self.ap.dp.read_ap(self._bank_address(addr))
            if addr == CortexM.DHCSR:
                self.session.target.resets.note(self.ap.address.apsel, value)
                if self._has_asked and value & CortexM.S_REGRDY:
                    self._ready = value
        else:
            return super().read_memory(addr, transfer_size, now)
        return value if now else lambda: value

    def write_memory(self, addr: int, data: int, transfer_size: int = 32) -> None:
        """Write a memory location."""
        if self._banked and addr in _HALTING_REGISTERS:
            self._has_asked = addr == CortexM.DCRSR
            self.ap.dp.write_ap(self._bank_address(addr), data)
        else:
            super().write_memory(addr, data, transfer_size)

    def _base_read_core_registers_raw(self, reg_list: list[int]) -> Any:
        """Read core registers; pyOCD asks after each whether its transfer is over (DHCSR.S_REGRDY).

        A transfer takes some core clock cycles, a command over USB a tenth of a millisecond: the one that has been
        seen to be over by the next command stands for those that follow.
        """
        with self._banked_halting_registers():
            return super()._base_read_core_registers_raw(reg_list)

    def _base_write_core_registers_raw(self, reg_list: Sequence[int], data_list: Sequence[int]) -> None:
        with self._banked_halting_registers():
            super()._base_write_core_registers_raw(reg_list, data_list)

    def _bank_address(self, address: int) -> int:
        bank: int = self.ap.address.address + _BD0
        return bank + address - _HALTING_REGISTERS.start

    @contextmanager
    def _banked_halting_registers(self) -> Iterator[None]:
        """Point TAR at DHCSR, so that BD0 to BD3 are DHCSR, DCRSR, DCRDR and DEMCR (Arm IHI0031C 7.6.1).

        Other probes queue accesses, and are faster pyOCD's own way. The lock keeps another thread from moving
        TAR meanwhile.
        """
        if self._banked or not isinstance(self.session.probe, StlinkProbe):
            yield
            return
        port = self.ap
        port.lock()
        try:
            port.dp.write_ap(port.address.address + MEM_AP_CSW, port._csw | CSW_SIZE32)
            port.dp.write_ap(port.address.address + MEM_AP_TAR, CortexM.DHCSR)
            self._banked = True
            yield
        finally:
            self._banked = self._has_asked = False
            self._ready = None
            port.unlock()
