"""What is known of each cause: the remedy, how sure it is and by what source, and whose business it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.diagnosis.causes import Cause

if TYPE_CHECKING:
    from pytest_h7.diagnosis.causes import Evidence


class Certainty(enum.Enum):
    """How sure it is that what is read means this."""

    SOURCED = "sourced"
    INFERRED = "inferred"


class Concern(enum.Enum):
    """What is wrong with a board that shows this cause; it becomes the doctor's exit code."""

    NOTHING = "nothing"
    FIRMWARE = "firmware"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True)
class Knowledge:
    """What is known of a cause.

    Attributes:
        remedy: What to do about it.
        certainty: Whether the meaning of what is read is published, or concluded from what is.
        source: Where that is published.
        concern: What is wrong: nothing, the firmware with its option bytes, or the infrastructure.
        special_remedies: Remedies that fit better when something in particular was read: name, value and remedy.
    """

    remedy: str
    certainty: Certainty
    source: str
    concern: Concern = Concern.FIRMWARE
    special_remedies: tuple[tuple[str, int | str, str], ...] = ()


_SOURCED, _INFERRED = Certainty.SOURCED, Certainty.INFERRED
_NOTHING, _BENCH = Concern.NOTHING, Concern.INFRASTRUCTURE

_KEEP_STOPPED = "connect with --h7-low-power-debug=on"
_KEEP_ASLEEP = "Connect with --h7-low-power-debug=sleep."
_UNDER_RESET = "connect under reset (--h7-connect=under-reset, or `pytest-h7 recover`)"
_BOOT_PIN = (
    "Take the power away, join BOOT0 to 3.3 V, give it power again so that no firmware starts, and run "
    "`pytest-h7 recover`."
)


def _wake(core: str) -> str:
    return f"Wake the {core} by one of its EXTI lines, or {_KEEP_STOPPED}."


