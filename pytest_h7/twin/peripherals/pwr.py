"""PWR: supply configuration, voltage scaling, and what each core wants of the domains (RM0399 chapter 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_SUPPLY = 0x3F
"""BYPASS, LDOEN, SMPSEN, SMPSEXTHP and SMPSLEVEL in CR3: writable once after power-on."""

_ACTVOSRDY = 1 << 13
_VOSRDY = 1 << 13
_DBP = 1 << 8

_STOPF, _SBF, _CSSF = (1 << bit for bit in (5, 6, 9))
_SBF_DOMAIN = {"D1": 1 << 7, "D2": 1 << 8}
_FLAGS = _STOPF | _SBF | _SBF_DOMAIN["D1"] | _SBF_DOMAIN["D2"]
_CPUCR_WRITABLE = 0x0C07
_PDDS = {"D1": 1 << 0, "D2": 1 << 1, "D3": 1 << 2}
_RUN_D3 = 1 << 11

_SUPPLY_SETTLING = 20 * PS_PER_US
_VOS_SETTLING = 20 * PS_PER_US
"""Settling times are assumptions; firmware only sees that the ready bit comes after the request."""


def _is_legal_supply(value: int) -> bool:
    """Return whether CR3 names a configuration of RM0399 table 32."""
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
    """The power controller of a board wired for direct SMPS supply."""

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "PWR")
        self._supply_written = False
        self._supply_ready = False
        self._registers = {"cm7": "CPUCR", "cm4": "CPU2CR"}

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"CR1", "CR2", "WKUPCR", "WKUPFR", "WKUPEPR"})

    @property
    def backup_writable(self) -> bool:
        """CR1.DBP: whether the backup domain may be written."""
        return bool(self["CR1"] & _DBP)

    @property
    def vcore_lost(self) -> bool:
        """Whether the chosen supply does not exist on this board, so that the core voltage collapsed."""
        return self._supply_written and self["CR3"] & 0x7 in (0b001, 0b010)

    def power_on_reset(self) -> None:
        """Forget the supply configuration; it can be written once again."""
        self._supply_written = False
        self._supply_ready = False
        self.load_reset_values()

    def reset(self) -> None:
        """Reset by a system reset: CR3 stays as it was written after power-on (RM0399 7.8.4)."""
        supply = self["CR3"]
        self.load_reset_values()
        self["CR3"] = supply
        self["D3CR"] |= _VOSRDY

    def read_CSR1(self, master: Master) -> int:
        ready = _ACTVOSRDY if self._supply_ready else 0
        return self["D3CR"] & 0xC000 | ready

    def write_CR3(self, value: int, master: Master) -> None:
        self["CR3"] = self["CR3"] & 0xFF | value & 0x0300_0300
        if self._supply_written:
            return
        self._supply_written = True
        if not _is_legal_supply(value):
            return
        self["CR3"] = self["CR3"] & ~_SUPPLY | value & _SUPPLY
        if self.vcore_lost:
            self.mcu.lose_vcore()
        else:
            self.mcu.schedule(_SUPPLY_SETTLING, self._supply_settled)

    def _supply_settled(self) -> None:
        self._supply_ready = self._supply_written

    def read_D3CR(self, master: Master) -> int:
        return self["D3CR"]

    def write_D3CR(self, value: int, master: Master) -> None:
        wanted = value & 0xC000
        if wanted != self["D3CR"] & 0xC000:
            self["D3CR"] = wanted
            self.mcu.schedule(_VOS_SETTLING, self._voltage_settled)

    def _voltage_settled(self) -> None:
        self["D3CR"] |= _VOSRDY

    # -- low-power wishes and flags -----------------------------------------------------------

    def read_CPUCR(self, master: Master) -> int:
        return self["CPUCR"]

    def write_CPUCR(self, value: int, master: Master) -> None:
        self._write_cpu_control("CPUCR", value)

    def read_CPU2CR(self, master: Master) -> int:
        return self["CPU2CR"]

    def write_CPU2CR(self, value: int, master: Master) -> None:
        self._write_cpu_control("CPU2CR", value)

    def _write_cpu_control(self, register: str, value: int) -> None:
        flags = 0 if value & _CSSF else self[register] & _FLAGS
        for domain, flag in _SBF_DOMAIN.items():
            if self.mcu.domain_state(domain) == "standby":
                flags |= self[register] & flag
        self[register] = value & _CPUCR_WRITABLE | flags
        self.mcu.update_domains()

    def standby_allowed(self, domain: str) -> bool:
        """Return whether both cores' PDDS bits let a stopped domain lose its supply."""
        return all(self[register] & _PDDS[domain] for register in self._registers.values())

    @property
    def keeps_d3_running(self) -> bool:
        """Whether a core's RUN_D3 keeps D3 alive while both cores are in CStop."""
        return any(self[register] & _RUN_D3 for register in self._registers.values())

    def record_stop(self) -> None:
        """Set STOPF: the system has been in Stop."""
        for register in self._registers.values():
            self[register] |= _STOPF

    def record_domain_standby(self, domain: str) -> None:
        """Set SBF_D1 or SBF_D2: the domain has been in DStandby."""
        for register in self._registers.values():
            self[register] |= _SBF_DOMAIN[domain]
