"""The timeline as an SVG: a picture that stands alone, for light and dark, and that many changes do not blow up.

What changes more often than once in a pixel is drawn as a mixture, as dense as the states last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_h7.evidence.timeline import Mark, Span, Timeline, Track

_WIDTH, _LABELS, _ROW, _GAP, _TOP = 1160, 110, 18, 8, 30
_LANE = 14
_LANES = 5
_CHARACTER = 6.1
"""Width of a character of a label, about."""

_PLOT = _WIDTH - _LABELS - 10
_LEVELS = 4
_TICKS = 8
_DETAIL = 8
"""How much longer a test must be than a part of it for the part to have a picture of its own."""

_BOOT = 0.03
_LAST = 0.02

_CLASSES = {
    "CRun": "run",
    "running": "run",
    "run": "run",
    "lit": "lit",
    "high": "high",
    "CSleep": "sleep",
    "sleeping": "sleep",
    "CStop": "stop",
    "stop": "stop",
    "standby": "off",
    "held": "off",
    "no clock": "off",
    "halted": "halt",
    "lockup": "bad",
    "reset": "bad",
    "cm7": "cm7",
    "cm4": "cm4",
    "dark": "none",
    "low": "none",
    "free": "none",
    "": "none",
}
_ALWAYS = ("CM7", "CM4", "D1", "D2", "D3", "HSEM 0")
_MARKED = ("console", "test")
"""Tracks of moments; the others are of states."""

_NARROWEST_LABELLED = 60

_STYLE = """
.h7 { --ink: #1d2733; --soft: #66727f; --line: #dfe4ea; --back: #fff; --run: #2f9e62; --sleep: #a9d8bd;
  --stop: #c9d3e0; --off: #8793a3; --halt: #e0a021; --bad: #d43c3c; --cm7: #3d7edb; --cm4: #8a5bd6; --lit: #f2b705;
  --high: #5b9bd5; --mark: #3d7edb;
  font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; background: var(--back); }