KNOWLEDGE = {
    Cause.NONE: Knowledge("", _SOURCED, "RM0399 63.4.2", _NOTHING),
    Cause.CM4_IN_STOP_WAITING_FOR_HSEM: Knowledge(
        f"Let the CM7 run past its release of semaphore 0, or {_KEEP_STOPPED}.",
        _INFERRED,
        "RM0399 9.5.12 and 63.3.3; AN5361",
        special_remedies=(
            (
                "HSEM_R0.LOCK",
                1,
                "The CM7 has taken semaphore 0 and keeps it: look at what it does before it releases it.",
            ),
            (
                "CM7",
                "halted",
                "Resume the CM7, which a debugger has halted before its release of semaphore 0, then connect to "
                f"the CM4; or {_KEEP_STOPPED}.",
            ),
        ),
    ),
    Cause.CM4_MISSED_HSEM_RELEASE: Knowledge(
        "The CM7 must wait for D2CKRDY = 0 before it releases semaphore 0; reset the board to start again.",
        _INFERRED,
        "RM0399 11.3; Zephyr issue 38504",
    ),
    Cause.CM4_IN_STOP: Knowledge(_wake("CM4"), _SOURCED, "RM0399 9.5.12 and 63.3.3"),
    Cause.CM4_IN_STOP_D2_ALLOCATED: Knowledge(_wake("CM4"), _SOURCED, "RM0399 table 39, table 66 and 9.5.12"),
    Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP: Knowledge(
        _KEEP_ASLEEP, _SOURCED, "RM0399 9.5.12 and 63.5.8", _NOTHING
    ),
    Cause.D2_IN_STANDBY: Knowledge(_wake("CM4"), _SOURCED, "RM0399 7.7.9"),
    Cause.CM4_HELD_BY_OPTION_BYTES: Knowledge(
        "Set RCC_GCR.BOOT_C2 from the CM7, or the option byte BCM4 to 1.", _SOURCED, "RM0399 2.6 and 9.7.36"
    ),
    Cause.CM7_HELD_BY_OPTION_BYTES: Knowledge(
        "Set RCC_GCR.BOOT_C1 from the CM4, or the option byte BCM7 to 1.", _SOURCED, "RM0399 2.6 and 9.7.36"
    ),
    Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP: Knowledge(
        _KEEP_ASLEEP, _SOURCED, "RM0399 9.5.12 and 63.5.8", _NOTHING
    ),
    Cause.CM7_IN_STOP: Knowledge(_wake("CM7"), _SOURCED, "RM0399 9.5.12 and 63.3.3"),
    Cause.CM7_IN_STOP_D1_ALLOCATED: Knowledge(_wake("CM7"), _SOURCED, "RM0399 table 39, table 66 and 9.5.12"),
    Cause.D1_IN_STANDBY: Knowledge(_wake("CM7"), _SOURCED, "RM0399 7.7.9"),
    Cause.SYSTEM_STOP: Knowledge(
        "Connect under reset, with --h7-low-power-debug=on if the firmware must stay in Stop.",
        _INFERRED,
        "RM0399 7.7.7 and 63.3.3",
    ),
    Cause.NRST_ASSERTED: Knowledge(
        "Release NRST: look for a pressed reset button, or another debugger holding it.",
        _INFERRED,
        "pyOCD issue 1148",
        _BENCH,
    ),
    Cause.BUS_DEAD: Knowledge(
        "Power-cycle the board; if it stays dead, check the supply the firmware chose in PWR_CR3.",
        _INFERRED,
        "RM0399 63.3.3",
    ),
    Cause.CM7_WITHOUT_FIRMWARE: Knowledge(
        "Program bank 1, or have the option bytes BOOT_CM7_ADD0 and BCM7 right.",
        _SOURCED,
        "Arm DDI0403E B1.5.15; RM0399 2.6",
    ),
    Cause.CM4_WITHOUT_FIRMWARE: Knowledge(
        "Program bank 2, or set the option byte BCM4 to 0 if the CM4 is not used.",
        _SOURCED,
        "Arm DDI0403E B1.5.15; RM0399 2.6",
    ),
    Cause.CM7_LOCKED_UP: Knowledge(
        "Look at the fault that it has recorded and at its stack; a reset starts it again.",
        _SOURCED,
        "Arm DDI0403E B1.5.15",
    ),
    Cause.CM4_LOCKED_UP: Knowledge(
        "Look at the fault that it has recorded and at its stack; a reset starts it again.",
        _SOURCED,
        "Arm DDI0403E B1.5.15",
    ),
    Cause.CM7_IN_FAULT_HANDLER: Knowledge(
        "Look at the fault that it has recorded; a reset starts it again.",
        _SOURCED,
        "Arm DDI0403E B1.5.2",
    ),
    Cause.CM4_IN_FAULT_HANDLER: Knowledge(
        "Look at the fault that it has recorded; a reset starts it again.",
        _SOURCED,
        "Arm DDI0403E B1.5.2",
    ),
    Cause.CM7_GAVE_UP_WAITING_FOR_CM4: Knowledge(
        "Have both firmwares start up the same way, do not halt the CM4 at the reset (in STM32CubeIDE, "
        'without "halt all cores"), and reset the board.',
        _INFERRED,
        "AN5361; BootCM4_CM7 of STM32CubeH7",
    ),
    Cause.D1_DEBUG_CLOCK_OFF: Knowledge(
        "Set DBG_CKD1EN and DBG_CKD3EN in DBGMCU_CR before reading AP2's ROM tables; pytest-h7 does at connect.",
        _SOURCED,
        "RM0399 63.5.8; pyOCD issue 1404",
        _NOTHING,
    ),
    Cause.DBGSWEN_CLEARED: Knowledge(
        "Set bit 31 of CSW of AP2, or power-cycle the board.", _SOURCED, "pyOCD issue 1312", _BENCH
    ),
    Cause.READ_PROTECTED: Knowledge(
        "Go back to RDP level 0 with STM32CubeProgrammer, which erases all flash.", _SOURCED, "RM0399 4.5.3"
    ),
    Cause.SECURITY_ENABLED: Knowledge(
        "Clear SECURITY with STM32CubeProgrammer if secure firmware is not wanted.",
        _SOURCED,
        "RM0399 chapter 4",
    ),
    Cause.SUPPLY_NOT_CHOSEN: Knowledge(
        "Have the firmware choose in PWR_CR3 the supply that the board is wired for, before it changes clocks.",
        _SOURCED,
        "RM0399 7.4.1 and 7.8.4",
        _NOTHING,
    ),
    Cause.SUPPLY_REFUSED: Knowledge(
        "Power-cycle the board, and have the firmware choose the supply that the board is wired for.",
        _SOURCED,
        "RM0399 7.4.1 and 7.8.4",
    ),
    Cause.NO_POWER: Knowledge("Plug in its supply and check the power jumper.", _SOURCED, "UM2408", _BENCH),
    Cause.SYSTEM_STANDBY: Knowledge(
        f"Wake it up by its WKUP pin or RTC, or {_UNDER_RESET}.", _INFERRED, "RM0399 7.7.10 and 63.3.3"
    ),
    Cause.DEBUG_PINS_TAKEN: Knowledge(
        f"Before its firmware runs the pins are the debugger's: {_UNDER_RESET}.", _SOURCED, "RM0399 63.3.1"
    ),
    Cause.CORE_VOLTAGE_LOST: Knowledge(
        _BOOT_PIN, _INFERRED, "RM0399 7.4.1; readme of PWR_VOS0_480MHZ, STM32CubeH7"
    ),
    Cause.PROTECTED_FOR_EVER: Knowledge(
        "None; a chip of this kind cannot be debugged any more.", _SOURCED, "RM0399 4.5.3"
    ),
    Cause.WIRING: Knowledge(
        "Check the wires, and try a slower --frequency.", _INFERRED, "Arm IHI0031C B4", _BENCH
    ),
    Cause.OTHER_CHIP: Knowledge(
        "Use this probe with its own board, and a slower --frequency with long wires.",
        _SOURCED,
        "RM0399 63.4.2 and 63.5.8",
        _BENCH,
    ),
    Cause.PROBE_UNUSABLE: Knowledge(
        "Have the probe plugged in, free and permitted, then ask again.", _SOURCED, "libusb", _BENCH
    ),
    Cause.UNKNOWN: Knowledge("Connect under reset and look at the evidence.", _INFERRED, ""),
}
"""Every cause."""


def remedy_for(cause: Cause, evidence: Evidence) -> str:
    """Return what to do about a cause where this was read."""
    known = KNOWLEDGE[cause]
    for name, value, remedy in known.special_remedies:
        if evidence.get(name) == value:
            return remedy
    return known.remedy
