"""Finds out why AP3 or AP0 does not give access to its core, from what the other access ports can read.

The rules are those of RM0399 chapters 7 and 9: a core's debug logic has the core's clock, which CSleep, CStop,
DStandby, a boot hold and reset take away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.chip.registers import Register, peripheral
from pytest_h7.diagnosis.causes import Cause, Diagnosis, diagnosis
from pytest_h7.errors import TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection

_RCC, _C1, _C2 = (peripheral(name).registers for name in ("RCC", "RCC_C1", "RCC_C2"))
_PWR, _FLASH, _HSEM, _DBGMCU = (peripheral(name).registers for name in ("PWR", "FLASH", "HSEM", "DBGMCU"))
_DBGMCU_CR_AP2 = DBGMCU_AP2_ADDRESS + _DBGMCU["CR"].offset


@dataclass(frozen=True)
class _Side:
    """A core, its domain, and how either can be looked at through the other core.

    `allocations` are the enable registers, in the other core's bank, of what lies in the domain and keeps it
    running.
    """

    domain: str
    option: str
    release: str
    other_port: int
    other_bank: str
    allocations: tuple[str, ...]
    held: Cause
    asleep: Cause
    allocated: Cause
    standby: Cause


_SIDES = {
    "cm7": _Side(
        domain="D1",
        option="BCM7",
        release="BOOT_C1",
        other_port=3,
        other_bank="RCC_C2",
        allocations=("AHB3ENR", "APB3ENR"),
        held=Cause.CM7_HELD_BY_OPTION_BYTES,
        asleep=Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP,
        allocated=Cause.CM7_IN_STOP_D1_ALLOCATED,
        standby=Cause.D1_IN_STANDBY,
    ),
    "cm4": _Side(
        domain="D2",
        option="BCM4",
        release="BOOT_C2",
        other_port=0,
        other_bank="RCC_C1",
        allocations=("AHB1ENR", "AHB2ENR", "APB1LENR", "APB1HENR", "APB2ENR"),
        held=Cause.CM4_HELD_BY_OPTION_BYTES,
        asleep=Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP,
        allocated=Cause.CM4_IN_STOP_D2_ALLOCATED,
        standby=Cause.D2_IN_STANDBY,
    ),
}


class Evidence:
    """Reads registers for a diagnosis and keeps what was read, by name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.items: dict[str, int | str] = {}

    def word(self, name: str, apsel: int, address: int) -> int | None:
        """Return a register through an access port, None where it does not answer."""
        try:
            return self._connection.read_word(apsel, address)
        except TargetAccessError:
            self.items[name] = "no answer"
            return None

    def fields(
        self, unit: str, register: Register, apsel: int, *names: str, address: int | None = None
    ) -> list[int | None]:
        """Return fields of a register and record each."""
        word = self.word(f"{unit}_{register.name}", apsel, address or register.address)
        values: list[int | None] = []
        for name in names:
            value = None if word is None else register.fields[name].extract(word)
            if value is not None:
                self.items[f"{unit}_{register.name}.{name}"] = value
            values.append(value)
        return values

    def option(self, name: str, apsel: int) -> int | None:
        """Return an option byte of OPTSR and record it; None through a port whose core has no clock either."""
        word = self.word(name, apsel, _FLASH["OPTSR_CUR"].address)
        if not word:  # never zero on a chip that answers: RDP and the boot options are in it
            self.items[name] = "no answer"
            return None
        option = OPTION_BYTES[name]
        value = (word & option.mask) >> option.lsb
        self.items[name] = value
        return value

    def any_enabled(self, bank: str, registers: tuple[str, ...]) -> bool:
        """Return whether one of these clock enable registers is not zero; record those."""
        found = False
        for name in registers:
            word = self.word(f"{bank}_{name}", 1, peripheral(bank).registers[name].address)
            if word:
                self.items[f"{bank}_{name}"] = word
                found = True
        return found


