"""The history of several releases as a picture: one small chart per figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_h7.release.baseline import Baseline

FORMATS = (".svg", ".png")

_COLUMNS = 3
_SIZE = (4.0, 2.6)
"""Of one chart, in inches."""

_FIT = 40
"""Characters of all labels that fit below one chart."""


def draw(path: Path, labels: Sequence[str], releases: Sequence[Baseline]) -> None:
    """Draw the figures of all releases, the oldest at the left: medians, with their spread as bars.

    Raises:
        BaselineError: matplotlib is not installed, or the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise BaselineError(f"{path} is neither an SVG nor a PNG file: name it *.svg or *.png.")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise BaselineError("Charts are drawn with matplotlib: pip install 'pytest-h7[charts]'.") from None

    names = sorted({name for release in releases for name in release.series})
    if not names:
        raise BaselineError("There is no figure to draw in these baselines.")
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * rows), layout="constrained")
    figure.suptitle(f"{releases[-1].board}, {labels[0]} to {labels[-1]}")
    for name, axes in zip(names, figure.subplots(rows, columns, squeeze=False).flat, strict=False):
        _draw_one(axes, name, labels, releases)
    for axes in figure.axes[len(names) :]:
        axes.set_visible(False)
    try:
        # No time of drawing and no identifiers by chance, so that the same figures give the same file.
        with rc_context({"svg.hashsalt": "pytest-h7"}):
            figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise BaselineError(f"The chart {path} cannot be written: {error.strerror}.") from error


def _draw_one(axes: object, name: str, labels: Sequence[str], releases: Sequence[Baseline]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    there = [
        (label, release.series[name])
        for label, release in zip(labels, releases, strict=True)
        if name in release.series
    ]
    medians = [series.median for _, series in there]
    below = [series.median - min(series.values) for _, series in there]
    above = [max(series.values) - series.median for _, series in there]
    positions = [labels.index(label) for label, _ in there]
    axes.errorbar(
        positions, medians, yerr=[below, above], marker="o", capsize=4, color="#1f5fa8", ecolor="#888888"
    )
    last = there[-1][1]
    limit = there[-2][1].limit(is_virtual=releases[-1].is_virtual) if len(there) > 1 else None
    if limit is not None:
        axes.axhline(limit, color="#c0392b", linewidth=0.8, linestyle="--")
    axes.set_title(name, fontsize=9, loc="left")
    axes.set_ylabel(f"{last.unit} ({last.better} is better)", fontsize=7)
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    if sum(map(len, labels)) > _FIT:
        for label in axes.get_xticklabels():
            label.set(rotation=35, horizontalalignment="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(labels) - 0.6)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
