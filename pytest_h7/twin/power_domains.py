"""What the cores' sleep states make of the power domains (RM0399 7.6, 9.5.10 to 9.5.12)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import Domain, peripheral_domain
from pytest_h7.chip.registers import peripheral, peripheral_names, unlisted_peripherals

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu


class CpuMode(enum.Enum):
    """Mode of a core (RM0399 7.4.3); ``HELD`` is before BCM or BOOT_Cn releases it."""

    HELD = "held"
    RUN = "CRun"
    SLEEP = "CSleep"
    STOP = "CStop"


def _allocatable(domain: Domain) -> frozenset[str]:
    """Peripherals and memories of a domain that keep it running when the other core enables them."""
    names = {name for name in peripheral_names() if peripheral_domain(peripheral(name).base) is domain}
    names |= {name for name, base in unlisted_peripherals().items() if peripheral_domain(base) is domain}
    memories = {
        Domain.D1: {"AXISRAM", "ITCM", "DTCM1", "DTCM2", "FLASH"},
        Domain.D2: {"SRAM1", "SRAM2", "SRAM3"},
    }
    return frozenset(names | memories.get(domain, set()))


class PowerDomains:
    """States of D1, D2 and D3: ``"run"``, ``"stop"`` or ``"standby"``."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._allocatable = {"D1": _allocatable(Domain.D1), "D2": _allocatable(Domain.D2)}
        self.states = {"D1": "run", "D2": "run", "D3": "run"}

    def update(self) -> None:
        """Find the states from the cores' modes; record what firmware can read of it later."""
        mcu = self._mcu
        before = dict(self.states)
        for domain, owner, other in (("D1", "cm7", "cm4"), ("D2", "cm4", "cm7")):
            busy = domain == "D1" and mcu.flash.busy  # RM0399 4.6.2: no low power meanwhile
            if (
                mcu.mode(owner) is not CpuMode.STOP
                or busy
                or (
                    mcu.mode(other) in (CpuMode.RUN, CpuMode.SLEEP)
                    and mcu.rcc.allocated(other, self._allocatable[domain])
                )
            ):
                self.states[domain] = "run"
            elif mcu.pwr.standby_allowed(domain):
                self.states[domain] = "standby"
            else:
                self.states[domain] = "stop"
        stopped = all(mcu.mode(core) is CpuMode.STOP for core in ("cm7", "cm4"))
        self.states["D3"] = "stop" if stopped and not mcu.pwr.keeps_d3_running else "run"
        for domain in ("D1", "D2"):
            if self.states[domain] == "standby" != before[domain]:
                mcu.pwr.record_domain_standby(domain)
        if self.states["D3"] == "stop" != before["D3"]:
            mcu.pwr.record_stop()
        elif before["D3"] == "stop" != self.states["D3"]:
            mcu.rcc.restart_after_stop()

    def reset(self) -> None:
        """All domains run after a reset."""
        self.states = dict.fromkeys(self.states, "run")
