"""Why a core cannot be reached or does not work: the causes by name, and the answer that names one.

What is known of each cause, such as its remedy, is in `pytest_h7.diagnosis.knowledge`; how it is recognised, in
`pytest_h7.diagnosis.rules`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Cause(enum.Enum):
    """A cause for a core that cannot be reached or used. The value is a sentence for the report."""

    NONE = "The core can be read."

    # Of an access port that does not give access to its core.
    CM4_IN_STOP_WAITING_FOR_HSEM = (
        "The CM4 sleeps in D2 stop until the CM7 releases hardware semaphore 0, "
        "so its debug logic has no clock."
    )
    CM4_MISSED_HSEM_RELEASE = (
        "The CM7 released hardware semaphore 0 before the CM4 slept, so nothing wakes the CM4 any more."
    )
    CM4_IN_STOP = "The CM4 is in CStop and D2 in DStop, so its debug logic has no clock."
    CM4_IN_STOP_D2_ALLOCATED = (
        "The CM4 is in CStop; D2 runs on because the CM7 has a D2 peripheral or memory enabled."
    )
    CM4_IN_SLEEP_WITHOUT_DBGSLEEP = "The CM4 is in CSleep, and DBGMCU does not keep its clock (DBGSLEEP_D2)."
    D2_IN_STANDBY = "D2 is in DStandby: the CM4 has neither clock nor supply."
    CM4_HELD_BY_OPTION_BYTES = "The CM4 is held: option byte BCM4 is 0 and RCC_GCR.BOOT_C2 has not been set."
    CM7_HELD_BY_OPTION_BYTES = "The CM7 is held: option byte BCM7 is 0 and RCC_GCR.BOOT_C1 has not been set."
    CM7_IN_SLEEP_WITHOUT_DBGSLEEP = "The CM7 is in CSleep, and DBGMCU does not keep its clock (DBGSLEEP_D1)."
    CM7_IN_STOP = "The CM7 is in CStop and D1 in DStop, so its debug logic has no clock."
    CM7_IN_STOP_D1_ALLOCATED = (
        "The CM7 is in CStop; D1 runs on because the CM4 has a D1 peripheral or memory enabled."
    )
    D1_IN_STANDBY = "D1 is in DStandby: the CM7 has neither clock nor supply."
    SYSTEM_STOP = "Both cores are in CStop, and the system is in Stop."
    NRST_ASSERTED = "NRST is low: the chip is held in reset."
    BUS_DEAD = "Not even the D3 bus answers: the chip has no clock, no core voltage, or is in Standby."

    # Of a core that can be reached.
    CM7_WITHOUT_FIRMWARE = "The CM7 is locked up: where it boots from there is no firmware."
    CM4_WITHOUT_FIRMWARE = "The CM4 is locked up: where it boots from there is no firmware."
    CM7_LOCKED_UP = "The CM7 is locked up: it had a fault while it was handling one."
    CM4_LOCKED_UP = "The CM4 is locked up: it had a fault while it was handling one."
    CM7_IN_FAULT_HANDLER = "The CM7 is in a fault handler."
    CM4_IN_FAULT_HANDLER = "The CM4 is in a fault handler."
    CM7_GAVE_UP_WAITING_FOR_CM4 = (
        "The CM7 is in its error handler, where ST's start-up goes if D2 does not stop or start in time."
    )

    # Of the chip as a whole, as far as a debugger is concerned.
    D1_DEBUG_CLOCK_OFF = (
        "DBGMCU_CR.DBG_CKD1EN is 0, so a walk through the ROM tables of AP2 fails where they lead into D1."
    )
    DBGSWEN_CLEARED = (
        "A tool has cleared DBGSWEN in AP2's CSW: software, AP0 and AP1 read zeros at 0x5C001000."
    )
    READ_PROTECTED = "The flash is read-protected (RDP level 1): with a debugger connected it cannot be read."
    SECURITY_ENABLED = (
        "The option bit SECURITY is 1: ST's secure firmware starts first, and may keep a debugger out."
    )
    SUPPLY_NOT_CHOSEN = "No firmware has chosen the core supply in PWR_CR3 since power-on (ACTVOSRDY is 0)."
    SUPPLY_REFUSED = (
        "PWR_CR3 was written with a value that it does not take, which only a power cycle makes good "
        "(ACTVOSRDY is 0)."
    )

    # Of a chip that does not answer at all.
    NO_POWER = "The board has no power."
    SYSTEM_STANDBY = (
        "The system is in Standby, without core voltage, which the debug port keeps only for a debugger."
    )
    DEBUG_PINS_TAKEN = "The firmware uses the debug pins PA13 and PA14 for something else."
    CORE_VOLTAGE_LOST = (
        "There is no core voltage: the firmware chose a supply in PWR_CR3 that the board does not have."
    )
    PROTECTED_FOR_EVER = "The chip is protected by RDP level 2, which closes the debug port for ever."
    WIRING = "SWDIO, SWCLK or ground is not connected, or SWCLK is too fast for the wires."
    OTHER_CHIP = "What answers is not an STM32H755: an access port or the device id reads otherwise."
    PROBE_UNUSABLE = "The probe cannot be opened or used."

    UNKNOWN = "Nothing that was read explains it."


Evidence = Mapping[str, int | str]


@dataclass(frozen=True)
class Diagnosis:
    """The answer to "why can this core not be reached?".

    Attributes:
        cause: The most likely cause, `Cause.NONE` when the core can be read.
        candidates: Every cause that fits what was read, most likely first.
        evidence: What was read, by name: ``{"RCC_CR.D2CKRDY": 0, ...}``.
        remedy: What to do about it.
        access_ports: Through which access port each piece of evidence was read; the level of NRST through none.
    """

    cause: Cause
    candidates: tuple[Cause, ...]
    evidence: dict[str, int | str] = field(default_factory=dict)
    remedy: str = ""
    access_ports: dict[str, int] = field(default_factory=dict)

    @property
    def is_hold(self) -> bool:
        """Whether the core has not been released since reset, rather than lost its clock."""
        return self.cause in (Cause.CM4_HELD_BY_OPTION_BYTES, Cause.CM7_HELD_BY_OPTION_BYTES)

    def __str__(self) -> str:
        lines = [self.cause.value]
        if self.remedy:
            lines.append(f"Way out: {self.remedy}")
        others = self.candidates[1:]
        if others:
            lines.append("It may also be: " + " ".join(cause.value for cause in others))
        if self.evidence:
            shown = (f"{name} = {readable(value)}" for name, value in self.evidence.items())
            lines.append("Read: " + ", ".join(shown))
        return "\n".join(lines)


def readable(value: int | str) -> str:
    """Return a piece of evidence as text: small numbers in decimal, others in hexadecimal."""
    return str(value) if isinstance(value, str) or value < 16 else hex(value)


def diagnosis(
    candidates: Sequence[Cause], evidence: dict[str, int | str], access_ports: dict[str, int] | None = None
) -> Diagnosis:
    """Return the diagnosis with these candidates, most likely first, and the remedy for what was read."""
    from pytest_h7.diagnosis.knowledge import remedy_for

    found = tuple(candidates) or (Cause.UNKNOWN,)
    return Diagnosis(found[0], found, evidence, remedy_for(found[0], evidence), access_ports or {})
