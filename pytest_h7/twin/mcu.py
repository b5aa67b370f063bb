"""The STM32H755 as a whole: cores, memories, peripherals, resets and domains on one board time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pytest_h7.chip.interrupts import irq_number
from pytest_h7.chip.memory import (
    BACKUP_SRAM,
    FLASH_BANK2,
    FLASH_BANKS,
    MEMORIES,
    Domain,
    memory_at,
    peripheral_domain,
)
from pytest_h7.twin.bus import Master
from pytest_h7.twin.cpu import Core, Sleep
from pytest_h7.twin.interconnect import BootAlias, Interconnect
from pytest_h7.twin.memories import Memories, MemoryState
from pytest_h7.twin.model_state import ModelState, StateKeeper
from pytest_h7.twin.peripherals.catalogue import create_models
from pytest_h7.twin.peripherals.dbgmcu import Dbgmcu
from pytest_h7.twin.peripherals.dmamux import Dmamux
from pytest_h7.twin.peripherals.exti import Exti
from pytest_h7.twin.peripherals.flash import Flash
from pytest_h7.twin.peripherals.gpio import Gpio
from pytest_h7.twin.peripherals.hsem import Hsem
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.pwr import Pwr
from pytest_h7.twin.peripherals.rcc import Rcc
from pytest_h7.twin.peripherals.syscfg import Syscfg
from pytest_h7.twin.peripherals.usart import Usart
from pytest_h7.twin.pins import Pins
from pytest_h7.twin.power_domains import CpuMode, PowerDomains
from pytest_h7.twin.scheduler import Scheduler, SchedulerState
from pytest_h7.twin.timeline import PS_PER_S, PS_PER_US, Event

if TYPE_CHECKING:
    from pytest_h7.twin.access_port import AccessPort

WAKE_UP_TIME = 5 * PS_PER_US
"""From a wake-up to the first clock of a core in CStop. An assumption: firmware only sees that it is
neither zero nor long against its time-outs."""

RESET_TIME = 20 * PS_PER_US
"""Length of the pulse an internal reset puts on NRST, at least (RM0399 9.4.2)."""

SEV_PULSE_CYCLES = 512
"""Length of the wake-up pulse that SEV makes (RM0399 table 152, note)."""

_SYSTEM_RESET_FLAGS = {"cm7": "SFT1RSTF", "cm4": "SFT2RSTF"}
_ANY = ("cm7", "cm4")

_BACKUP_DOMAIN = ("RTC",)
"""Peripherals that a system reset does not reach (RM0399 9.4.1)."""

ModelT = TypeVar("ModelT", bound=Peripheral)


@dataclass(frozen=True)
class McuState:
    """The state of the chip at one moment."""

    models: ModelState
    cores: list[bytes]
    scheduler: SchedulerState
    memories: MemoryState


class Mcu:
    """The chip. It starts unpowered; `power_on` starts both cores as the option bytes say.

    Args:
        unique_id: The 12 bytes of the unique device id.
        hse_hz: Frequency of the clock at OSC_IN, in Hz.
    """

    unsaved = frozenset({"access_ports", "unmodelled", "_keeper"})

    def __init__(self, unique_id: bytes, hse_hz: int) -> None:
        self.supplied = False
        """Whether VDD is there: what a debug probe measures."""
        self.powered = False
        """Whether the chip works: VDD and the core voltage are there."""
        self.nrst_asserted = False
        self.boot0 = False
        self.debug_stop_retroactive = True
        """Whether setting a DBGSTOP or DBGSTBY bit after the domain has stopped gives the core its debug
        clock back; not known of the hardware."""
        self.unmodelled: Counter[tuple[str, str, str, str]] = Counter()
        self.access_ports: list[AccessPort] = []
        self._keeper: StateKeeper | None = None
        self.memories = Memories(unique_id)
        self.cores = {
            "cm7": Core("cm7", "cortex-m7", self, self._regions("cm7")),
            "cm4": Core("cm4", "cortex-m4", self, self._regions("cm4")),
        }
        self._masters = {self.cores["cm7"]: Master.CM7, self.cores["cm4"]: Master.CM4}
        self.scheduler = Scheduler(list(self.cores.values()))
        self._mode = dict.fromkeys(_ANY, CpuMode.HELD)
        self._latched_emulation = dict.fromkeys(_ANY, 0)
        self._wake_up: dict[str, Event | None] = dict.fromkeys(_ANY)
        self._reset_release: Event | None = None
        self.domains = PowerDomains(self)

        self.peripherals: dict[str, Peripheral] = {}
        self._interrupt_sources: dict[str, set[str]] = {}
        self._clocked_models: list[Peripheral] = []
        self.pins = Pins(self)
        self.pwr = self._add(Pwr(self))
        self.rcc = self._add(Rcc(self, hse_hz))
        self.flash = self._add(Flash(self))
        self.syscfg = self._add(Syscfg(self))
        self.exti = self._add(Exti(self))
        self.hsem = self._add(Hsem(self))
        self.dbgmcu = self._add(Dbgmcu(self))
        self.gpio = {port: self._add(Gpio(self, port, self.pins)) for port in "ABCDEFGHIJK"}
        self.usart3 = self._add(Usart(self, "USART3", irq=39))
        self._request_muxes: list[Dmamux] = []
        for model in create_models(self):
            self._add(model)
            if isinstance(model, Dmamux):
                self._request_muxes.append(model)
        self._clocked_models = [
            model
            for model in self.peripherals.values()
            if type(model).clock_changed is not Peripheral.clock_changed
        ]
        self.interconnect = Interconnect(self, list(self.peripherals.values()))

    def _add(self, model: ModelT) -> ModelT:
        self.peripherals[model.name] = model
        return model

    def _regions(self, core: str) -> list[tuple[int, int, int, bool]]:
        """Memories a core reaches directly: address, size, host pointer, writable."""
        regions = []
        for memory in MEMORIES:
            if memory.cm7 if core == "cm7" else memory.cm4:
                for start in (memory.start, *memory.aliases):
                    regions.append((start, memory.size, self.memories.pointer(memory), memory.writable))
        return regions

    # -- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Board time since the first power-on, in picoseconds."""
        return self.scheduler.now

    def schedule(self, delay: int, action: Callable[[], None]) -> Event:
        """Run `action` after `delay` picoseconds of board time."""
        return self.scheduler.schedule(delay, action)

    def run_for(self, duration: int) -> None:
        """Advance board time by `duration` picoseconds."""
        self.scheduler.run_for(duration)

    # -- save and restore -----------------------------------------------------------------------------

    def save(self, *companions: object) -> McuState:
        """Return the whole state of the chip, to be put back by `restore`.

        Args:
            companions: Models outside of the chip whose state belongs to it, such as what is wired to it.
        """
        if self._keeper is None:
            fixed = (self.memories, self.scheduler, *self.cores.values())
            self._keeper = StateKeeper((self, *companions), fixed)
        return McuState(
            self._keeper.save(),
            [core.save() for core in self.cores.values()],
            self.scheduler.save(),
            self.memories.save(),
        )

    def restore(self, state: McuState) -> None:
        """Put back a state that `save` has returned: from here on everything happens as it did from there."""
        self.memories.restore(state.memories)
        for core, saved in zip(self.cores.values(), state.cores, strict=True):
            core.restore(saved)
        self.scheduler.restore(state.scheduler)
        state.models.restore()

    # -- memories and bus ---------------------------------------------------------------------------

    def memory(self, name: str) -> memoryview:
        """Return the bytes of the memory called `name` in `pytest_h7.chip.memory`."""
        return self.memories.view(next(memory for memory in MEMORIES if memory.name == name))

    def code_changed(self, address: int, length: int) -> None:
        """Tell both cores that memory they may have translated has changed."""
        memory = memory_at(address)
        if memory is None:
            return
        if memory in FLASH_BANKS:
            self.memories.flash_changed()
        for core in self.cores.values():
            for start in (memory.start, *memory.aliases):
                core.invalidate(start + address - memory.start, length)
        alias = self.interconnect.boot_alias
        if alias is not None and alias.memory is memory:
            self.cores["cm4"].invalidate(max(0, address - memory.start - alias.offset), length)

    def core_read(self, core: Core, address: int, size: int) -> int:
        """Serve a core's access to what is not mapped directly."""
        value = self.interconnect.read(address, size, self._masters[core])
        self._map_register(core, address, size)
        return value

    def core_write(self, core: Core, address: int, size: int, value: int) -> None:
        """Serve a core's access to what is not mapped directly, flash included."""
        self.interconnect.write(address, size, value, self._masters[core])
        self._map_register(core, address, size)

    def _map_register(self, core: Core, address: int, size: int) -> None:
        """Let a core do without the chip the next time, if nothing but its own clock enables matters."""
        way = self.interconnect.way(address, size, self._masters[core])
        if way is not None:
            core.map_register(address, size, way)

    def unmap_registers(self) -> None:
        """Take the cores' ways to registers back: clock enables may have changed."""
        for core in self.cores.values():
            core.unmap_registers()

    def read(self, address: int, size: int, master: Master) -> int:
        """Read 1, 2 or 4 bytes as `master` would; raise BusFault where nothing answers."""
        return self.interconnect.read(address, size, master)

    def write(self, address: int, size: int, value: int, master: Master) -> None:
        """Write 1, 2 or 4 bytes as `master` would; raise BusFault where nothing answers."""
        self.interconnect.write(address, size, value, master)

    def read_block(self, address: int, length: int, master: Master) -> bytes | None:
        """Return bytes of plain memory in one go, None where it is not all one memory."""
        return self.interconnect.read_block(address, length, master)

    def write_block(self, address: int, data: bytes, master: Master) -> bool:
        """Write bytes to plain RAM in one go; return False where it is not all one RAM."""
        return self.interconnect.write_block(address, data, master)

    @property
    def software_reaches_apb_d(self) -> bool:
        """Whether the cores, AP0 and AP1 see the debug APB at 0x5C00_0000: CSW.DBGSWEN of AP2."""
        return all(port.dbgswen for port in self.access_ports if port.apsel == 2)

    def clocked(self, name: str) -> bool:
        """Return whether a peripheral has its bus clock: some core that is not stopped enables it."""
        if not self.rcc.gated(name):
            return True
        return any(
            mode in (CpuMode.RUN, CpuMode.SLEEP)
            and self.rcc.enabled_by(core, name, asleep=mode is CpuMode.SLEEP)
            for core, mode in self._mode.items()
        )

    def count_unmodelled(self, peripheral: str, register: str, master: Master, *, write: bool) -> None:
        """Count a core's access to a register that is only stored."""
        self.unmodelled[peripheral, register, master.value, "write" if write else "read"] += 1

    # -- clocks -------------------------------------------------------------------------------------

    def clock_hz(self, name: str) -> int:
        """Return a clock of the chip in Hz, by the names of `Rcc.clock_hz`."""
        return self.rcc.clock_hz(name)

    def usart_clock_hz(self, name: str) -> int:
        """Return the kernel clock of a USART in Hz."""
        return self.rcc.usart_clock_hz(name)

    def clocks_changed(self) -> None:
        """Take over the frequencies that RCC now stands for."""
        if "RCC" in self.peripherals:
            for name, core in self.cores.items():
                self.scheduler.set_frequency(core, max(1, self.rcc.clock_hz(name)))
        self._update_kernel_clocks()

    def _update_kernel_clocks(self) -> None:
        for model in self._clocked_models:
            model.clock_changed()

    # -- signals into the cores -----------------------------------------------------------------------

    def set_irq(self, core: str, irq: int, level: bool) -> None:
        """Drive an interrupt line of a core's NVIC."""
        self.scheduler.touch(self.cores[core])
        self.cores[core].set_irq(irq, level)

    def pulse_irq(self, core: str, irq: int) -> None:
        """Pulse an interrupt line of a core's NVIC."""
        self.scheduler.touch(self.cores[core])
        self.cores[core].pulse_irq(irq)

    def drive_interrupt(self, line: str, source: str, level: bool) -> None:
        """Drive an interrupt line of both NVICs, which is high while one of its sources drives it.

        Args:
            line: Its name in `pytest_h7.chip.interrupts`, such as ``"TIM6_DAC"``.
            source: Who drives it: a line may belong to several peripherals.
            level: What this source makes of it.
        """
        sources = self._interrupt_sources.setdefault(line, set())
        before = bool(sources)
        (sources.add if level else sources.discard)(source)
        if before != bool(sources):
            for core in self.cores:
                self.set_irq(core, irq_number(core, line), level)

    def send_event(self, core: str) -> None:
        """Set a core's event register; an event also ends CStop."""
        self.scheduler.touch(self.cores[core])
        self.cores[core].set_event()
        if self._mode[core] is CpuMode.STOP:
            self._start_waking(core)

    def event_sent(self, core: Core) -> None:
        """A core executed SEV: a pulse on the other one's NVIC and wake-up line (RM0399 tables 149, 152)."""
        other, irq, line = ("cm4", 64, 80) if core.name == "cm7" else ("cm7", 65, 79)
        self.pulse_irq(other, irq)
        self.exti.set_direct_line(line, True)
        length = SEV_PULSE_CYCLES * PS_PER_S // self.rcc.clock_hz(core.name)
        self.schedule(length, lambda: self.exti.set_direct_line(line, False))

    # -- requests to DMA --------------------------------------------------------------------------------

    def dma_request(self, request: str) -> None:
        """Ask for one DMA transfer, by a name of `pytest_h7.chip.dma_requests`: ``"TIM2_UP"``."""
        for mux in self._request_muxes:
            mux.pulse(request)

    def hold_dma_request(self, request: str, level: bool) -> None:
        """Drive a DMA request line that stays high until it is served enough: ``"USART3_RX"``."""
        for mux in self._request_muxes:
            mux.hold(request, level=level)

    def dma_trigger(self, signal: str, rising: bool) -> None:
        """Tell the DMAMUXes of an edge of a signal that triggers or synchronizes requests: ``"EXTI0"``."""
        for mux in self._request_muxes:
            mux.signal(signal, rising=rising)

    # -- sleep and wake-up ------------------------------------------------------------------------------

    def mode(self, core: str) -> CpuMode:
        """Return the mode of a core."""
        return self._mode[core]

    def core_slept(self, core: Core) -> None:
        """A core executed WFI or WFE and sleeps now."""
        if core.sleep is not Sleep.DEEP:
            self._mode[core.name] = CpuMode.SLEEP
            return
        self._mode[core.name] = CpuMode.STOP
        self._latched_emulation[core.name] = self.dbgmcu["CR"]
        self.scheduler.set_clock(core, on=False)
        self.update_domains()
        self.wakeup_changed(core.name)

    def core_woke(self, core: Core) -> None:
        """A core left its sleep; CStop too, where the debugger keeps its clock and halts it."""
        before, self._mode[core.name] = self._mode[core.name], CpuMode.RUN
        if before is CpuMode.STOP:
            self.scheduler.set_clock(core, on=True)
            self.update_domains()
        else:
            self._update_kernel_clocks()

    def wakeup_changed(self, core: str) -> None:
        """EXTI's wake-up of a core may have changed: start its clock if it is in CStop and wanted."""
        if self._mode[core] is CpuMode.STOP and self.exti.wake_pending(core):
            self._start_waking(core)

    def _start_waking(self, core: str) -> None:
        pending = self._wake_up[core]
        if pending is None or not pending.pending:
            self._wake_up[core] = self.schedule(WAKE_UP_TIME, lambda: self._leave_stop(core))

    def _leave_stop(self, name: str) -> None:
        core = self.cores[name]
        if self._mode[name] is not CpuMode.STOP or self.nrst_asserted:
            return
        was_standby = self.domain_state("D1" if name == "cm7" else "D2") == "standby"
        self._mode[name] = CpuMode.RUN
        self.update_domains()
        if was_standby:
            return
        self.scheduler.set_clock(core, on=True)
        core.wake_if_pending()
        if core.sleep is Sleep.DEEP:
            self.core_slept(core)

    def domain_left_standby(self, domain: Domain) -> None:
        """D1 or D2 has its supply again: what is in it starts from reset (RM0399 7.7.5, 9.4.2)."""
        self.rcc.record_reset(f"{domain.value}RSTF")
        self._lose_power(domain)
        for model in self.peripherals.values():
            if peripheral_domain(model.base) is domain:
                model.reset()
        self._start_core("cm7" if domain is Domain.D1 else "cm4", debug=True)

    def update_domains(self) -> None:
        """Find the domains' states again after anything they depend on has changed."""
        if "RCC" in self.peripherals:
            self.domains.update()
            self._update_kernel_clocks()

    def domain_state(self, domain: str) -> str:
        """Return ``"run"``, ``"stop"`` or ``"standby"`` of ``"D1"``, ``"D2"`` or ``"D3"``."""
        return self.domains.states[domain]

    def domain_clock_ready(self, domain: str) -> bool:
        """Return what RCC_CR.D1CKRDY or D2CKRDY shows."""
        return self.domain_state(domain) == "run"

    def core_clocked(self, name: str) -> bool:
        """Return whether the debugger finds a clock at a core's debug registers (RM0399 63.5.8, 9.5.12)."""
        mode = self._mode[name]
        if not self.powered or self.nrst_asserted or mode is CpuMode.HELD:
            return False
        if mode is CpuMode.RUN:
            return True
        domain = "D1" if name == "cm7" else "D2"
        stopped = "STANDBY" if self.domain_state(domain) == "standby" else "STOP"
        bit = "SLEEP" if mode is CpuMode.SLEEP else stopped
        fields = self.dbgmcu.map.registers["CR"].fields
        word = self.dbgmcu["CR"]
        if mode is CpuMode.STOP and not self.debug_stop_retroactive:
            word &= self._latched_emulation[name]
        return bool(fields[f"DBG_{bit}{domain}"].extract(word))

    def halt_changed(self, core: Core) -> None:
        """A core entered or left Debug state, in which DBGMCU may freeze peripherals."""
        if self.dbgmcu.freezes(core.name):
            self._update_kernel_clocks()

    def debug_clocks_changed(self) -> None:
        """Take over what DBGMCU keeps clocked and what it freezes.

        Where it keeps the clock of a core in CSleep, CYCCNT counts on.
        """
        for name, domain in (("cm7", "D1"), ("cm4", "D2")):
            self.cores[name].clocked_in_sleep = bool(self.dbgmcu.field("CR", f"DBG_SLEEP{domain}"))
        self._update_kernel_clocks()

    # -- resets -------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Apply VDD: power-on reset, then both cores start as the option bytes say."""
        self.supplied = self.powered = True
        self._stop_cores()
        self.pwr.power_on_reset()
        self.dbgmcu.power_on_reset()
        for name in _BACKUP_DOMAIN:
            self.peripherals[name].reset()
        self._reset_peripherals()
        self.rcc.power_on_reset()
        self._release_after_reset(debug=True)

    def power_off(self) -> None:
        """Take VDD away: everything but flash is lost."""
        self.supplied = self.powered = False
        self._stop_cores()
        self._reset_peripherals()
        self._lose_power(*Domain)

    def _lose_power(self, *domains: Domain) -> None:
        self.memories.lose_power(*domains)
        for memory in MEMORIES:
            if memory.domain in domains:
                self.code_changed(memory.start, memory.size)

    def lose_vcore(self) -> None:
        """The chosen supply does not exist: the core voltage collapses until power is cycled."""
        self.powered = False
        self._stop_cores()
        self._reset_peripherals()

    def set_nrst(self, asserted: bool) -> None:
        """Drive the NRST pin from outside: low resets and holds the chip."""
        if asserted == self.nrst_asserted or not self.powered:
            self.nrst_asserted = asserted
            return
        self.nrst_asserted = asserted
        if asserted:
            self.system_reset()
            if self._reset_release is not None:
                self._reset_release.cancel()
        else:
            self._release_after_reset(debug=False)

    def reset_requested(self, core: Core) -> None:
        """A core or its debugger wrote AIRCR.SYSRESETREQ."""
        self.system_reset(_SYSTEM_RESET_FLAGS[core.name])

    def system_reset(self, *flags: str) -> None:
        """Reset all but the backup domain, DBGMCU, the cores' debug logic and PWR_CR3."""
        self._stop_cores()
        self._reset_peripherals()
        self.rcc.record_reset("C1RSTF", "C2RSTF", "PINRSTF", *flags)
        self._release_after_reset(debug=False)

    def _stop_cores(self) -> None:
        for name, core in self.cores.items():
            self._mode[name] = CpuMode.HELD
            self.scheduler.set_clock(core, on=False)
            wake_up = self._wake_up[name]
            if wake_up is not None:
                wake_up.cancel()
        if self._reset_release is not None:
            self._reset_release.cancel()

    def _reset_peripherals(self) -> None:
        for model in self.peripherals.values():
            if model.name not in _BACKUP_DOMAIN:
                model.reset()
        self.domains.reset()

    def _release_after_reset(self, *, debug: bool) -> None:
        def release() -> None:
            if self.powered and not self.nrst_asserted:
                for name in _ANY:
                    if self.syscfg.boots(name):
                        self._start_core(name, debug=debug)

        self._reset_release = self.schedule(RESET_TIME, release)

    def boot_released(self) -> None:
        """RCC_GCR was written: start a core that was held until now."""
        if self.nrst_asserted or (self._reset_release is not None and self._reset_release.pending):
            return
        for name, bit in (("cm7", 2), ("cm4", 3)):
            if self._mode[name] is CpuMode.HELD and self.rcc["GCR"] & 1 << bit:
                self._start_core(name, debug=False)

    def _start_core(self, name: str, *, debug: bool) -> None:
        core = self.cores[name]
        boot_address = self.syscfg.boot_address(name)
        if name == "cm4":
            self._map_boot_alias(core, boot_address)
        self._mode[name] = CpuMode.RUN
        core.reset(0 if name == "cm4" else boot_address, debug=debug)
        self.scheduler.set_clock(core, on=True)
        self.update_domains()

    def _map_boot_alias(self, core: Core, boot_address: int) -> None:
        """Show the CM4's boot memory at address 0 too (RM0399 table 6, note 4)."""
        memory = memory_at(boot_address)
        if memory is None or not memory.cm4 or memory is BACKUP_SRAM:
            alias = BootAlias(FLASH_BANK2, 0)
        else:
            places = (boot_address - start for start in (memory.start, *memory.aliases))
            alias = BootAlias(memory, next(offset for offset in places if 0 <= offset < memory.size))
        previous = self.interconnect.boot_alias
        if previous != alias:
            if previous is not None:
                core.unmap(0, previous.size)
            pointer = self.memories.pointer(alias.memory) + alias.offset
            core.map(0, alias.size, pointer, alias.memory.writable)
            self.interconnect.boot_alias = alias
