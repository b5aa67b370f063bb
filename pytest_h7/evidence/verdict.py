"""What is wrong, in sentences: the headline of a page, and what stands out on the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.board.core import CoreState
from pytest_h7.evidence.core_capture import CoreCapture, place_of

if TYPE_CHECKING:
    from pytest_h7.evidence.capture import Capture

_LONGEST = 300
_WATCHDOGS = {
    "IWDG1RSTF": "the independent watchdog of the CM7",
    "IWDG2RSTF": "the independent watchdog of the CM4",
    "WWDG1RSTF": "the window watchdog of the CM7",
    "WWDG2RSTF": "the window watchdog of the CM4",
    "LPWR1RSTF": "an illegal Stop or Standby of D1",
    "LPWR2RSTF": "an illegal Stop or Standby of D2",
}
"""Flags of RCC_RSR that a test seldom wants (RM0399 9.7.31)."""


def headline(error: BaseException) -> str:
    """Return what the test has raised in one line."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else ""
    kind = type(error).__name__
    if kind == "Failed":
        return _shortened(text) or "The test has failed."
    return _shortened(f"{kind}: {text}" if text else kind)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def findings(capture: Capture) -> list[str]:
    """Return what stands out: faults, lockups, overflown stacks, cores out of reach, resets by watchdogs."""
    found = []
    for core in capture.cores.values():
        found += _of_core(core)
    flags = {flag for flags in capture.reset_flags.values() for flag in flags}
    found += [
        f"The chip has been reset by {who} since the reset flags were last cleared ({flag})."
        for flag, who in _WATCHDOGS.items()
        if flag in flags
    ]
    found += [
        f"{port.name} cannot be read: {port.explanation.splitlines()[0]}"
        for port in capture.access_ports
        if port.explanation
    ]
    return found


def _of_core(core: CoreCapture) -> list[str]:
    name = core.name.upper()
    found = []
    if core.state == CoreState.LOCKUP.value:
        found.append(f"The {name} is locked up{_where(core)}.")
    if core.fault is not None:
        found.append(f"The {name} has a fault recorded{_where(core)}: {core.fault}.")
    found += [
        f"The {name} has run over the end of its stack: {stack.name} is 0x{stack.pointer:08X}"
        + (
            f", below 0x{stack.limit:08X} ({stack.limit_is})."
            if stack.limit is not None
            else ", outside of RAM."
        )
        for stack in core.stacks
        if stack.has_overflowed
    ]
    return found


def _where(core: CoreCapture) -> str:
    return f" in {place_of(core.culprit)}" if core.culprit is not None else ""
