"""What the cores' modes make of the power domains (RM0399 7.6, 7.7.7 to 7.7.10, 9.5.9 to 9.5.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.memory import Domain
from pytest_h7.twin.core_modes import DOMAINS, OTHER, CpuMode

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_STATES = ("D1", "D2", "D3")


class PowerDomains:
    """States of D1, D2 and D3: ``"run"``, ``"stop"`` or ``"standby"``; that of D3 is the system's."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self.states = dict.fromkeys(_STATES, "run")

    def reset(self) -> None:
        """All domains run after a reset."""
        self.states = dict.fromkeys(_STATES, "run")

    def enter_standby(self) -> None:
        """All domains are in Standby with the system."""
        self.states = dict.fromkeys(_STATES, "standby")

    def update(self) -> None:
        """Find the states from the cores' modes; record what firmware can read of it later."""
        mcu = self._mcu
        if mcu.standby:
            return
        before, self.states = self.states, self._find()
        if before["D3"] == "stop" and self.states["D3"] == "run":
            mcu.rcc.restart_after_stop()
            mcu.pwr.leave_stop()
        for core, domain in DOMAINS.items():
            if self.states[domain] == "standby" != before[domain]:
                mcu.pwr.record_domain_standby(domain)
                if not mcu.flash.option(f"nRST_STBY_{domain}"):
                    mcu.modes.low_power_reset(core)
                    return
        if self.states["D3"] == "standby":
            mcu.enter_standby()
            return
        if self.states["D3"] == "stop" != before["D3"]:
            mcu.pwr.enter_stop()
        for left in (Domain.D1, Domain.D2):
            if before[left.value] == "standby" != self.states[left.value]:
                mcu.domain_left_standby(left)
        self.check_code()

    def check_code(self) -> None:
        """Warn of a core that runs on, here but hardly on the chip, out of a memory whose domain has no clock."""
        for owner, domain in DOMAINS.items():
            core = OTHER[owner]
            if self.states[domain] == "run" or self._mcu.modes[core] is not CpuMode.RUN:
                continue
            memory = self._mcu.executed_memory(core)
            if memory is not None and memory.domain.value == domain:
                self._mcu.warn(
                    f"The {core.upper()} executes from {memory.name} while {domain} is in "
                    f"D{self.states[domain].capitalize()}: nothing that this core has enabled in RCC keeps that "
                    "domain running (RM0399 9.5.9)."
                )

    def _find(self) -> dict[str, str]:
        mcu = self._mcu
        states = {domain: self._find_domain(core, domain) for core, domain in DOMAINS.items()}
        awake = not mcu.modes.all_stopped or "run" in states.values()
        if awake or mcu.pwr.keeps_d3_running or mcu.exti.keeps_d3_running:
            states["D3"] = "run"
        elif mcu.modes.waking:
            states["D3"] = self.states["D3"]
        elif set(states.values()) == {"standby"} and mcu.pwr.standby_allowed("D3"):
            states["D3"] = "standby"
        else:
            states["D3"] = "stop"
        return states

    def _find_domain(self, owner: str, domain: str) -> str:
        mcu = self._mcu
        if mcu.modes[owner] is not CpuMode.STOP:
            return "run"
        if domain == "D1" and mcu.flash.busy:
            return "run"  # RM0399 4.6.2: no low power meanwhile
        other = OTHER[owner]
        if mcu.modes[other] in (CpuMode.RUN, CpuMode.SLEEP) and mcu.rcc.banks[other].allocated(domain):
            return "run"
        if self.states[domain] == "standby" or mcu.pwr.standby_allowed(domain):
            return "standby"  # what has no supply any more gets it back only to run
        return "stop"
