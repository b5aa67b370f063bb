"""What the cores do: run, sleep, stop, wake up, or wait on hold (RM0399 7.6.1, 7.7.3 to 7.7.8, 9.5.12)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.twin.cpu import Sleep
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from pytest_h7.twin.cpu import Core
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

CORES = ("cm7", "cm4")
DOMAINS = {"cm7": "D1", "cm4": "D2"}
OTHER = {"cm7": "cm4", "cm4": "cm7"}

WAKE_UP_TIME = 5 * PS_PER_US
"""From a wake-up to the first clock of a core in CStop. An assumption: firmware only sees that it is
neither zero nor long against its time-outs."""

_LOW_POWER_RESETS = {"cm7": "LPWR1RSTF", "cm4": "LPWR2RSTF"}


class CpuMode(enum.Enum):
    """Mode of a core (RM0399 7.6.1); ``HELD`` is before BCM or BOOT_Cn releases it."""

    HELD = "held"
    RUN = "CRun"
    SLEEP = "CSleep"
    STOP = "CStop"


class CoreModes:
    """The modes of both cores, and the changes between them.

    A core that sleeps deeply while EXTI still has a wake-up for it stays in CSleep: CStop needs all of them
    cleared (RM0399 table 38). It goes on to CStop when the last one is.

    A core whose domain lost its supply starts from its reset vector when it wakes up. The supply alone, back
    because the other core allocates something, does not wake it (RM0399 7.7.4).
    """

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._modes = dict.fromkeys(CORES, CpuMode.HELD)
        self._emulation = dict.fromkeys(CORES, 0)
        self._wake_up: dict[str, Event | None] = dict.fromkeys(CORES)
        self._refused: set[str] = set()
        self._lost: set[str] = set()
        self._stalled: set[str] = set()
        self._on_hold: str | None = None
        self._kept_back = False

    def __getitem__(self, core: str) -> CpuMode:
        return self._modes[core]

    def reset(self) -> None:
        """Take the clock from both cores, as a reset does."""
        for name, core in self._mcu.cores.items():
            self._modes[name] = CpuMode.HELD
            self._mcu.scheduler.set_clock(core, on=False)
            wake_up = self._wake_up[name]
            if wake_up is not None:
                wake_up.cancel()
        self._refused.clear()
        self._lost.clear()
        self._stalled.clear()
        self._on_hold = None
        self._kept_back = False

    def start(self, name: str) -> None:
        """Give a core that was reset its clock."""
        self._modes[name] = CpuMode.RUN
        self._mcu.scheduler.set_clock(self._mcu.cores[name], on=True)

    # -- falling asleep -------------------------------------------------------------------------

    def slept(self, core: Core) -> None:
        """A core executed WFI or WFE, or sleeps on exit."""
        deep = core.sleep is Sleep.DEEP
        if deep and not self._mcu.exti.wake_pending(core.name):
            self._stop(core)
            return
        self._modes[core.name] = CpuMode.SLEEP
        if deep:
            self._refused.add(core.name)
        self._tell_of_sleep(core.name)

    def _tell_of_sleep(self, name: str) -> None:
        """Tell the peripherals that CSleep has begun or ended, if that matters to one."""
        if self._mcu.rcc.banks[name].gates_in_sleep:
            self._mcu.update_kernel_clocks()

    def _stop(self, core: Core) -> None:
        name = core.name
        self._modes[name] = CpuMode.STOP
        self._emulation[name] = self._mcu.dbgmcu["CR"]
        self._mcu.scheduler.set_clock(core, on=False)
        if self._mcu.flash.option(f"nRST_STOP_{DOMAINS[name]}"):
            self._mcu.update_domains()
        else:
            self.low_power_reset(name)

    def low_power_reset(self, name: str) -> None:
        """Reset the system because a core stopped, or its domain lost its supply, against the option bytes."""
        self._mcu.system_reset(_LOW_POWER_RESETS[name])

    # -- waking up ------------------------------------------------------------------------------

    def woke(self, core: Core) -> None:
        """A core left its sleep; CStop too, where the debugger keeps its clock and halts it."""
        name = core.name
        before, self._modes[name] = self._modes[name], CpuMode.RUN
        self._refused.discard(name)
        if before is CpuMode.SLEEP:
            self._tell_of_sleep(name)
            self._mcu.domains.check_code()
        if before is not CpuMode.STOP:
            return
        self._mcu.scheduler.set_clock(core, on=True)
        self._mcu.update_domains()
        if name in self._lost:
            self._restart(name)

    def wakeup_changed(self, name: str) -> None:
        """EXTI's wake-up of a core may have changed."""
        pending = self._mcu.exti.wake_pending(name)
        if self._modes[name] is CpuMode.STOP and pending:
            self._start_waking(name)
        elif name in self._refused and not pending:
            self._refused.remove(name)
            self._stop(self._mcu.cores[name])

    def signalled(self, name: str) -> None:
        """An interrupt line of a core has changed: it may end a deep sleep that is no CStop."""
        if name in self._refused:
            self._mcu.cores[name].wake_if_pending()

    def event(self, name: str) -> None:
        """A core's event register was set."""
        if self._modes[name] is CpuMode.STOP:
            self._start_waking(name)
        else:
            self.signalled(name)

    def _start_waking(self, name: str) -> None:
        if not self._is_waking(name):
            latency = WAKE_UP_TIME
            if self._mcu.domain_state("D3") == "stop":
                latency += self._mcu.pwr.regulator_wake_up_time
            self._wake_up[name] = self._mcu.schedule(latency, lambda: self._leave_stop(name))

    def _is_waking(self, name: str) -> bool:
        wake_up = self._wake_up[name]
        return wake_up is not None and wake_up.pending

    def _leave_stop(self, name: str) -> None:
        if self._modes[name] is not CpuMode.STOP or self._mcu.nrst_asserted:
            return
        if self._mcu.domain_state("D3") == "stop":
            self._on_hold = self._mcu.pwr.core_to_hold
        if name == self._on_hold:
            self._keep_back(name)
            return
        self._modes[name] = CpuMode.RUN
        self._mcu.update_domains()
        if name in self._lost:
            self._restart(name)
            return
        core = self._mcu.cores[name]
        self._mcu.scheduler.set_clock(core, on=True)
        core.wake_if_pending()
        if core.sleep is Sleep.DEEP:
            self.slept(core)

    def domain_restarted(self, name: str) -> None:
        """The domain of a core has its supply again."""
        self._lost.add(name)

    def _restart(self, name: str) -> None:
        self._lost.remove(name)
        self._mcu.start_core(name)

    # -- waiting for the flash ------------------------------------------------------------------

    def executes(self, name: str) -> bool:
        """Return whether a core fetches instructions, now or as soon as an interrupt wakes it."""
        core = self._mcu.cores[name]
        return self._modes[name] in (CpuMode.RUN, CpuMode.SLEEP) and not core.halted and not core.lockup

    def stall(self, name: str) -> None:
        """Let a core stand still in the middle of an access."""
        self._stalled.add(name)
        self._mcu.scheduler.set_clock(self._mcu.cores[name], on=False)

    def resume(self, name: str) -> None:
        """Let a core that was stalled go on."""
        if name in self._stalled:
            self._stalled.remove(name)
            self._mcu.scheduler.set_clock(self._mcu.cores[name], on=True)

    # -- hold -----------------------------------------------------------------------------------

    def _keep_back(self, name: str) -> None:
        """Wake the master instead of the core on hold (RM0399 7.7.8, table 43)."""
        self._kept_back = True
        master = OTHER[name]
        self._mcu.pwr.report_hold(master)
        self._leave_stop(master)
        self._mcu.update_domains()

    def release(self, name: str) -> None:
        """The master has cleared HOLDn: the core on hold follows its wake-up, if it has had one."""
        if self._on_hold != name:
            return
        self._on_hold = None
        if self._kept_back:
            self._kept_back = False
            self._leave_stop(name)

    # -- what follows from the modes ------------------------------------------------------------

    @property
    def all_stopped(self) -> bool:
        """Whether both cores are in CStop, and neither only because it is on hold."""
        modes = self._modes
        return modes["cm7"] is CpuMode.STOP is modes["cm4"] and not self._kept_back

    @property
    def waking(self) -> bool:
        """Whether a wake-up is on its way."""
        return any(self._is_waking(name) for name in CORES)

    def counts(self, name: str) -> bool:
        """Return whether a core clocks what it has allocated: it runs or sleeps, or the debugger keeps it so."""
        mode = self._modes[name]
        return mode in (CpuMode.RUN, CpuMode.SLEEP) or (mode is CpuMode.STOP and self._emulated(name))

    def debug_clock(self, name: str) -> bool:
        """Return whether a core, its debug registers with it, has a clock (RM0399 63.5.8, 9.5.12)."""
        mode = self._modes[name]
        return mode is CpuMode.RUN or (mode is not CpuMode.HELD and self._emulated(name))

    def update_debug_clocks(self) -> None:
        """Let cores count cycles and hear cross triggers in a sleep in which DBGMCU keeps their clocks."""
        for name, core in self._mcu.cores.items():
            core.clocked_in_sleep = self._emulated(name)

    def _emulated(self, name: str) -> bool:
        """Return whether DBGMCU keeps the clocks of a core that is stopped, else of one in CSleep."""
        word = self._mcu.dbgmcu["CR"]
        if not word:
            return False
        mode, domain = self._modes[name], DOMAINS[name]
        stopped = "STANDBY" if self._mcu.domain_state(domain) == "standby" else "STOP"
        bit = stopped if mode is CpuMode.STOP else "SLEEP"
        if mode is CpuMode.STOP and not self._mcu.debug_stop_retroactive:
            word &= self._emulation[name]
        return bool(self._mcu.dbgmcu.map.registers["CR"].fields[f"DBG_{bit}{domain}"].extract(word))
