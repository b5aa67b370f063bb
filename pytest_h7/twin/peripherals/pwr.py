"""PWR: supply configuration, voltage scaling, and what each core wants of the domains (RM0399 chapter 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.boards import Supply
from pytest_h7.twin.core_modes import OTHER
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.pins import Pull
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_SUPPLY = 0x3F
"""BYPASS, LDOEN, SMPSEN, SMPSEXTHP and SMPSLEVEL in CR3: writable once after power-on."""

_CR1_WRITABLE = 0x0007_C3F1
_CR2_WRITABLE = 0x11
_CR3_WRITABLE = 0x0300_0300
_VOS = 0xC000

_STOPF, _SBF, _CSSF = (1 << bit for bit in (5, 6, 9))
_HOLD_FLAG, _HOLD = 1 << 4, 1 << 10
_SBF_DOMAIN = {"D1": 1 << 7, "D2": 1 << 8}
_FLAGS = _HOLD_FLAG | _STOPF | _SBF | _SBF_DOMAIN["D1"] | _SBF_DOMAIN["D2"]
_CPUCR_WRITABLE = 0x0C07
_PDDS = {"D1": 1 << 0, "D2": 1 << 1, "D3": 1 << 2}
_RUN_D3 = 1 << 11
_WISHES = _RUN_D3 | _PDDS["D1"] | _PDDS["D2"] | _PDDS["D3"]
_REGISTERS = {"cm7": "CPUCR", "cm4": "CPU2CR"}

_HOLD_IRQ = 148
_VOLTAGE_LINE = 16
"""EXTI line of PVD and AVD."""

WAKE_UP_PINS = ("PA0", "PA2", "PI8", "PC13", "PI11", "PC1")
"""Pins of WKUP1 to WKUP6."""

_WAKE_UP_LINE = 55
"""EXTI line of WKUP1; the others follow."""

_PULLS = (Pull.NONE, Pull.UP, Pull.DOWN, Pull.NONE)

_PVD_LEVELS = (1950, 2100, 2250, 2400, 2550, 2700, 2850)
_AVD_LEVELS = (1700, 2100, 2500, 2800)
"""Thresholds of PLS and ALS in mV (RM0399 7.8.1). PLS 7 is pin PVD_IN, taken to be high enough."""

_SUPPLY_SETTLING = 20 * PS_PER_US
_VOS_SETTLING = 20 * PS_PER_US
_BACKUP_REGULATOR_SETTLING = 90 * PS_PER_US
"""Settling times are assumptions; firmware only sees that the ready bit comes after the request."""

_REGULATOR_WAKE_UP = {3: 0, 2: 10 * PS_PER_US, 1: 35 * PS_PER_US}
_LOW_POWER_REGULATOR = 8 * PS_PER_US
"""What SVOS and LPDS add to the wake-up from Stop (RM0399 table 41); the times are assumptions."""


_NO_SUPPLY = {
    Supply.SMPS: (0b001, 0b010),
    Supply.LDO: (0b001, 0b100),
    Supply.EXTERNAL: (0b100,),
}
"""BYPASS, LDOEN and SMPSEN of configurations that leave the core without voltage, by the wiring of the board."""


def _is_legal_supply(value: int) -> bool:
    """Return whether CR3 names a configuration of RM0399 table 33."""
    bypass, ldo, smps, external = (value >> bit & 1 for bit in range(4))
    level = value >> 4 & 3
    match (bypass, ldo, smps):
        case (0, 1, 0) | (1, 0, 0):
            return True
        case (0, 1, 1):
            return level in (1, 2) or (level == 0 and not external)
        case (0, 0, 1):
            return not external
        case (1, 0, 1):
            return level in (1, 2) and bool(external)
    return False


class Pwr(Peripheral):
    """The power controller, on a board wired for one kind of supply.

    VBAT, temperature and USB supply are always in range; PVD and AVD compare VDD, which is VDDA on this board,
    without the hysteresis of the chip.
    """

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "PWR")
        self._supply_written = False
        self._supply_ready = False
        self._voltage_scale = 1
        self._voltages_low = False
        self._settling: dict[str, Event] = {}

    def power_on_reset(self) -> None:
        """Forget everything, the backup domain's part too; the supply can be chosen once again."""
        self._supply_written = False
        self._supply_ready = False
        for event in self._settling.values():
            event.cancel()
        self.load_reset_values()

    def reset(self) -> None:
        """Reset by a system reset: CR2 and CR3 stay (RM0399 7.8.3, 7.8.4), and SBF (7.8.5)."""
        self._reset_keeping("CR2", "CR3")

    def enter_standby(self) -> None:
        """Lose what Standby does not keep, and note that it has been (RM0399 7.7.10)."""
        self._reset_keeping("CR2", "CR3", "WKUPFR", "WKUPEPR")
        for register in _REGISTERS.values():
            self[register] = _SBF

    def _reset_keeping(self, *registers: str) -> None:
        kept = {register: self[register] for register in registers}
        flags = {register: self[register] & _SBF for register in _REGISTERS.values()}
        self.load_reset_values()
        for register, value in (kept | flags).items():
            self[register] = value
        self["D3CR"] |= self._mask("D3CR", "VOSRDY")
        self._voltage_scale = 1
        self._voltages_low = False
        self._configure_wake_up_pins()
        self._drive_wake_up_pins()
        for core in _REGISTERS:
            self.mcu.set_irq(core, _HOLD_IRQ, False)

    def _mask(self, register: str, field: str) -> int:
        return self.map.registers[register].fields[field].mask

    def _settle(self, what: str, delay: int, action: Callable[[], None]) -> None:
        """Schedule the end of a transition, in place of the one before."""
        if what in self._settling:
            self._settling[what].cancel()
        self._settling[what] = self.mcu.schedule(delay, action)

    # -- supply configuration and voltage scaling -------------------------------------------------

    @property
    def vcore_lost(self) -> bool:
        """Whether the chosen supply does not exist on this board, so that the core voltage collapsed."""
        return self._supply_written and self["CR3"] & 0x7 in _NO_SUPPLY[self.mcu.supply]

    def read_CR3(self, master: Master) -> int:
        """External SMPS and USB supplies are ready as soon as they are asked for."""
        value = self["CR3"]
        if self._supply_ready and self.field("CR3", "SMPSEXTHP"):
            value |= self._mask("CR3", "SMPSEXTRDY")
        if self.field("CR3", "USB33DEN") or self.field("CR3", "USBREGEN"):
            value |= self._mask("CR3", "USB33RDY")
        return value

    def write_CR3(self, value: int, master: Master) -> None:
        self["CR3"] = self["CR3"] & 0xFF | value & _CR3_WRITABLE
        if self._supply_written:
            return
        self._supply_written = True
        if not _is_legal_supply(value):
            return
        self["CR3"] = self["CR3"] & ~_SUPPLY | value & _SUPPLY
        if self.vcore_lost:
            self.mcu.lose_vcore()
        else:
            self._settle("supply", _SUPPLY_SETTLING, self._supply_settled)

    def _supply_settled(self) -> None:
        self._supply_ready = True

    def read_CSR1(self, master: Master) -> int:
        ready = self._mask("CSR1", "ACTVOSRDY") if self._supply_ready else 0
        return self._voltage_scale << 14 | ready | self._low_voltages()

    @property
    def voltage_scale(self) -> int:
        """The scale 0 (fastest) to 3 that VCORE has reached; 0 is 1 with SYSCFG_PWRCR.ODEN (RM0399 7.6.2)."""
        scale = 4 - max(1, self._voltage_scale)
        return 0 if scale == 1 and self.mcu.syscfg.field("PWRCR", "ODEN") else scale

    def read_D3CR(self, master: Master) -> int:
        return self["D3CR"]

    def write_D3CR(self, value: int, master: Master) -> None:
        wanted = value & _VOS
        if wanted == self["D3CR"] & _VOS:
            return
        if not self._supply_ready:
            self.mcu.warn(
                "The voltage scale was changed before the supply was configured in PWR_CR3 and ACTVOSRDY was set "
                "(RM0399 7.4.1)."
            )
        self["D3CR"] = wanted
        if wanted >> 14 < self._voltage_scale:
            self._voltage_scale = wanted >> 14
            self.mcu.check_clocks()
        self._settle("voltage", _VOS_SETTLING, self._voltage_settled)

    def boost_changed(self) -> None:
        """SYSCFG_PWRCR.ODEN has changed: VCORE needs time to follow."""
        self["D3CR"] &= ~self._mask("D3CR", "VOSRDY")
        self._settle("voltage", _VOS_SETTLING, self._voltage_settled)

    def _voltage_settled(self) -> None:
        self["D3CR"] |= self._mask("D3CR", "VOSRDY")
        self._voltage_scale = self["D3CR"] >> 14

    # -- supervision ----------------------------------------------------------------------------

    def write_CR1(self, value: int, master: Master) -> None:
        self["CR1"] = self["CR1"] & ~_CR1_WRITABLE | value & _CR1_WRITABLE
        self.mcu.backup_access_changed()
        self.supply_changed()

    def read_CR1(self, master: Master) -> int:
        return self["CR1"]

    def supply_changed(self) -> None:
        """VDD or a threshold has changed: PVD and AVD share an EXTI line (RM0399 table 152, note 1)."""
        low = bool(self._low_voltages())
        if low != self._voltages_low:
            self._voltages_low = low
            self.mcu.exti.edge(_VOLTAGE_LINE, low)

    def _low_voltages(self) -> int:
        """Return PVDO and AVDO as in CSR1."""
        supply, low = self.mcu.supply_millivolts, 0
        level = self.field("CR1", "PLS")
        if self.field("CR1", "PVDEN") and level < len(_PVD_LEVELS) and supply < _PVD_LEVELS[level]:
            low |= self._mask("CSR1", "PVDO")
        if self.field("CR1", "AVDEN") and supply < _AVD_LEVELS[self.field("CR1", "ALS")]:
            low |= self._mask("CSR1", "AVDO")
        return low

    # -- backup domain --------------------------------------------------------------------------

    @property
    def backup_writable(self) -> bool:
        """CR1.DBP: whether the backup domain may be written."""
        return bool(self.field("CR1", "DBP"))

    @property
    def keeps_backup_sram(self) -> bool:
        """Whether the backup regulator is ready to hold the backup SRAM in Standby (RM0399 7.4.4)."""
        return bool(self.field("CR2", "BRRDY"))

    def keep_backup_domain(self, control: int) -> None:
        """Take over CR2 of a backup domain that had its supply all the time; its regulator has settled."""
        self["CR2"] = control
        self._backup_regulator_settled()

    def read_CR2(self, master: Master) -> int:
        return self["CR2"]

    def write_CR2(self, value: int, master: Master) -> None:
        if not self.backup_writable:
            return
        enable = self._mask("CR2", "BREN")
        switched = (value ^ self["CR2"]) & enable
        ready = self["CR2"] & self._mask("CR2", "BRRDY") if value & enable else 0
        self["CR2"] = value & _CR2_WRITABLE | ready
        if switched:
            self._settle("backup regulator", _BACKUP_REGULATOR_SETTLING, self._backup_regulator_settled)

    def _backup_regulator_settled(self) -> None:
        if self.field("CR2", "BREN"):
            self["CR2"] |= self._mask("CR2", "BRRDY")

    # -- low-power wishes and flags -----------------------------------------------------------

    def read_CPUCR(self, master: Master) -> int:
        return self["CPUCR"]

    def write_CPUCR(self, value: int, master: Master) -> None:
        self._write_cpu_control("cm7", value)

    def read_CPU2CR(self, master: Master) -> int:
        return self["CPU2CR"]

    def write_CPU2CR(self, value: int, master: Master) -> None:
        self._write_cpu_control("cm4", value)

    def _write_cpu_control(self, core: str, value: int) -> None:
        register = _REGISTERS[core]
        before = self[register]
        flags = 0 if value & _CSSF else before & _FLAGS
        for domain, flag in _SBF_DOMAIN.items():
            if self.mcu.domain_state(domain) == "standby":
                flags |= before & flag
        self[register] = value & _CPUCR_WRITABLE | flags
        if before & _HOLD_FLAG and not flags & _HOLD_FLAG:
            self.mcu.set_irq(core, _HOLD_IRQ, False)
        if before & _HOLD and not value & _HOLD:
            self.mcu.modes.release(OTHER[core])
        if (before ^ value) & _WISHES:
            self.mcu.update_domains()

    def standby_allowed(self, domain: str) -> bool:
        """Return whether both cores' PDDS bits, and no wake-up flag, let a stopped domain lose its supply."""
        wanted = self["CPUCR"] & self["CPU2CR"] & _PDDS[domain]
        return bool(wanted) and not self["WKUPFR"]  # tables 45 and 47

    @property
    def keeps_d3_running(self) -> bool:
        """Whether a core's RUN_D3 keeps D3 alive while both cores are in CStop."""
        return bool((self["CPUCR"] | self["CPU2CR"]) & _RUN_D3)

    def enter_stop(self) -> None:
        """The system enters Stop: set STOPF."""
        if self.voltage_scale == 0:
            self.mcu.warn("The system entered Stop in VOS0, which is to be left before (RM0399 7.7.8).")
        for register in _REGISTERS.values():
            self[register] |= _STOPF

    def leave_stop(self) -> None:
        """The system leaves Stop: VCORE has the lowest scale again (RM0399 7.6.2)."""
        self["D3CR"] = 1 << 14 | self._mask("D3CR", "VOSRDY")
        self._voltage_scale = 1

    @property
    def regulator_wake_up_time(self) -> int:
        """What the regulator adds to the wake-up from Stop, in picoseconds."""
        scale = self.field("CR1", "SVOS")
        low_power = scale != 3 or self.field("CR1", "LPDS")
        return _REGULATOR_WAKE_UP.get(scale, 0) + (_LOW_POWER_REGULATOR if low_power else 0)

    def record_domain_standby(self, domain: str) -> None:
        """Set SBF_D1 or SBF_D2: the domain has been in DStandby."""
        for register in _REGISTERS.values():
            self[register] |= _SBF_DOMAIN[domain]

    # -- hold -----------------------------------------------------------------------------------

    @property
    def core_to_hold(self) -> str | None:
        """The core that HOLD1 or HOLD2 keeps back when the system leaves Stop; both set is none (table 42)."""
        held = [OTHER[core] for core, register in _REGISTERS.items() if self[register] & _HOLD]
        return held[0] if len(held) == 1 else None

    def report_hold(self, master: str) -> None:
        """Set HOLD2F or HOLD1F and with it the interrupt: the other core, on hold, has been woken up."""
        self[_REGISTERS[master]] |= _HOLD_FLAG
        self.mcu.set_irq(master, _HOLD_IRQ, True)

    # -- wake-up pins ---------------------------------------------------------------------------

    def read_WKUPFR(self, master: Master) -> int:
        return self["WKUPFR"]

    def write_WKUPCR(self, value: int, master: Master) -> None:
        self["WKUPFR"] &= ~value
        self._drive_wake_up_pins()
        self.mcu.update_domains()

    def read_WKUPEPR(self, master: Master) -> int:
        return self["WKUPEPR"]

    def write_WKUPEPR(self, value: int, master: Master) -> None:
        """Choose pins, edges and pulls; a pin that has its level when it is enabled counts as an edge (7.8.10)."""
        enabled = value & ~self["WKUPEPR"]
        self["WKUPEPR"] = value & self.implemented("WKUPEPR")
        self._configure_wake_up_pins()
        for index, pin in enumerate(WAKE_UP_PINS):
            if enabled >> index & 1:
                self.wake_up_pin_changed(pin, self.mcu.pins.level(pin))

    def _configure_wake_up_pins(self) -> None:
        for index, pin in enumerate(WAKE_UP_PINS):
            enabled = bool(self["WKUPEPR"] >> index & 1)
            pull = _PULLS[self["WKUPEPR"] >> 16 + 2 * index & 3] if enabled else Pull.NONE
            self.mcu.pins.set_wake_up(pin, enabled, pull)

    def wake_up_pin_changed(self, pin: str, level: bool) -> None:
        """An enabled wake-up pin has a new level: the one of WKUPPn sets its flag and ends Standby."""
        index = WAKE_UP_PINS.index(pin)
        wanted = not self["WKUPEPR"] >> 8 + index & 1
        if level == wanted:
            self["WKUPFR"] |= 1 << index
            self._drive_wake_up_pins()
            self.mcu.wake_from_standby()

    def _drive_wake_up_pins(self) -> None:
        for index in range(len(WAKE_UP_PINS)):
            self.mcu.exti.set_direct_line(_WAKE_UP_LINE + index, bool(self["WKUPFR"] >> index & 1))
