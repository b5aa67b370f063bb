"""What the cores' sleep states make of the power domains (RM0399 7.6, 9.5.10 to 9.5.12)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import Domain

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu


class CpuMode(enum.Enum):
    """Mode of a core (RM0399 7.4.3); ``HELD`` is before BCM or BOOT_Cn releases it."""

    HELD = "held"
    RUN = "CRun"
    SLEEP = "CSleep"
    STOP = "CStop"


class PowerDomains:
    """States of D1, D2 and D3: ``"run"``, ``"stop"`` or ``"standby"``."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self.states = {"D1": "run", "D2": "run", "D3": "run"}

    def update(self) -> None:
        """Find the states from the cores' modes; record what firmware can read of it later."""
        mcu = self._mcu
        before = self.states
        self.states = self._find()
        for domain in ("D1", "D2"):
            if self.states[domain] == "standby" != before[domain]:
                mcu.pwr.record_domain_standby(domain)
        if self.states["D3"] == "stop" != before["D3"]:
            mcu.pwr.record_stop()
        elif before["D3"] == "stop" != self.states["D3"]:
            mcu.rcc.restart_after_stop()
        for left in (Domain.D1, Domain.D2):
            if before[left.value] == "standby" != self.states[left.value]:
                mcu.domain_left_standby(left)

    def _find(self) -> dict[str, str]:
        mcu = self._mcu
        states = {}
        for domain, owner, other in (("D1", "cm7", "cm4"), ("D2", "cm4", "cm7")):
            busy = domain == "D1" and mcu.flash.busy  # RM0399 4.6.2: no low power meanwhile
            if (
                mcu.mode(owner) is not CpuMode.STOP
                or busy
                or (mcu.mode(other) in (CpuMode.RUN, CpuMode.SLEEP) and mcu.rcc.allocated(other, domain))
            ):
                states[domain] = "run"
            elif self.states[domain] == "standby" or mcu.pwr.standby_allowed(domain):
                states[domain] = "standby"  # what has no supply any more gets it back only to run
            else:
                states[domain] = "stop"
        stopped = all(mcu.mode(core) is CpuMode.STOP for core in ("cm7", "cm4"))
        states["D3"] = "stop" if stopped and not mcu.pwr.keeps_d3_running else "run"
        return states

    def reset(self) -> None:
        """All domains run after a reset."""
        self.states = dict.fromkeys(self.states, "run")
