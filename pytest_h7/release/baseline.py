"""Baselines: the figures of a release in a file that people can read, compare and put under version control."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pytest_h7.errors import BaselineError

FORMAT = "pytest-h7 baseline 1"

Better = Literal["lower", "higher"]
BETTER: tuple[Better, ...] = ("lower", "higher")

_TIMES = ("s", "ms", "us", "ns")
_DIGITS = 9
_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]+")


def default_tolerance(unit: str, *, is_virtual: bool) -> float:
    """Return by how much a figure may get worse, as a fraction, unless its baseline says otherwise.

    The virtual board gives the same figure in each run, so what differs there is the firmware. On a real board a
    time also holds what the USB bus and the host have added.
    """
    if unit in _TIMES or unit.endswith("/s"):
        return 0.02 if is_virtual else 0.10
    if unit == "cycles":
        return 0.02 if is_virtual else 0.05
    return 0.10


@dataclass(frozen=True)
class Figure:
    """A figure of one test.

    Attributes:
        name: Names it in all releases: letters, digits, ``_``, ``.``, ``-`` and brackets.
        value: Its value.
        unit: The unit of the value, such as ``"us"``, ``"bytes"`` or ``"B/s"``.
        better: Whether a ``"lower"`` or a ``"higher"`` value is better.
    """

    name: str
    value: float
    unit: str
    better: Better

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is no name of a figure: use letters, digits, and any of _ . - [ ]"
            )
        if not self.unit or set(self.unit) & set(" \n"):
            raise ValueError(f"{self.unit!r} is no unit: it must be one word")
        if self.better not in BETTER:
            raise ValueError(f"better is 'lower' or 'higher', not {self.better!r}")
        if self.value != self.value or abs(self.value) == float("inf"):
            raise ValueError(f"{self.name} is {self.value}, which is no figure")

    def dump(self) -> tuple[str, str]:
        """Return the property of a test's report that stands for this figure."""
        return f"{_PROPERTY}{self.name}", f"{self.value:.{_DIGITS}g} {self.unit} {self.better}"


_PROPERTY = "h7_figure:"


def figures_of(properties: Iterable[tuple[str, object]]) -> list[Figure]:
    """Return the figures among the properties of a test's report."""
    found = []
    for name, text in properties:
        if name.startswith(_PROPERTY):
            value, unit, better = str(text).split(" ")
            found.append(Figure(name.removeprefix(_PROPERTY), float(value), unit, cast("Better", better)))
    return found


@dataclass
class Series:
    """What one figure was in the runs of a release.

    Attributes:
        unit: The unit of the values.
        better: Which values are better.
        values: One value per measurement, at least one.
        tolerance: By which fraction of the median a value may be worse; None for `default_tolerance`.
    """

    unit: str
    better: Better
    values: list[float]
    tolerance: float | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """The highest less the lowest value."""
        return max(self.values) - min(self.values)

    def limit(self, *, is_virtual: bool) -> float:
        """Return the worst value that is still no regression; the spread that was seen is no regression either."""
        tolerance = (
            self.tolerance
            if self.tolerance is not None
            else default_tolerance(self.unit, is_virtual=is_virtual)
        )
        margin = max(abs(self.median) * tolerance, self.spread)
        return self.median + margin if self.better == "lower" else self.median - margin

    def is_regression(self, value: float, *, is_virtual: bool) -> bool:
        """Return whether a value is worse than this series allows."""
        limit = self.limit(is_virtual=is_virtual)
        return value > limit if self.better == "lower" else value < limit


@dataclass
class Baseline:
    """The figures of a release.

    Attributes:
        board: The kind of board they were measured on, such as ``"virtual NUCLEO-H755ZI-Q"``.
        firmware: The images by core, each as file name and hash.
        series: The figures by name.
    """

    board: str
    firmware: dict[str, str]
    series: dict[str, Series] = field(default_factory=dict)

    @property
    def is_virtual(self) -> bool:
        """Whether the figures are of the virtual board."""
        return self.board.startswith("virtual ")

    def add(self, figures: Iterable[Figure]) -> None:
        """Add measurements."""
        for figure in figures:
            series = self.series.setdefault(figure.name, Series(figure.unit, figure.better, []))
            if (series.unit, series.better) != (figure.unit, figure.better):
                raise BaselineError(
                    f"{figure.name} is measured in {figure.unit} ({figure.better} is better), and was in "
                    f"{series.unit} ({series.better} is better): give it another name."
                )
            series.values.append(figure.value)

    def save(self, path: Path) -> None:
        """Write the file, sorted, so that two releases can be compared line by line.

        Raises:
            BaselineError: it cannot be written.
        """
        content = {
            "format": FORMAT,
            "board": self.board,
            "firmware": self.firmware,
            "figures": {name: _dump(series) for name, series in sorted(self.series.items())},
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise BaselineError(f"The baseline {path} cannot be written: {error.strerror}.") from error


def _dump(series: Series) -> dict[str, object]:
    dumped: dict[str, object] = {"unit": series.unit, "better": series.better}
    if series.tolerance is not None:
        dumped["tolerance"] = series.tolerance
    return dumped | {
        "median": _rounded(series.median),
        "spread": _rounded(series.spread),
        "values": [_rounded(value) for value in series.values],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def load(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BaselineError: the file cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BaselineError(f"The baseline {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BaselineError(f"The baseline {path} is no JSON file: {error}.") from error
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BaselineError(
            f"{path} is no baseline of pytest-h7: {error}. One is made with --h7-baseline-save."
        ) from error


def _parse(content: Any) -> Baseline:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'its "format" is not "{FORMAT}"')
    return Baseline(
        str(content["board"]),
        {str(core): str(image) for core, image in content["firmware"].items()},
        {str(name): _series(str(name), entry) for name, entry in content["figures"].items()},
    )


def _series(name: str, entry: Mapping[str, Any]) -> Series:
    values = [float(value) for value in entry["values"]]
    if not values:
        raise ValueError(f'"{name}" has no values')
    tolerance = entry.get("tolerance")
    series = Series(
        str(entry["unit"]), entry["better"], values, None if tolerance is None else float(tolerance)
    )
    if series.tolerance is not None and series.tolerance < 0:
        raise ValueError(f'the tolerance of "{name}" is below 0')
    for value in values:
        Figure(name, value, series.unit, series.better)
    return series
