"""The timeline of the virtual board as a VCD file, for GTKWave (IEEE 1364-2005 chapter 18)."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.evidence.timeline import Timeline

_PS = 1e12


def render_vcd(timeline: Timeline) -> str:
    """Return the states of all tracks, and the marks as texts, in picoseconds from the begin of the timeline."""
    from vcd import VCDWriter

    changes: list[tuple[int, int, str]] = []
    names = [track.name for track in timeline.tracks]
    for number, track in enumerate(timeline.tracks):
        changes += [(_time(timeline, span.start), number, span.value) for span in track.spans]
        if not track.spans:
            changes += [(_time(timeline, mark.start), number, mark.text) for mark in track.marks]
    file = StringIO()
    comment = f"begins at {timeline.start:.12f} s of board time"
    with VCDWriter(file, timescale="1 ps", date="", version="pytest-h7", comment=comment) as writer:
        variables = [writer.register_var("board", _word(name), "string", init="") for name in names]
        for time, number, value in sorted(changes):
            writer.change(variables[number], time, _word(value))
        writer.close(_time(timeline, timeline.end))
    return file.getvalue()


def _time(timeline: Timeline, moment: float) -> int:
    return max(round((moment - timeline.start) * _PS), 0)


def _word(text: str) -> str:
    """A value of a VCD is one word."""
    return "_".join(text.split()) or "-"
