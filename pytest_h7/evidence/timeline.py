"""What both cores and the board did over board time, as tracks.

On the virtual board every change is known. On a real one there is what the debugger happened to read during the
test: each reading is a sample, and between two samples nothing is known (`Timeline.is_exact`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_h7.evidence.samples import SIGNALS, Sample, samples_of

if TYPE_CHECKING:
    from pytest_h7.bench.actions import Action
    from pytest_h7.board.board import Board
    from pytest_h7.evidence.capture import Capture
    from pytest_h7.twin.history import ChipState, History

_ROWS = {
    "cm7": "CM7",
    "cm4": "CM4",
    "d1": "D1",
    "d2": "D2",
    "d3": "D3",
    "hsem0": "HSEM 0",
    "reset": "NRST",
}
_EXTI_ROWS = {"exti_cm7": "EXTI of CM7", "exti_cm4": "EXTI of CM4"}

_PS = 1e-12
_LINES = 96


@dataclass(frozen=True)
class Span:
    """A state that lasts from `start` to `end`, in seconds of board time."""

    start: float
    end: float
    value: str


@dataclass(frozen=True)
class Mark:
    """Something that happens at a moment, or from `start` to `end`."""

    start: float
    end: float
    text: str
    is_error: bool = False


@dataclass
class Track:
    """One line of the timeline: states that follow each other, or marks."""

    name: str
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass
class Timeline:
    """All tracks from `start` to `end`, in seconds of board time.

    Attributes:
        start: Begin of the test, or of what is still known.
        end: When the test had failed.
        is_exact: Whether every change is known, and not only samples.
        tracks: The tracks, from top to bottom.
        resets: When the chip was in reset.
    """

    start: float
    end: float
    is_exact: bool
    tracks: list[Track]
    resets: list[float] = field(default_factory=list)


def make_timeline(board: Board, capture: Capture, start: float) -> Timeline:
    """Return the timeline from `start`, in seconds of board time, to the moment of the capture."""
    end = max(capture.time, start)
    history = board.bench.history
    leds = {name: led.active_high for name, led in board.description.leds.items()}
    if history is not None:
        begin = max(start, history.forgotten_before * _PS)
        timeline = Timeline(begin, end, True, _exact_tracks(history, begin, end, leds))
        timeline.resets = _resets(timeline)
    else:
        timeline = Timeline(start, end, False, _sampled_tracks(samples_of(capture.transfers), start, end))
        timeline.resets = [
            action.end for action in capture.actions if action.text.startswith("reset") and not action.error
        ]
    actions = Track("test", marks=_action_marks(capture.actions, timeline.start, end))
    timeline.tracks.append(actions)
    return timeline


def _resets(timeline: Timeline) -> list[float]:
    spans = [track.spans for track in timeline.tracks if track.name == "NRST"]
    return [
        span.end for track in spans for span in track if span.value == "reset" and span.end < timeline.end
    ]


def _action_marks(actions: Sequence[Action], start: float, end: float) -> list[Mark]:
    return [
        Mark(max(action.start, start), min(action.end, end), action.text, action.error is not None)
        for action in actions
        if action.end >= start and action.start <= end
    ]


# -- every change --------------------------------------------------------------------------------------


def _exact_tracks(history: History, start: float, end: float, leds: dict[str, bool]) -> list[Track]:
    columns = _columns(history)
    tracks = [Track(name, spans_of(columns[signal], start, end)) for signal, name in _ROWS.items()]
    for signal, name in _EXTI_ROWS.items():
        spans = spans_of(columns[signal], start, end)
        if any(span.value for span in spans):
            tracks.append(Track(name, spans))
    for name in dict.fromkeys(name for _, name, _ in history.levels):
        lit = leds.get(name, True)
        words = ("lit", "dark") if name in leds else ("high", "low")
        changes = (
            (time * _PS, words[0] if level is lit else words[1])
            for time, changed, level in history.levels
            if changed == name
        )
        tracks.append(Track(name, spans_of(changes, start, end)))
    tracks.append(Track("console", marks=_console_marks(history, start, end)))
    return tracks


def _columns(history: History) -> dict[str, list[tuple[float, str]]]:
    """Return the changes of each signal; a second of two ticking cores has thousands of them."""
    from pytest_h7.twin.history import ChipState, chip_state

    words: dict[tuple[object, ...], tuple[str, ...]] = {}
    columns: list[list[tuple[float, str]]] = [[] for _ in ChipState._fields]
    last: tuple[str | None, ...] = (None,) * len(columns)
    for time, state in history.states:
        now = words.get(state)
        if now is None:
            now = words[state] = _words(chip_state(state))
        for column, value, before in zip(columns, now, last, strict=True):
            if value is not before and value != before:
                column.append((time * _PS, value))
        last = now
    return dict(zip(ChipState._fields, columns, strict=True))


def _words(state: ChipState) -> tuple[str, ...]:
    # In reset a core does nothing, whatever it was left in.
    cores = ("reset", "reset") if state.reset else (state.cm7, state.cm4)
    return (
        *(*cores, state.d1, state.d2, state.d3),
        *(state.hsem0 or "free", _line_names(state.exti_cm7), _line_names(state.exti_cm4)),
        "reset" if state.reset else "high",
    )


def spans_of(changes: Iterable[tuple[float, str]], start: float, end: float) -> list[Span]:
    """Return states that last from each change of value to the next, within a time."""
    spans: list[Span] = []
    last: tuple[float, str] | None = None
    for time, value in changes:
        if last is not None and value == last[1]:
            continue
        if last is not None and time > start:
            spans.append(Span(max(last[0], start), min(time, end), last[1]))
        if time >= end:
            return [span for span in spans if span.end > span.start]
        last = time, value
    if last is not None:
        spans.append(Span(max(last[0], start), end, last[1]))
    return [span for span in spans if span.end > span.start]


def _line_names(pending: int) -> str:
    return ", ".join(str(line) for line in range(_LINES) if pending >> line & 1)


def _console_marks(history: History, start: float, end: float) -> list[Mark]:
    marks: list[Mark] = []
    line, began, ended = bytearray(), 0.0, 0.0
    for time, character in history.characters:
        ended = time * _PS
        if not line:
            began = ended
        if character == ord("\n"):
            marks.append(Mark(began, ended, line.decode("utf-8", "backslashreplace").rstrip("\r")))
            line.clear()
        else:
            line.append(character & 0xFF)
    if line:
        marks.append(Mark(began, ended, line.decode("utf-8", "backslashreplace")))
    return [mark for mark in marks if start <= mark.start <= end]


# -- samples -------------------------------------------------------------------------------------------


def _sampled_tracks(read: Sequence[Sample], start: float, end: float) -> list[Track]:
    """Return a mark for each reading, and a state between two of them that are the same."""
    samples = [sample for sample in read if start <= sample.time <= end]
    tracks = []
    for signal in SIGNALS:
        own = [sample for sample in samples if sample.signal == signal]
        spans = [Span(one.time, two.time, one.value) for one, two in pairwise(own) if one.value == two.value]
        tracks.append(Track(signal, spans, [Mark(one.time, one.time, one.value) for one in own]))
    return tracks
