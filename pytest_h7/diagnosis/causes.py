"""Why a core cannot be reached: the causes by name, with what can be done about each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Cause(enum.Enum):
    """A cause for AP3, or AP0, not giving access to its core. The value is a sentence for the report."""

    NONE = "The core can be read."
    CM4_IN_STOP_WAITING_FOR_HSEM = (
        "The CM4 sleeps in D2 stop until the CM7 releases hardware semaphore 0, "
        "so its debug logic has no clock."
    )
    CM4_MISSED_HSEM_RELEASE = (
        "The CM7 released hardware semaphore 0 before the CM4 slept, so the CM4 sleeps in D2 stop for ever."
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
    UNKNOWN = "Nothing that was read explains it."


REMEDIES = {
    Cause.NONE: "",
    Cause.CM4_IN_STOP_WAITING_FOR_HSEM: (
        "Let the CM7 run past its release of semaphore 0, or connect with --h7-low-power-debug=on."
    ),
    Cause.CM4_MISSED_HSEM_RELEASE: (
        "The CM7 must wait for D2CKRDY = 0 before it releases semaphore 0; reset the board to start again."
    ),
    Cause.CM4_IN_STOP: "Wake the CM4 by one of its EXTI lines, or connect with --h7-low-power-debug=on.",
    Cause.CM4_IN_STOP_D2_ALLOCATED: (
        "Wake the CM4 by one of its EXTI lines, or connect with --h7-low-power-debug=on."
    ),
    Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP: "Connect with --h7-low-power-debug=sleep.",
    Cause.D2_IN_STANDBY: "Wake the CM4 by one of its EXTI lines, or connect with --h7-low-power-debug=on.",
    Cause.CM4_HELD_BY_OPTION_BYTES: "Set RCC_GCR.BOOT_C2 from the CM7, or the option byte BCM4 to 1.",
    Cause.CM7_HELD_BY_OPTION_BYTES: "Set RCC_GCR.BOOT_C1 from the CM4, or the option byte BCM7 to 1.",
    Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP: "Connect with --h7-low-power-debug=sleep.",
    Cause.CM7_IN_STOP: "Wake the CM7 by one of its EXTI lines, or connect with --h7-low-power-debug=on.",
    Cause.CM7_IN_STOP_D1_ALLOCATED: (
        "Wake the CM7 by one of its EXTI lines, or connect with --h7-low-power-debug=on."
    ),
    Cause.D1_IN_STANDBY: "Wake the CM7 by one of its EXTI lines, or connect with --h7-low-power-debug=on.",
    Cause.SYSTEM_STOP: "Connect under reset, with --h7-low-power-debug=on if the firmware must stay in Stop.",
    Cause.NRST_ASSERTED: "Release NRST: look for a pressed reset button, or another debugger holding it.",
    Cause.BUS_DEAD: "Power-cycle the board; if it stays dead, check the supply the firmware chose in PWR_CR3.",
    Cause.UNKNOWN: "Connect under reset and look at the evidence.",
}
"""What to do about each cause."""


@dataclass(frozen=True)
class Diagnosis:
    """The answer to "why can this core not be reached?".

    Attributes:
        cause: The most likely cause, `Cause.NONE` when the core can be read.
        candidates: Every cause that fits what was read, most likely first.
        evidence: What was read, by name: ``{"RCC_CR.D2CKRDY": 0, ...}``.
        remedy: What to do about it.
    """

    cause: Cause
    candidates: tuple[Cause, ...]
    evidence: dict[str, int | str] = field(default_factory=dict)
    remedy: str = ""

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
        shown = (
            f"{name} = {value if isinstance(value, str) or value < 16 else hex(value)}"
            for name, value in self.evidence.items()
        )
        if self.evidence:
            lines.append("Read: " + ", ".join(shown))
        return "\n".join(lines)


def diagnosis(candidates: list[Cause], evidence: dict[str, int | str]) -> Diagnosis:
    """Return the diagnosis with these candidates, most likely first."""
    found = tuple(candidates) or (Cause.UNKNOWN,)
    return Diagnosis(found[0], found, evidence, REMEDIES[found[0]])
