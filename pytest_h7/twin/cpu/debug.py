"""Halting debug: DHCSR, DCRSR, DCRDR, DEMCR and DFSR (Arm DDI0403E C1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_h7.chip.interrupts import ExceptionNumber

if TYPE_CHECKING:
    from pytest_h7.twin.cpu.nvic import Nvic
    from pytest_h7.twin.cpu.register_map import RegisterMap
    from pytest_h7.twin.cpu.registers import Registers

_DFSR, _DHCSR, _DCRSR, _DCRDR, _DEMCR = (
    0xE000_ED30,
    0xE000_EDF0,
    0xE000_EDF4,
    0xE000_EDF8,
    0xE000_EDFC,
)

HALTED, BKPT, DWTTRAP, VCATCH = 1, 2, 4, 8
"""Bits of DFSR: why the core halted."""

_DBGKEY = 0xA05F
_C_DEBUGEN, _C_HALT, _C_STEP, _C_MASKINTS, _C_SNAPSTALL = 1, 2, 4, 8, 1 << 5
_CONTROL_BITS = _C_DEBUGEN | _C_HALT | _C_STEP | _C_MASKINTS | _C_SNAPSTALL
_S_REGRDY, _S_HALT, _S_SLEEP, _S_LOCKUP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
_S_RETIRE_ST, _S_RESET_ST = 1 << 24, 1 << 25

_REGSEL, _REGWNR = 0x7F, 1 << 16

_VC_CORERESET = 1
_VC_INTERR = 1 << 9
_MON_EN, _MON_PEND = 1 << 16, 1 << 17
_TRCENA = 1 << 24
_DEMCR_BITS = 0x010F_07F1
_DEMCR_MONITOR = 0x000F_0000
_CAUGHT_BY = {
    ExceptionNumber.HARD_FAULT: 1 << 10,
    ExceptionNumber.BUS_FAULT: 1 << 8,
    ExceptionNumber.USAGE_FAULT: 1 << 7,
    ExceptionNumber.MEM_MANAGE: 1 << 4,
}


class DebuggedCore(Protocol):
    """What the debug registers show of a core and do to it."""

    @property
    def cycles(self) -> int: ...  # noqa: D102

    @property
    def asleep(self) -> bool: ...  # noqa: D102

    @property
    def lockup(self) -> bool: ...  # noqa: D102

    def debug_changed(self) -> None:
        """Learn that DHCSR.C_DEBUGEN has changed."""

    def halt(self, reason: int) -> None:
        """Enter Debug state."""

    def trace_enabled(self, enabled: bool) -> None:
        """Learn of DEMCR.TRCENA."""


class Debug:
    """The debugger's view of one core."""

    def __init__(self, core: DebuggedCore, nvic: Nvic, registers: Registers) -> None:
        self._core = core
        self._nvic = nvic
        self._registers = registers
        self._control = 0
        self._demcr = 0
        self._dcrdr = 0
        self.dfsr = 0
        self.halted = False
        self._transfer_done = True
        self._reset_seen = False
        self._seen_cycles = 0

    @property
    def enabled(self) -> bool:
        """Whether debug events halt the core (DHCSR.C_DEBUGEN)."""
        return bool(self._control & _C_DEBUGEN)

    @property
    def stepping(self) -> bool:
        """Whether the core is to halt after one instruction."""
        return self._control & (_C_DEBUGEN | _C_STEP) == _C_DEBUGEN | _C_STEP

    @property
    def monitor_enabled(self) -> bool:
        """Whether debug events pend the DebugMonitor exception if they do not halt."""
        return bool(self._demcr & _MON_EN)

    @property
    def catches_reset(self) -> bool:
        """Whether a reset ends in Debug state."""
        return self.enabled and bool(self._demcr & _VC_CORERESET)

    def catches(self, number: int, *, derived: bool) -> bool:
        """Return whether the entry of an exception is a vector catch."""
        if not self.enabled:
            return False
        caught_by = next((bit for fault, bit in _CAUGHT_BY.items() if fault == number), 0)
        if derived:
            caught_by |= _VC_INTERR
        return bool(self._demcr & caught_by)

    def enter(self, reason: int) -> None:
        """Note that the core is in Debug state now."""
        self.halted = True
        self.dfsr |= reason
        self._control |= _C_HALT

    def reset(self, *, debug: bool) -> None:
        """Take part in a local reset; `debug` resets the debug logic too."""
        self.halted = False
        self._transfer_done = True
        self._reset_seen = True
        self._control &= ~(_C_HALT | _C_STEP)
        self._demcr &= ~_DEMCR_MONITOR
        if debug:
            self._control = 0
            self._demcr = 0
            self.dfsr = 0
            self._core.trace_enabled(False)
        self._nvic.interrupts_masked = self._masks_interrupts()

    def install(self, registers: RegisterMap) -> None:
        """Add the registers as software sees them."""
        registers.add(_DHCSR, self._status)
        registers.add(_DEMCR, self._read_demcr, self._write_demcr, merge=True)
        registers.add(_DFSR, lambda: self.dfsr, self._clear_dfsr)
        registers.add(_DCRDR, lambda: self._dcrdr, self._write_dcrdr)

    def install_for_debugger(self, debugger: RegisterMap) -> None:
        """Replace the registers that only a debugger uses."""
        debugger.add(_DHCSR, self._read_dhcsr, self._write_dhcsr)
        debugger.add(_DCRSR, lambda: 0, self._write_dcrsr)

    def _status(self) -> int:
        core = self._core
        value = self._control
        if self._transfer_done:
            value |= _S_REGRDY
        if self.halted:
            value |= _S_HALT
        elif core.asleep:
            value |= _S_SLEEP
        if core.lockup:
            value |= _S_LOCKUP
        if core.cycles != self._seen_cycles:
            value |= _S_RETIRE_ST
        if self._reset_seen:
            value |= _S_RESET_ST
        return value

    def _read_dhcsr(self) -> int:
        value = self._status()
        self._reset_seen = False
        self._seen_cycles = self._core.cycles
        return value

    def _write_dhcsr(self, value: int) -> None:
        if value >> 16 != _DBGKEY:
            return
        was_enabled = self.enabled
        control = value & _CONTROL_BITS
        if not control & _C_DEBUGEN:
            control = 0
        self._control = control
        self._nvic.interrupts_masked = self._masks_interrupts()
        self._nvic.update()
        if self.enabled != was_enabled:
            self._core.debug_changed()
        if control & _C_HALT:
            if not self.halted:
                self._core.halt(HALTED)
        elif self.halted:
            self.halted = False

    def _masks_interrupts(self) -> bool:
        return self._control & (_C_DEBUGEN | _C_MASKINTS) == _C_DEBUGEN | _C_MASKINTS

    def _write_dcrsr(self, value: int) -> None:
        self._transfer_done = self.halted
        if not self.halted:
            return
        if value & _REGWNR:
            self._registers.write_selected(value & _REGSEL, self._dcrdr)
        else:
            self._dcrdr = self._registers.read_selected(value & _REGSEL)

    def _write_dcrdr(self, value: int) -> None:
        self._dcrdr = value

    def _read_demcr(self) -> int:
        pending = self._nvic.pending >> ExceptionNumber.DEBUG_MONITOR & 1
        return self._demcr | (_MON_PEND if pending else 0)

    def _write_demcr(self, value: int) -> None:
        traced = self._demcr & _TRCENA
        self._demcr = value & _DEMCR_BITS & ~_MON_PEND
        if value & _MON_PEND:
            self._nvic.pend(ExceptionNumber.DEBUG_MONITOR)
        elif self._nvic.pending >> ExceptionNumber.DEBUG_MONITOR & 1:
            self._nvic.unpend(ExceptionNumber.DEBUG_MONITOR)
        if (self._demcr ^ traced) & _TRCENA:
            self._core.trace_enabled(bool(self._demcr & _TRCENA))

    def _clear_dfsr(self, value: int) -> None:
        self.dfsr &= ~value
