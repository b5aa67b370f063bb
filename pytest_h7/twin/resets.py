"""Supply, Standby and resets: what starts the cores again, and what each of them leaves (RM0399 7.7.10, 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.memory import BACKUP_SRAM, MEMORIES, SYSTEM_MEMORIES, Domain, memory_at, peripheral_domain
from pytest_h7.twin.core_modes import CORES, CpuMode
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_h7.chip.memory import Memory
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

RESET_TIME = 20 * PS_PER_US
"""Length of the pulse an internal reset puts on NRST, at least (RM0399 9.4.2)."""

STANDBY_WAKE_UP_TIME = 400 * PS_PER_US
"""From a wake-up in Standby to the first instruction. An assumption, in the order of what a regulator, HSI and
the option bytes take."""

NOMINAL_SUPPLY = 3300
"""VDD of the board, in mV."""

_POWER_DOWN, _POWER_UP = 1620, 1670
"""Thresholds of the power-down and the power-on reset in mV (typical values of DS12110, STM32H743)."""

_BROWNOUT = {0: (0, 0), 1: (2000, 2100), 2: (2310, 2410), 3: (2610, 2700)}
"""BOR_LEV -> threshold of the brownout reset for a falling and a rising VDD in mV (typical, DS12110)."""

_STANDBY_CIRCUITRY = ("IWDG1", "IWDG2", "PWR")
"""Peripherals that the return from Standby does not reset (RM0399 table 56, stby_rst), or not wholly."""


class Resets:
    """The power of the chip and all its resets."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._release: Event | None = None
        self._brownout = False

    # -- supply ---------------------------------------------------------------------------------

    def set_supply(self, millivolts: int) -> None:
        """Apply a supply voltage to VDD and VDDA; below the power-down threshold everything stops."""
        mcu = self._mcu
        mcu.supply_millivolts = millivolts
        if mcu.supplied and millivolts < _POWER_DOWN:
            self._power_off()
        elif not mcu.supplied and millivolts >= _POWER_UP:
            self._power_on()
        if mcu.supplied:
            self._watch_brownout()
            mcu.pwr.supply_changed()

    def _watch_brownout(self) -> None:
        """Hold the chip in reset while VDD is below the level of the option bytes (RM0399 7.5.2)."""
        falling, rising = _BROWNOUT[self._mcu.flash.option("BOR_LEV")]
        supply = self._mcu.supply_millivolts
        if not self._brownout and supply < falling:
            self.system_reset("BORRSTF")
            self._brownout = True
        elif self._brownout and supply >= rising:
            self._brownout = False
            self._release_later(RESET_TIME)

    def _power_on(self) -> None:
        mcu = self._mcu
        mcu.supplied = mcu.powered = True
        mcu.standby = False
        mcu.intruded = False
        self._stop()
        mcu.pwr.power_on_reset()
        mcu.dbgmcu.power_on_reset()
        self._reset_peripherals()
        mcu.flash.update_lock()
        mcu.rcc.power_on_reset()
        self._reset_cores(*CORES)
        self._release_later(RESET_TIME)

    def _power_off(self) -> None:
        mcu = self._mcu
        mcu.supplied = mcu.powered = mcu.standby = self._brownout = False
        self._stop()
        self._reset_peripherals()
        self._lose_memories(tuple(Domain))
        if mcu.debug_port is not None:
            mcu.debug_port.power_on_reset()

    def lose_vcore(self) -> None:
        """The chosen supply does not exist: the core voltage collapses until power is cycled."""
        self._mcu.powered = False
        self._stop()
        self._reset_peripherals()

    def _lose_memories(self, domains: Collection[Domain], *kept: Memory) -> None:
        """Clear the RAM of some domains, but for some of it."""
        mcu = self._mcu
        for memory in MEMORIES:
            if memory.domain in domains and memory not in kept:
                mcu.memories.clear(memory)
                mcu.code_changed(memory.start, memory.size)

    # -- Standby --------------------------------------------------------------------------------

    def enter_standby(self) -> None:
        """Take the core voltage from all domains; D3 keeps it while a debugger is connected (RM0399 63.3.3)."""
        mcu = self._mcu
        mcu.standby = True
        self._stop()
        mcu.pwr.enter_standby()
        self._reset_peripherals(_STANDBY_CIRCUITRY)
        mcu.domains.enter_standby()
        emulated = [
            Domain(domain) for domain in ("D1", "D2") if mcu.dbgmcu.field("CR", f"DBG_STANDBY{domain}")
        ]
        kept = (BACKUP_SRAM,) if mcu.pwr.keeps_backup_sram else ()
        self._lose_memories([domain for domain in Domain if domain not in emulated], *kept)
        self._reset_cores(*CORES)
        if mcu.debug_port is None or not mcu.debug_port.powered_up:
            mcu.powered = False
            if mcu.debug_port is not None:
                mcu.debug_port.power_on_reset()

    def leave_standby(self) -> None:
        """Wake up from Standby: the cores start as after a reset, BOOT0 read anew (RM0399 7.7.10)."""
        self._supply_again()
        self._mcu.rcc.record_reset("D1RSTF", "D2RSTF")
        self._release_later(STANDBY_WAKE_UP_TIME)

    def _supply_again(self) -> None:
        self._mcu.standby = False
        self._mcu.powered = True
        self._mcu.domains.reset()

    def domain_left_standby(self, domain: Domain) -> None:
        """D1 or D2 has its supply again: what is in it starts from reset (RM0399 7.7.9, 9.4.3)."""
        mcu = self._mcu
        mcu.rcc.record_reset(f"{domain.value}RSTF")
        if not mcu.dbgmcu.field("CR", f"DBG_STANDBY{domain.value}"):
            self._lose_memories([domain])
        for model in mcu.peripherals.values():
            if peripheral_domain(model.base) is domain:
                model.reset()
        core = "cm7" if domain is Domain.D1 else "cm4"
        self._reset_cores(core)
        mcu.modes.domain_restarted(core)

    # -- resets ---------------------------------------------------------------------------------

    def set_nrst(self, asserted: bool) -> None:
        """Drive the NRST pin from outside: low resets and holds the chip, out of Standby too."""
        mcu = self._mcu
        if asserted == mcu.nrst_asserted or not (mcu.powered or mcu.standby):
            mcu.nrst_asserted = asserted
            return
        mcu.nrst_asserted = asserted
        if asserted:
            self.system_reset()
            if self._release is not None:
                self._release.cancel()
        else:
            self._release_later(RESET_TIME)

    def system_reset(self, *flags: str) -> None:
        """Reset all but the backup domain, DBGMCU, the cores' debug logic and PWR_CR3."""
        from_standby = self._mcu.standby
        if from_standby:
            self._supply_again()
        self._stop()
        self._reset_peripherals()
        self._mcu.rcc.record_reset("C1RSTF", "C2RSTF", "PINRSTF", *flags)
        self._release_later(STANDBY_WAKE_UP_TIME if from_standby else RESET_TIME)

    def _stop(self) -> None:
        self._mcu.modes.reset()
        if self._release is not None:
            self._release.cancel()

    def _reset_peripherals(self, excepted: Collection[str] = ()) -> None:
        for model in self._mcu.peripherals.values():
            if model.name not in excepted:
                model.reset()
        self._mcu.domains.reset()

    # -- start of the cores ---------------------------------------------------------------------

    def _reset_cores(self, *names: str) -> None:
        """Reset cores with their debug logic, as the return of their supply does."""
        for name in names:
            self._mcu.cores[name].reset(0, debug=True)
        if "cm7" in names:
            self._mcu.system_cti.reset()

    def _release_later(self, delay: int) -> None:
        def release() -> None:
            mcu = self._mcu
            if mcu.powered and not mcu.nrst_asserted and not self._brownout:
                for name in CORES:
                    if mcu.syscfg.boots(name):
                        self.start_core(name)

        self._release = self._mcu.schedule(delay, release)

    def boot_released(self) -> None:
        """RCC_GCR was written: start a core that was held until now."""
        if self._mcu.nrst_asserted or (self._release is not None and self._release.pending):
            return
        for name, bit in (("cm7", 2), ("cm4", 3)):
            if self._mcu.modes[name] is CpuMode.HELD and self._mcu.rcc["GCR"] & 1 << bit:
                self.start_core(name)

    def start_core(self, name: str) -> None:
        """Let a core fetch its vectors from its boot address; its debug logic stays as it is."""
        mcu = self._mcu
        boot_address = mcu.syscfg.boot_address(name)
        memory = memory_at(boot_address)
        if memory in SYSTEM_MEMORIES:
            mcu.warn(
                f"The {name.upper()} started in system memory at 0x{boot_address:08X}, where the virtual board "
                "has no boot loader of ST's."
            )
        if memory is None or memory.writable or memory in SYSTEM_MEMORIES:
            mcu.intrude()
        if name == "cm4":
            mcu.map_boot_alias(boot_address)
        mcu.modes.start(name)
        mcu.cores[name].reset(0 if name == "cm4" else boot_address)
        mcu.flash.stall_executing()
        mcu.update_domains()