@media (prefers-color-scheme: dark) { .h7 { --ink: #dfe6ee; --soft: #93a0ae; --line: #2b3542;
  --back: #151b23; --run: #3fb777; --sleep: #24563c; --stop: #33404f; --off: #5d6a79; --halt: #d99a1c;
  --bad: #e55353;
  --cm7: #5a97ea; --cm4: #a27be6; --lit: #e9b91a; --high: #4c83b5; --mark: #5a97ea; } }
.h7 text { fill: var(--ink); } .h7 .soft { fill: var(--soft); } .h7 .name { font-weight: 600; }
.h7 .title { font-size: 12px; font-weight: 600; }
.h7 .grid { stroke: var(--line); } .h7 .base { stroke: var(--line); }
.h7 .run { fill: var(--run); } .h7 .sleep { fill: var(--sleep); } .h7 .stop { fill: var(--stop); }
.h7 .off { fill: var(--off); } .h7 .halt { fill: var(--halt); } .h7 .bad { fill: var(--bad); }
.h7 .cm7 { fill: var(--cm7); } .h7 .cm4 { fill: var(--cm4); } .h7 .lit { fill: var(--lit); }
.h7 .high { fill: var(--high); } .h7 .pending { fill: var(--halt); } .h7 .mark { fill: var(--mark); }
.h7 .wrong { fill: var(--bad); } .h7 .sample { stroke: var(--ink); } .h7 .sampled { opacity: .45; }
"""


class _Part(NamedTuple):
    title: str
    start: float
    end: float


class _Box(NamedTuple):
    """A state of a track: from which pixel to which, and how much of the height."""

    left: int
    right: int
    value: str
    share: float


def render_timeline(timeline: Timeline) -> str:
    """Return the SVG: the whole test and, of a long one, its start after the last reset and its end."""
    parts = _parts(timeline)
    pieces, top = [], 0.0
    for part in parts:
        drawn, height = _draw_part(timeline, part)
        pieces.append(f'<g transform="translate(0 {top:.0f})">{drawn}</g>')
        top += height + 14
    legend, height = _legend(timeline)
    pieces.append(f'<g transform="translate(0 {top:.0f})">{legend}</g>')
    top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="h7" role="img" aria-label="Timeline" '
        f'viewBox="0 0 {_WIDTH} {top:.0f}" width="{_WIDTH}" height="{top:.0f}">'
        f"<style>{_STYLE}</style>"
        f'<rect width="{_WIDTH}" height="{top:.0f}" fill="var(--back)"/>{"".join(pieces)}</svg>'
    )


def _parts(timeline: Timeline) -> list[_Part]:
    length = timeline.end - timeline.start
    parts = [_Part(f"Whole test, {_duration(length)}", timeline.start, timeline.end)]
    resets = [time for time in timeline.resets if timeline.start < time < timeline.end]
    if resets and length > _DETAIL * _BOOT:
        start = resets[-1] - _BOOT / 20
        end = min(start + _BOOT, timeline.end)
        parts.append(_Part(f"{_duration(end - start)} from the last reset", start, end))
    if length > _DETAIL * _LAST:
        parts.append(_Part(f"Last {_duration(_LAST)}", timeline.end - _LAST, timeline.end))
    return parts


def _draw_part(timeline: Timeline, part: _Part) -> tuple[str, float]:
    scale = _PLOT / max(part.end - part.start, 1e-12)
    pieces = [f'<text class="title" x="0" y="12">{escape(part.title)}</text>']
    body: list[str] = []
    y = _TOP + 6.0
    for track in timeline.tracks:
        spans = _within(track.spans, part)
        marks = [mark for mark in track.marks if mark.end >= part.start and mark.start <= part.end]
        if track.name not in _MARKED:
            is_quiet = track.name not in _ALWAYS and all(_kind(track, span.value) == "none" for span in spans)
            if not (is_quiet and not marks):
                body += _draw_states(track, spans, part, scale, y, is_exact=timeline.is_exact)
                if not timeline.is_exact:
                    body += _draw_samples(track, marks, part, scale, y)
                y += _ROW + _GAP
        elif marks:
            drawn, height = _draw_marks(track, marks, part, scale, y)
            body += drawn
            y += height + _GAP
    for time, label in _ticks(part):
        x = _LABELS + (time - part.start) * scale
        anchor = "start" if time == part.start else "end" if x > _WIDTH - 60 else "middle"
        pieces.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{y:.0f}"/>')
        pieces.append(f'<text class="soft" x="{x:.1f}" y="{_TOP - 4}" text-anchor="{anchor}">{label}</text>')
    return "".join(pieces + body), y


def _ticks(part: _Part) -> Iterator[tuple[float, str]]:
    """Return moments at round distances from the begin of a part, and their labels."""
    length = part.end - part.start
    rough = max(length, 1e-12) / _TICKS
    power = 10.0 ** _floor_log(rough)
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    for number in range(int(length / step) + 1):
        yield part.start + number * step, f"+{_duration(number * step)}" if number else f"{part.start:.6f} s"


def _floor_log(value: float) -> int:
    exponent = 0
    while value < 1:
        value *= 10
        exponent -= 1
    while value >= 10:
        value /= 10
        exponent += 1
    return exponent


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.4g} {unit}"
    return f"{seconds * 1e9:.4g} ns"


# -- states -------------------------------------------------------------------------------------------


def _draw_states(
    track: Track, spans: list[Span], part: _Part, scale: float, y: float, *, is_exact: bool
) -> list[str]:
    middle = y + _ROW / 2
    pieces = [
        _name(track.name, y),
        f'<line class="base" x1="{_LABELS}" x2="{_LABELS + _PLOT}" y1="{middle:.1f}" y2="{middle:.1f}"/>',
    ]
    labels = []
    sampled = "" if is_exact else " sampled"
    for box in _boxes(spans, part, scale, lambda value: _kind(track, value) == "none"):
        kind = _kind(track, box.value)
        if kind == "none":
            continue
        height, width = _ROW * box.share, box.right - box.left
        pieces.append(
            f'<rect class="{kind}{sampled}" x="{box.left}" y="{y + _ROW - height:.1f}" width="{width}" '
            f'height="{height:.1f}"><title>{escape(f"{track.name}: {box.value}")}</title></rect>'
        )
        if box.share == 1 and width > max(_CHARACTER * len(box.value) + 8, _NARROWEST_LABELLED):
            labels.append(f'<text x="{box.left + 4}" y="{y + 13:.1f}">{escape(box.value)}</text>')
    return pieces + labels


def _draw_samples(track: Track, marks: list[Mark], part: _Part, scale: float, y: float) -> list[str]:
    if not marks:
        return [f'<text class="soft" x="{_LABELS + 4}" y="{y + 13:.1f}">not read</text>']
    pixels = {round((mark.start - part.start) * scale): mark.text for mark in marks}
    return [
        f'<rect class="{kind if (kind := _kind(track, value)) != "none" else "off"}" x="{_LABELS + pixel - 1}" '
        f'y="{y:.1f}" width="2" height="{_ROW}"><title>{escape(f"{track.name}: {value}")}</title></rect>'
        for pixel, value in sorted(pixels.items())
    ]


def _kind(track: Track, value: str) -> str:
    """Return the class of a state; ``"none"`` is not worth drawing."""
    if track.name == "NRST" and value == "high":
        return "none"
    return _CLASSES.get(value, "pending")


def _within(spans: Iterable[Span], part: _Part) -> list[Span]:
    return [span for span in spans if span.end > part.start and span.start < part.end]


def _boxes(spans: list[Span], part: _Part, scale: float, is_nothing: Callable[[str], bool]) -> Iterator[_Box]:
    """Return boxes of whole pixels; in a pixel with several states each has a share of its height."""
    columns = [_mixture(shares, is_nothing) for shares in _columns(spans, part, scale)]
    for mixture, group in groupby(enumerate(columns), key=lambda column: column[1]):
        pixels = [pixel for pixel, _ in group]
        for value, share in mixture:
            yield _Box(_LABELS + pixels[0], _LABELS + pixels[-1] + 1, value, share)


def _columns(spans: list[Span], part: _Part, scale: float) -> list[dict[str, float]]:
    """Return for each pixel how much of its time there is which state."""
    columns: list[dict[str, float]] = [{} for _ in range(_PLOT)]
    for span in spans:
        left = max((span.start - part.start) * scale, 0.0)
        right = min((span.end - part.start) * scale, float(_PLOT))
        for pixel in range(int(left), min(int(right) + 1, _PLOT)):
            covered = min(right, pixel + 1) - max(left, pixel)
            if covered > 0:
                columns[pixel][span.value] = columns[pixel].get(span.value, 0.0) + covered
    return columns


def _mixture(shares: dict[str, float], is_nothing: Callable[[str], bool]) -> tuple[tuple[str, float], ...]:
    """Return states with their shares in steps: the most frequent one is drawn whole, others in front of it."""
    if len(shares) == 1:
        return tuple((value, 1.0) for value in shares)
    if shares:
        # A short event would be lost in what is not drawn.
        shares = {value: share for value, share in shares.items() if not is_nothing(value)}
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return tuple(
        (value, max(round(share * _LEVELS), 1) / _LEVELS if index else 1.0)
        for index, (value, share) in enumerate(ordered)
    )


# -- marks --------------------------------------------------------------------------------------------


def _draw_marks(
    track: Track, marks: list[Mark], part: _Part, scale: float, y: float
) -> tuple[list[str], float]:
    """Draw marks with their texts in lanes; where there is no room for a text, the mark alone."""
    pieces = [_name(track.name, y)]
    ends = [float("-inf")] * _LANES
    used = 1
    pixels: set[int] = set()
    for mark in marks:
        left = _LABELS + max((mark.start - part.start) * scale, 0.0)
        right = _LABELS + min(max((mark.end - part.start) * scale, 0.0), float(_PLOT))
        text = mark.text if len(mark.text) <= 60 else mark.text[:59] + "…"
        width = _CHARACTER * len(text) + 8
        at = min(left, _LABELS + _PLOT - width) if width < _PLOT else float(_LABELS)
        lane = next((lane for lane, end in enumerate(ends) if end <= at), None)
        if lane is None and round(left) in pixels:
            continue  # there is a mark already
        pixels.add(round(left))
        used = max(used, (lane or 0) + 1)
        top = y + _LANE * (lane or 0)
        kind = "wrong" if mark.is_error else "mark"
        title = f"<title>{escape(mark.text)} (+{escape(_duration(mark.start - part.start))})</title>"
        pieces.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{top + 1:.1f}" width="{max(right - left, 1.5):.1f}" '
            f'height="3">{title}</rect>'
        )
        if lane is not None:
            ends[lane] = max(at + width, right)
            pieces.append(f'<text x="{at:.1f}" y="{top + 13:.1f}">{escape(text)}</text>')
    return pieces, _LANE * used + 2


def _name(name: str, y: float) -> str:
    return f'<text class="name" x="{_LABELS - 10}" y="{y + 13:.1f}" text-anchor="end">{escape(name)}</text>'


def _legend(timeline: Timeline) -> tuple[str, float]:
    """Explain the states that occur, and how much is known."""
    values = dict.fromkeys(span.value for track in timeline.tracks for span in track.spans)
    words: dict[str, str] = {}
    for value in values:
        kind = _CLASSES.get(value, "pending")
        if kind not in ("none", "pending", "high"):
            words.setdefault(kind, value)
    pieces, x = [], float(_LABELS)
    for kind, word in words.items():
        pieces.append(f'<rect class="{kind}" x="{x:.0f}" y="2" width="12" height="12" rx="2"/>')
        pieces.append(f'<text x="{x + 17:.0f}" y="12">{escape(word)}</text>')
        x += 32 + _CHARACTER * len(word)
    known = (
        "Every change is shown."
        if timeline.is_exact
        else "Sampled: known at the small strokes only, where the debugger has read it."
    )
    pieces.append(f'<text class="soft" x="{x + 10:.0f}" y="12">{known}</text>')
    return "".join(pieces), 20