def explain_closed_core(connection: Connection, core: str, *, nrst_is_low: bool) -> Diagnosis:
    """Return why the core named ``"cm7"`` or ``"cm4"`` cannot be reached.

    Args:
        connection: The debug connection; only registers without side effects are read.
        core: The core whose access port is closed.
        nrst_is_low: Whether NRST is low, by the probe or something else.
    """
    evidence = Evidence(connection)
    if nrst_is_low:
        evidence.items["NRST"] = "low"
        return diagnosis([Cause.NRST_ASSERTED], evidence.items)
    control = evidence.word("RCC_CR", 1, _RCC["CR"].address)
    if not control:
        # The D3 bus answers nothing; in Stop DBGMCU can still be read, in Standby it cannot.
        device = evidence.word("DBGMCU_IDCODE", 2, DBGMCU_AP2_ADDRESS)
        return diagnosis([Cause.SYSTEM_STOP, Cause.BUS_DEAD] if device else [Cause.BUS_DEAD], evidence.items)
    for domain in ("D1", "D2"):
        evidence.items[f"RCC_CR.{domain}CKRDY"] = _RCC["CR"].fields[f"{domain}CKRDY"].extract(control)
    return diagnosis(_candidates(evidence, core), evidence.items)


def _candidates(evidence: Evidence, core: str) -> list[Cause]:
    side = _SIDES[core]
    (released,) = evidence.fields("RCC", _RCC["GCR"], 1, side.release)
    option = evidence.option(side.option, side.other_port)
    if option == 0 and not released:
        return [side.held]
    # Where the other core does not answer either, the option bytes cannot be read.
    maybe_held = [side.held] if option is None and not released else []
    if evidence.items[f"RCC_CR.{side.domain}CKRDY"]:
        return _explain_running_domain(evidence, side) + maybe_held
    both = not (evidence.items["RCC_CR.D1CKRDY"] or evidence.items["RCC_CR.D2CKRDY"])
    return [Cause.SYSTEM_STOP] * both + _explain_stopped_domain(evidence, core) + maybe_held


def _explain_running_domain(evidence: Evidence, side: _Side) -> list[Cause]:
    """The core only sleeps, or it has stopped and the other core keeps its domain alive."""
    sleep_bit = f"DBG_SLEEP{side.domain}"
    (keeps_clock,) = evidence.fields("DBGMCU", _DBGMCU["CR"], 2, sleep_bit, address=_DBGMCU_CR_AP2)
    asleep = [side.asleep] if keeps_clock == 0 else []  # else it would answer
    return asleep + [side.allocated] * evidence.any_enabled(side.other_bank, side.allocations)


def _explain_stopped_domain(evidence: Evidence, core: str) -> list[Cause]:
    side = _SIDES[core]
    wish = f"PDDS_{side.domain}"
    wishes = [evidence.fields("PWR", _PWR[register], 1, wish)[0] for register in ("CPUCR", "CPU2CR")]
    if all(wishes):
        return [side.standby]
    return [Cause.CM7_IN_STOP] if core == "cm7" else _explain_stopped_cm4(evidence)


def _explain_stopped_cm4(evidence: Evidence) -> list[Cause]:
    (armed,) = evidence.fields("RCC_C2", _C2["AHB4ENR"], 1, "HSEMEN")
    (visible,) = evidence.fields("RCC_C1", _C1["AHB4ENR"], 1, "HSEMEN")
    if not armed:
        return [Cause.CM4_IN_STOP]
    waiting = [Cause.CM4_IN_STOP_WAITING_FOR_HSEM, Cause.CM4_IN_STOP]
    if not visible:
        # Only the CM4 has HSEM's clock enabled, and the CM4 is stopped: HSEM itself would answer junk.
        return waiting
    (notified,) = evidence.fields("HSEM", _HSEM["C2IER"], 1, "ISE0")
    (freed,) = evidence.fields("HSEM", _HSEM["C2ISR"], 1, "ISF0")
    evidence.fields("HSEM", _HSEM["R0"], 1, "LOCK", "COREID")
    if notified and freed:
        return [Cause.CM4_MISSED_HSEM_RELEASE, Cause.CM4_IN_STOP]
    return waiting if notified else [Cause.CM4_IN_STOP]
