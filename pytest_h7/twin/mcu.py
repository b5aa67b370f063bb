"""The STM32H755 as a whole: cores, memories, peripherals, resets and domains on one board time."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from pytest_h7.chip.boards import Supply
from pytest_h7.chip.interrupts import irq_number
from pytest_h7.chip.memory import (
    BACKUP_SRAM,
    FLASH_BANKS,
    FLASH_WORD_SIZE,
    MEMORIES,
    Domain,
    Memory,
    memory_at,
)
from pytest_h7.twin.bus import Master
from pytest_h7.twin.clock_limits import violations
from pytest_h7.twin.core_modes import CoreModes, CpuMode
from pytest_h7.twin.cpu import Core
from pytest_h7.twin.fidelity import UnmodelledAccess
from pytest_h7.twin.interconnect import BootAlias, Interconnect
from pytest_h7.twin.memories import Memories, MemoryState
from pytest_h7.twin.model_state import ModelState, StateKeeper
from pytest_h7.twin.peripherals.analog import Analog
from pytest_h7.twin.peripherals.catalogue import create_models
from pytest_h7.twin.peripherals.dbgmcu import Dbgmcu
from pytest_h7.twin.peripherals.dmamux import Dmamux
from pytest_h7.twin.peripherals.ethernet import Ethernet
from pytest_h7.twin.peripherals.exti import Exti
from pytest_h7.twin.peripherals.flash import Flash
from pytest_h7.twin.peripherals.gpio import Gpio
from pytest_h7.twin.peripherals.hsem import Hsem
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.pwr import Pwr
from pytest_h7.twin.peripherals.rcc import Rcc
from pytest_h7.twin.peripherals.rcc_bank import is_gated
from pytest_h7.twin.peripherals.rtc import Rtc
from pytest_h7.twin.peripherals.syscfg import Syscfg
from pytest_h7.twin.pins import Pins
from pytest_h7.twin.power_domains import PowerDomains
from pytest_h7.twin.resets import NOMINAL_SUPPLY, Resets
from pytest_h7.twin.scheduler import Scheduler, SchedulerState
from pytest_h7.twin.serial_line import SerialLines
from pytest_h7.twin.system_cti import SystemCti
from pytest_h7.twin.timeline import PS_PER_S, Event
from pytest_h7.twin.triggers import Triggers

if TYPE_CHECKING:
    from pytest_h7.twin.debug_port import DebugPort

SEV_PULSE_CYCLES = 512
"""Length of the wake-up pulse that SEV makes (RM0399 table 152, note)."""

_BOTH_ALTERNATE = 0b1010
"""MODER of two pins in their alternate function."""

_SYSTEM_RESET_FLAGS = {"cm7": "SFT1RSTF", "cm4": "SFT2RSTF"}

_unmodelled_access = cache(UnmodelledAccess)
"""One object for all accesses of an instruction makes them quick to count."""

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
        hse_bypass: Whether that is a clock; else it is a crystal, which HSEBYP makes useless.
        supply: How the board supplies the core.
        flash: Where `Memories` keeps the flash; None for one that starts erased.
    """

    unsaved = frozenset({"debug_port", "unmodelled_accesses", "warnings", "_keeper", "observers"})

    def __init__(
        self,
        unique_id: bytes,
        hse_hz: int,
        *,
        hse_bypass: bool = True,
        supply: Supply = Supply.SMPS,
        flash: mmap.mmap | None = None,
    ) -> None:
        self.hse_bypass = hse_bypass
        self.supply = supply
        self.supply_millivolts = 0
        """VDD, which is VDDA on the board: what a debug probe measures."""
        self.supplied = False
        """Whether VDD is high enough for the chip to work."""
        self.powered = False
        """Whether the chip works: VDD and the core voltage are there."""
        self.standby = False
        """Whether the system is in Standby; without a debugger it has no core voltage then."""
        self.intruded = False
        """Whether a debugger was connected, or a core started elsewhere than in flash, since power-on."""
        self.nrst_asserted = False
        self.boot0 = False
        self.backup_access = (True, True)
        """Whether the backup SRAM can be read, and written."""
        self.debug_stop_retroactive = True
        """Whether setting a DBGSTOP or DBGSTBY bit after the domain has stopped gives the core its debug
        clock back; not known of the hardware."""
        self.unmodelled_accesses: Counter[UnmodelledAccess] = Counter()
        """How often firmware has touched what is only stored; not undone by `restore`."""
        self.warnings: Counter[str] = Counter()
        """What a real chip would have let pass in silence, with the figures, and how often it was noticed; not
        undone by `restore`."""
        self.debug_port: DebugPort | None = None
        self._keeper: StateKeeper | None = None
        self.observers: list[Callable[[], None]] = []
        """Called whenever the mode of a core, a domain, a semaphore or a supply may have changed."""
        self.memories = Memories(unique_id, flash)
        self.cores = {
            "cm7": Core("cm7", "cortex-m7", self, self._regions("cm7")),
            "cm4": Core("cm4", "cortex-m4", self, self._regions("cm4")),
        }
        self._masters = {self.cores["cm7"]: Master.CM7, self.cores["cm4"]: Master.CM4}
        self.scheduler = Scheduler(list(self.cores.values()))
        self.modes = CoreModes(self)
        self.resets = Resets(self)
        self.domains = PowerDomains(self)
        self.system_cti = SystemCti(self)

        self.peripherals: dict[str, Peripheral] = {}
        self._interrupt_sources: dict[str, set[str]] = {}
        self._clocked_models: list[Peripheral] = []
        self._enabled_models: list[Peripheral] = []
        self.pins = Pins(self)
        self.analog = Analog(self)
        self.triggers = Triggers()
        self.serial_lines = SerialLines(self)
        self.pwr = self._add(Pwr(self))
        self.rcc = self._add(Rcc(self, hse_hz))
        self.flash = self._add(Flash(self))
        self.syscfg = self._add(Syscfg(self))
        self.exti = self._add(Exti(self))
        self.hsem = self._add(Hsem(self))
        self.dbgmcu = self._add(Dbgmcu(self))
        self.rtc = self._add(Rtc(self))
        self.ethernet = self._add(Ethernet(self))
        self.gpio = {port: self._add(Gpio(self, port, self.pins)) for port in "ABCDEFGHIJK"}
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
        self.enables_changed()
        self.interconnect = Interconnect(self, list(self.peripherals.values()))
        self.guards_changed()

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

    def flash_guard(self, bank: Memory) -> memoryview:
        """Return the bytes that say which words of a flash bank are broken or locked."""
        return self.memories.guard(bank)

    def guards_changed(self) -> None:
        """Show the cores what the guards of the flash say now."""
        self.memories.flash_changed()
        for name, core in self.cores.items():
            for bank in FLASH_BANKS:
                core.guard(bank.start, self.memories.guard_pointer(bank))
            alias = self.interconnect.boot_alias
            if name == "cm4" and alias is not None and alias.memory in FLASH_BANKS:
                core.guard(0, self.memories.guard_pointer(alias.memory) + alias.offset // FLASH_WORD_SIZE)

    def cores_executing_in(self, memory: Memory) -> list[str]:
        """Return the cores whose next instruction comes from a memory, whether they are awake or not."""
        return [
            name for name in self.cores if self.modes.executes(name) and self.executed_memory(name) is memory
        ]

    def executed_memory(self, name: str) -> Memory | None:
        """Return the memory that the next instruction of a core comes from."""
        core = self.cores[name]
        found = self.interconnect.find_memory(core.register(15), self._masters[core])
        return None if found is None else found[0]

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
    def swd_connected(self) -> bool:
        """Whether PA13 and PA14 are SWDIO and SWCLK, as after a reset (RM0399 12.3.2): alternate function 0."""
        port = self.gpio["A"]
        return port["MODER"] >> 26 & 0xF == _BOTH_ALTERNATE and port["AFRH"] >> 20 & 0xFF == 0

    @property
    def software_reaches_apb_d(self) -> bool:
        """Whether the cores, AP0 and AP1 see the debug APB at 0x5C00_0000: CSW.DBGSWEN of AP2."""
        return self.debug_port is None or self.debug_port.dbgswen

    def clocked(self, name: str) -> bool:
        """Return whether a peripheral has its bus clock, because of some core that enables it.

        That core is not stopped, or D3 runs and the peripheral goes on by itself (RM0399 9.5.11).
        """
        if not is_gated(name):
            return True
        for core in self.cores:
            if self.rcc.enabled_by(core, name, asleep=self.modes[core] is not CpuMode.RUN) and (
                self.modes.counts(core) or self._is_autonomous(name)
            ):
                return True
        return False

    def _is_autonomous(self, name: str) -> bool:
        return self.domain_state("D3") == "run" and self.rcc.autonomous(name)

    def count_unmodelled(self, peripheral: str, register: str, master: Master, *, write: bool) -> None:
        """Count a core's access to a register that is only stored."""
        core = master.core
        assert core is not None
        pc = self.cores[core].register(15)
        access = _unmodelled_access(peripheral, register, core, "write" if write else "read", pc)
        self.unmodelled_accesses[access] += 1

    @property
    def unmodelled(self) -> Counter[tuple[str, str, str, str]]:
        """How often each core has read or written a register that is only stored, wherever it did."""
        counted: Counter[tuple[str, str, str, str]] = Counter()
        for access, count in self.unmodelled_accesses.items():
            counted[access[:4]] += count
        return counted

    # -- clocks -------------------------------------------------------------------------------------

    def clock_hz(self, name: str) -> int:
        """Return a clock of the chip in Hz, by the names of `Rcc.clock_hz`."""
        return self.rcc.clock_hz(name)

    def clocks_changed(self) -> None:
        """Take over the frequencies that RCC now stands for, and tell the peripherals."""
        self.update_frequencies()
        self.update_kernel_clocks()

    def update_frequencies(self) -> None:
        """Take over the cores' frequencies."""
        if "RCC" in self.peripherals:
            for name, core in self.cores.items():
                self.scheduler.set_frequency(core, max(1, self.rcc.clock_hz(name)))
            self.check_clocks()

    def update_kernel_clocks(self) -> None:
        """Tell the peripherals that their clocks may have changed, but for those that have none in any case."""
        for model in self._enabled_models:
            model.clock_changed()

    def enables_changed(self) -> None:
        """A core has enabled other peripherals than before; those that nobody enables learn it here."""
        before = self._enabled_models
        self._enabled_models = [model for model in self._clocked_models if self._may_be_clocked(model)]
        for model in before:
            if not self._may_be_clocked(model):
                model.clock_changed()

    def _may_be_clocked(self, model: Peripheral) -> bool:
        if model.runs_by_itself or not is_gated(model.name):
            return True
        return any(self.rcc.enabled_by(core, model.name, asleep=False) for core in self.cores)

    def check_clocks(self) -> None:
        """Warn of clocks that are too fast for the voltage scale or the flash wait states."""
        for sentence in violations(self):
            self.warn(sentence)

    def warn(self, sentence: str) -> None:
        """Note what a real chip would have let pass in silence, or not have survived."""
        self.warnings[sentence] += 1

    # -- signals into the cores -----------------------------------------------------------------------

    def set_irq(self, core: str, irq: int, level: bool) -> None:
        """Drive an interrupt line of a core's NVIC."""
        self.scheduler.touch(self.cores[core])
        self.cores[core].set_irq(irq, level)
        self.modes.signalled(core)

    def pulse_irq(self, core: str, irq: int) -> None:
        """Pulse an interrupt line of a core's NVIC."""
        self.scheduler.touch(self.cores[core])
        self.cores[core].pulse_irq(irq)
        self.modes.signalled(core)

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
        self.modes.event(core)

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

    def dma_listens(self, request: str) -> bool:
        """Return whether a DMA controller would still serve a request."""
        return any(mux.listens(request) for mux in self._request_muxes)

    # -- sleep and wake-up ------------------------------------------------------------------------------

    def mode(self, core: str) -> CpuMode:
        """Return the mode of a core."""
        return self.modes[core]

    def core_slept(self, core: Core) -> None:
        """A core executed WFI or WFE and sleeps now."""
        self.modes.slept(core)
        self.observe()

    def core_woke(self, core: Core) -> None:
        """A core left its sleep."""
        self.modes.woke(core)
        self.observe()

    def exception_changed(self, core: Core) -> None:  # noqa: ARG002
        """A core locked up; or entered an exception or returned from one, if it is asked to tell so."""
        self.observe()

    def observe(self) -> None:
        """Tell who watches the chip that some state may have changed."""
        for look in self.observers:
            look()

    def wakeup_changed(self, core: str) -> None:
        """EXTI's wake-up of a core may have changed."""
        self.modes.wakeup_changed(core)

    def update_domains(self) -> None:
        """Find the domains' states again after anything they depend on has changed."""
        if "RCC" in self.peripherals:
            self.domains.update()
            self.modes.update_debug_clocks()
            self.backup_access_changed()
            self.update_kernel_clocks()
            self.observe()

    def domain_state(self, domain: str) -> str:
        """Return ``"run"``, ``"stop"`` or ``"standby"`` of ``"D1"``, ``"D2"`` or ``"D3"``."""
        return self.domains.states[domain]

    def domain_clock_ready(self, domain: str) -> bool:
        """Return what RCC_CR.D1CKRDY or D2CKRDY shows."""
        return self.domain_state(domain) == "run"

    def core_clocked(self, name: str) -> bool:
        """Return whether the debugger finds a clock at a core's debug registers (RM0399 63.5.8, 9.5.12)."""
        return self.powered and not self.nrst_asserted and self.modes.debug_clock(name)

    def halt_changed(self, core: Core) -> None:
        """A core entered or left Debug state, in which DBGMCU may freeze peripherals."""
        self.observe()
        if self.dbgmcu.freezes(core.name):
            self.update_kernel_clocks()

    def debug_clocks_changed(self) -> None:
        """Take over what DBGMCU keeps clocked and what it freezes."""
        self.modes.update_debug_clocks()
        self.update_kernel_clocks()

    # -- resets -------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Apply VDD: power-on reset, then both cores start as the option bytes say."""
        self.resets.set_supply(NOMINAL_SUPPLY)

    def power_off(self) -> None:
        """Take VDD away: everything but flash is lost."""
        self.resets.set_supply(0)

    def set_supply(self, millivolts: int) -> None:
        """Apply a voltage to VDD and VDDA; the power-down, brownout and voltage detectors see it."""
        self.resets.set_supply(millivolts)

    def lose_vcore(self) -> None:
        """The chosen supply does not exist: the core voltage collapses until power is cycled."""
        self.resets.lose_vcore()

    def enter_standby(self) -> None:
        """All domains may lose their supply, and do."""
        self.resets.enter_standby()

    def wake_from_standby(self) -> None:
        """A wake-up pin or the RTC wants the system awake."""
        if self.standby:
            self.resets.leave_standby()

    def domain_left_standby(self, domain: Domain) -> None:
        """D1 or D2 has its supply again."""
        self.resets.domain_left_standby(domain)

    def debugger_connected(self) -> None:
        """The debug port asks for its power."""
        self.intrude()

    def intrude(self) -> None:
        """Note what locks the flash at RDP level 1 (RM0399 4.5.3)."""
        if not self.intruded:
            self.intruded = True
            self.flash.update_lock()

    def backup_access_changed(self) -> None:
        """Show the cores the backup SRAM as they may access it now.

        Without a clock it reads zero; without PWR_CR1.DBP it ignores writes; RDP may lock it (RM0399 4.5.3,
        7.8.1, 9.5.9).
        """
        readable = self.clocked("BKPRAM") and not self.flash.locked
        access = readable, readable and self.pwr.backup_writable
        if access == self.backup_access:
            return
        self.backup_access = access
        pointer = self.memories.pointer(BACKUP_SRAM) if readable else self.memories.void
        for core in self.cores.values():
            core.unmap(BACKUP_SRAM.start, BACKUP_SRAM.size)
            core.map(BACKUP_SRAM.start, BACKUP_SRAM.size, pointer, access[1])

    def erase_backup_memory(self) -> None:
        """Erase what RDP protects beside the flash: backup SRAM and backup registers."""
        self.memories.clear(BACKUP_SRAM)
        self.code_changed(BACKUP_SRAM.start, BACKUP_SRAM.size)
        self.rtc.erase_backup_registers()

    def set_nrst(self, asserted: bool) -> None:
        """Drive the NRST pin from outside: low resets and holds the chip."""
        self.resets.set_nrst(asserted)

    def reset_requested(self, core: Core) -> None:
        """A core or its debugger wrote AIRCR.SYSRESETREQ."""
        self.system_reset(_SYSTEM_RESET_FLAGS[core.name])

    def reset_core(self, name: str) -> None:
        """Reset one core alone: it starts anew, and everything around it goes on (RM0399 9.7.36)."""
        self.rcc.record_reset("C1RSTF" if name == "cm7" else "C2RSTF")
        self.start_core(name)

    def system_reset(self, *flags: str) -> None:
        """Reset all but the backup domain, DBGMCU, the cores' debug logic and PWR_CR3."""
        self.resets.system_reset(*flags)

    def boot_released(self) -> None:
        """RCC_GCR was written: start a core that was held until now."""
        self.resets.boot_released()

    def start_core(self, name: str) -> None:
        """Let a core fetch its vectors from its boot address."""
        self.resets.start_core(name)

    def map_boot_alias(self, boot_address: int) -> None:
        """Show the CM4's boot memory at address 0 too (RM0399 table 6, note 4)."""
        core = self.cores["cm4"]
        memory = memory_at(boot_address)
        assert memory is not None  # SYSCFG replaces other addresses
        places = (boot_address - start for start in (memory.start, *memory.aliases))
        alias = BootAlias(memory, next(offset for offset in places if 0 <= offset < memory.size))
        previous = self.interconnect.boot_alias
        if previous != alias:
            if previous is not None:
                core.unmap(0, previous.size)
            pointer = self.memories.pointer(alias.memory) + alias.offset
            core.map(0, alias.size, pointer, alias.memory.writable)
            self.interconnect.boot_alias = alias
            self.guards_changed()
