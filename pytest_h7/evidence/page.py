"""The page: everything of a capture in one HTML file that needs nothing else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_h7.board.core import CoreState
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.evidence.core_capture import place_of
from pytest_h7.evidence.samples import describe_transfer
from pytest_h7.evidence.verdict import findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_h7.evidence.capture import Capture
    from pytest_h7.evidence.core_capture import CoreCapture
    from pytest_h7.evidence.snapshot import Subject
    from pytest_h7.evidence.stacks import StackCapture

_SHOWN_REGISTERS = (*(f"r{number}" for number in range(13)), "lr", "pc", "xpsr", "msp", "psp")
_MASKS = (("primask", 0), ("basepri", 8), ("faultmask", 16), ("control", 24))
_FAULT_REGISTERS = ("CFSR", "HFSR", "MMFAR", "BFAR", "SHCSR", "ICSR", "VTOR", "CCR", "SCR")
_LATEST, _SHOWN_TRANSFERS = 300, 100
_SHOWN_STACK = 48
"""Words of a stack that are shown."""

_SHOWN_CONSOLE = 400
_SHOWN_DETAILS = 60_000


def render_page(subject: Subject, capture: Capture | None, timeline: str | None, files: Sequence[str]) -> str:
    """Return the HTML.

    Args:
        subject: What failed.
        capture: The board, None where the bench is in trouble.
        timeline: The timeline as SVG.
        files: Names of the files beside the page.
    """
    page: str = _template().render(
        subject=subject,
        details=subject.details[:_SHOWN_DETAILS],
        capture=capture,
        findings=findings(capture) if capture is not None else [],
        cores=[_core(core) for core in capture.cores.values()] if capture is not None else [],
        transfers=_transfers(capture) if capture is not None else [],
        console=_console(capture) if capture is not None else None,
        option_bytes=_option_bytes(capture) if capture is not None else [],
        timeline=timeline,
        files=files,
    )
    return page


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_h7.evidence"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["hex"] = lambda value: f"0x{value:08X}"
    return environment.get_template("page.html")


def _core(core: CoreCapture) -> dict[str, Any]:
    registers = [(name, core.registers[name]) for name in _SHOWN_REGISTERS if name in core.registers]
    if "cfbp" in core.registers:
        registers += [(name, core.registers["cfbp"] >> shift & 0xFF) for name, shift in _MASKS]
    return {
        "it": core,
        "name": core.name.upper(),
        "place": place_of(core.culprit) if core.culprit is not None else None,
        "badge": _badge(core),
        "registers": registers,
        "system": [(name, core.system[name]) for name in _FAULT_REGISTERS if name in core.system],
        "stacks": [_stack(stack, core) for stack in core.stacks],
    }


def _badge(core: CoreCapture) -> str:
    if core.fault is not None or core.state == CoreState.LOCKUP.value:
        return "bad"
    return "good" if core.is_reachable else "warn"


def _stack(stack: StackCapture, core: CoreCapture) -> dict[str, Any]:
    words = []
    first = max(stack.address, stack.pointer - 16 & ~3)
    for address in range(first, stack.address + len(stack.data) - 3, 4)[:_SHOWN_STACK]:
        offset = address - stack.address
        value = int.from_bytes(stack.data[offset : offset + 4], "little")
        words.append((address, value, _points_to(value, core)))
    percent = None
    if stack.used is not None and stack.size:
        percent = min(100, round(100 * stack.used / stack.size))
    return {"it": stack, "words": words, "percent": percent}


def _points_to(value: int, core: CoreCapture) -> str:
    """Return which frame a word of the stack returns to."""
    for frame in core.frames:
        if value & 1 and value & ~1 == frame.pc & ~1:
            return f"returns to {place_of(frame)}"
    return ""


def _transfers(capture: Capture) -> list[tuple[float, str, str]]:
    described = [(one.time, one.purpose, describe_transfer(one)) for one in capture.transfers[-_LATEST:]]
    # After each access to memory the probe is asked how it went.
    return [entry for entry in described if entry[2] != "status: ok"][-_SHOWN_TRANSFERS:]


def _console(capture: Capture) -> str | None:
    if capture.console is None:
        return None
    return "\n".join(capture.console.splitlines()[-_SHOWN_CONSOLE:])


def _option_bytes(capture: Capture) -> list[tuple[str, str]]:
    widths = {name: (option.width + 3) // 4 for name, option in OPTION_BYTES.items()}
    return [(name, f"0x{value:0{widths[name]}X}") for name, value in capture.option_bytes.items()]
