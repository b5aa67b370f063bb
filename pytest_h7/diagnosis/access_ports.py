"""Finds out why AP3 or AP0 does not give access to its core, from what the other ports can read.

The rules are those of RM0399 chapters 7 and 9: a core's debug logic has the core's clock, which CSleep, CStop,
DStandby, a boot hold and reset take away.
"""

from __future__ import annotations

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
        """Return an option byte of OPTSR and record it."""
        word = self.word(name, apsel, _FLASH["OPTSR_CUR"].address)
        if word is None:
            return None
        option = OPTION_BYTES[name]
        value = (word & option.mask) >> option.lsb
        self.items[name] = value
        return value


def explain_closed_core(connection: Connection, core: str, *, nrst_asserted: bool) -> Diagnosis:
    """Return why the core named ``"cm7"`` or ``"cm4"`` cannot be reached.

    Args:
        connection: The debug connection; only registers without side effects are read.
        core: The core whose access port is closed.
        nrst_asserted: Whether the probe holds NRST low.
    """
    evidence = Evidence(connection)
    if nrst_asserted:
        evidence.items["NRST"] = "low"
        return diagnosis([Cause.NRST_ASSERTED], evidence.items)
    control = evidence.word("RCC_CR", 1, _RCC["CR"].address)
    if not control:
        # The D3 bus answers nothing; in Stop DBGMCU can still be read, in Standby it cannot.
        device = evidence.word("DBGMCU_IDCODE", 2, DBGMCU_AP2_ADDRESS)
        return diagnosis([Cause.SYSTEM_STOP, Cause.BUS_DEAD] if device else [Cause.BUS_DEAD], evidence.items)
    for domain in ("D1", "D2"):
        evidence.items[f"RCC_CR.{domain}CKRDY"] = _RCC["CR"].fields[f"{domain}CKRDY"].extract(control)
    if core == "cm7":
        return diagnosis(_explain_cm7(evidence), evidence.items)
    return diagnosis(_explain_cm4(evidence), evidence.items)


def _explain_cm7(evidence: Evidence) -> list[Cause]:
    (released,) = evidence.fields("RCC", _RCC["GCR"], 1, "BOOT_C1")
    bcm7 = evidence.option("BCM7", 3)
    bcm4 = evidence.option("BCM4", 3)
    if bcm7 == 0 and bcm4 == 1 and not released:
        return [Cause.CM7_HELD_BY_OPTION_BYTES]
    if not evidence.items["RCC_CR.D1CKRDY"]:
        return [Cause.CM7_IN_STOP]
    (keeps_clock,) = evidence.fields(
        "DBGMCU", _DBGMCU["CR"], 2, "DBG_SLEEPD1", address=DBGMCU_AP2_ADDRESS + _DBGMCU["CR"].offset
    )
    return [Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP] if keeps_clock == 0 else []


def _explain_cm4(evidence: Evidence) -> list[Cause]:
    (released,) = evidence.fields("RCC", _RCC["GCR"], 1, "BOOT_C2")
    bcm4 = evidence.option("BCM4", 0)
    if bcm4 == 0 and not released:
        return [Cause.CM4_HELD_BY_OPTION_BYTES]
    if not evidence.items["RCC_CR.D2CKRDY"]:
        return _explain_stopped_d2(evidence)
    (keeps_clock,) = evidence.fields(
        "DBGMCU", _DBGMCU["CR"], 2, "DBG_SLEEPD2", address=DBGMCU_AP2_ADDRESS + _DBGMCU["CR"].offset
    )
    # D2 runs, so either the core only sleeps, or it has stopped and the CM7 keeps its domain alive. With
    # DBGSLEEP_D2 set a sleeping core would answer.
    stopped = [Cause.CM4_IN_STOP_D2_ALLOCATED]
    return [Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP, *stopped] if keeps_clock == 0 else stopped


def _explain_stopped_d2(evidence: Evidence) -> list[Cause]:
    wishes = [evidence.fields("PWR", _PWR[register], 1, "PDDS_D2")[0] for register in ("CPUCR", "CPU2CR")]
    if all(wishes):
        return [Cause.D2_IN_STANDBY]
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
