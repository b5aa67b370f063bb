"""A capture as JSON, for machines; docs/evidence.md tells what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_h7.evidence.samples import describe_transfer
from pytest_h7.evidence.verdict import findings

if TYPE_CHECKING:
    from pytest_h7.evidence.capture import Capture
    from pytest_h7.evidence.core_capture import CoreCapture
    from pytest_h7.evidence.timeline import Timeline

FORMAT = 1
_TRANSFERS = 200


@dataclass(frozen=True)
class Subject:
    """What the evidence is about.

    Attributes:
        test: The test's node id.
        phase: ``"setup"``, ``"call"`` or ``"teardown"``.
        attempt: Which attempt of the test this is, from 1.
        outcome: ``"failed"`` or ``"passed"``.
        failure_class: ``"firmware"``, ``"test"`` or ``"infrastructure"``; None of a test that has passed.
        sentence: What failed, in one line.
        details: The report of the failure as pytest shows it.
        board: What is connected, in lines.
    """

    test: str
    phase: str
    attempt: int
    outcome: str
    failure_class: str | None
    sentence: str
    details: str
    board: tuple[str, ...]


def snapshot(subject: Subject, capture: Capture | None, timeline: Timeline | None) -> str:
    """Return the JSON text."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "test": subject.test,
        "phase": subject.phase,
        "attempt": subject.attempt,
        "outcome": subject.outcome,
        "class": subject.failure_class,
        "sentence": subject.sentence,
        "board": list(subject.board),
    }
    if capture is not None:
        document |= _capture(capture)
    if timeline is not None:
        document["timeline"] = _timeline(timeline)
    return json.dumps(document, indent=1, ensure_ascii=False)


def _capture(capture: Capture) -> dict[str, Any]:
    return {
        "time_s": capture.time,
        "findings": findings(capture),
        "cores": {name: _core(core) for name, core in capture.cores.items()},
        "halted_for_it": list(capture.halted_for_it),
        "domains": capture.domains,
        "semaphores": {str(number): owner for number, owner in capture.semaphores.items()},
        "reset_flags": capture.reset_flags,
        "access_ports": [vars(port) for port in capture.access_ports],
        "option_bytes": capture.option_bytes,
        "peripherals": {
            unit.name: {register.name: _hexadecimal(register.value) for register in unit.registers}
            for unit in capture.peripherals
        },
        "console": capture.console,
        "images": [vars(image) for image in capture.images],
        "actions": [action._asdict() for action in capture.actions],
        "transfers": [
            {"time_s": one.time, "purpose": one.purpose, "command": describe_transfer(one)}
            for one in capture.transfers[-_TRANSFERS:]
        ],
        "cost_transfers": capture.cost,
        "problems": capture.problems,
    }


def _core(core: CoreCapture) -> dict[str, Any]:
    fault = core.fault
    return {
        "state": core.state,
        "executing": core.executing,
        "location": core.location,
        "registers": {name: _hexadecimal(value) for name, value in core.registers.items()},
        "system": {name: _hexadecimal(value) for name, value in core.system.items()},
        "fault": None
        if fault is None
        else {"text": str(fault), "flags": list(fault.flags), "address": fault.address},
        "backtrace": [vars(frame) for frame in core.frames],
        "stacks": [
            {
                "name": stack.name,
                "pointer": _hexadecimal(stack.pointer),
                "is_current": stack.is_current,
                "top": _hexadecimal(stack.top),
                "limit": _hexadecimal(stack.limit),
                "has_overflowed": stack.has_overflowed,
            }
            for stack in core.stacks
        ],
    }


def _hexadecimal(value: int | None) -> str | None:
    return None if value is None else f"0x{value:08X}"


def _timeline(timeline: Timeline) -> dict[str, Any]:
    """Return the tracks; states that ticks make by the thousand are in the VCD alone."""
    return {
        "start_s": timeline.start,
        "end_s": timeline.end,
        "is_exact": timeline.is_exact,
        "tracks": [
            {
                "name": track.name,
                "changes": len(track.spans),
                "states": [[span.start, span.end, span.value] for span in track.spans[-_TRANSFERS:]],
                "marks": [[mark.start, mark.end, mark.text] for mark in track.marks[-_TRANSFERS:]],
            }
            for track in timeline.tracks
        ],
    }
