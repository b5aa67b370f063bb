"""The gate of a run: takes the figures of its tests, compares them with a baseline and saves them as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.errors import BaselineError, FigureRegressed
from pytest_h7.release.baseline import Baseline, Figure, Series, figures_of, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_h7.bench.settings import Settings

REGRESSED = ("h7_figures", "worse than the baseline")
"""A property of tests that have failed of their figures alone."""


class Gate:
    """What a run compares its figures with, and where it saves them.

    Raises:
        BaselineError: a baseline cannot be read, or is one of another kind of board.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._baseline = load(Path(settings.baseline)) if settings.baseline else None
        self._place = Path(settings.baseline_save) if settings.baseline_save else None
        self._figures: list[Figure] = []
        self._left_out: set[str] = set()
        if self._baseline is not None and settings.is_twin:
            self._require_same_board(self._baseline, settings.baseline, is_virtual=True)
        if self._place is not None and self._place.exists():  # better known before the run than after it
            saved = load(self._place)
            if settings.is_twin:
                self._require_same_board(saved, self._place, is_virtual=True)

    @property
    def is_in_use(self) -> bool:
        """Whether figures are compared or saved."""
        return self._baseline is not None or self._place is not None

    def _kind(self, *, is_virtual: bool) -> str:
        name = self._settings.board_description.name
        return f"virtual {name}" if is_virtual else name

    def _require_same_board(self, baseline: Baseline, path: str | Path | None, *, is_virtual: bool) -> None:
        kind = self._kind(is_virtual=is_virtual)
        if baseline.board != kind:
            raise BaselineError(
                f"The baseline {_shown(path)} was measured on a {baseline.board}, and this is a {kind}: figures "
                "of different boards cannot be compared, and need files of their own."
            )

    def check(self, figures: Iterable[Figure], *, is_virtual: bool) -> None:
        """Compare the figures of a test; those that the baseline does not have are new, and pass.

        Raises:
            FigureRegressed: at least one is worse than the baseline allows.
            BaselineError: the baseline is of another kind of board, or has a figure in another unit.
        """
        baseline = self._baseline
        if baseline is None:
            return
        self._require_same_board(baseline, self._settings.baseline, is_virtual=is_virtual)
        found = Baseline(baseline.board, {})
        found.add(figures)
        worse = []
        for name, series in found.series.items():
            before = baseline.series.get(name)
            if before is None:
                continue
            if (before.unit, before.better) != (series.unit, series.better):
                raise BaselineError(
                    f"{name} is measured in {series.unit} ({series.better} is better), and the baseline has it in "
                    f"{before.unit} ({before.better} is better)."
                )
            if before.is_regression(series.median, is_virtual=is_virtual):
                worse.append(_regression(name, before, series, is_virtual=is_virtual))
        if worse:
            raise FigureRegressed("\n".join(worse))

    def take(self, report: pytest.TestReport) -> None:
        """Take the figures of a test that has ended, unless it has failed of something else than them."""
        figures = figures_of(report.user_properties)
        if report.nodeid in self._left_out:
            return
        if report.failed and REGRESSED not in report.user_properties:
            self._left_out.add(report.nodeid)
        elif report.when == "teardown":
            self._figures += figures

    def finish(self, firmware: dict[str, str], *, is_virtual: bool) -> list[str]:
        """Save the figures if that was asked for; return the lines of the run's summary.

        A file that is there already, with figures of the same firmware, gets more.

        Raises:
            BaselineError: the file cannot be written or has figures of another kind of board, or no figure of this
                run is in the baseline.
        """
        lines = []
        if self._baseline is not None:
            lines.append(self._summary(self._baseline))
        if self._place is not None:
            lines.append(self._save(self._place, firmware, is_virtual=is_virtual))
        return lines

    def _summary(self, baseline: Baseline) -> str:
        names = {figure.name for figure in self._figures}
        known, new = names & set(baseline.series), sorted(names - set(baseline.series))
        if names and not known:
            raise BaselineError(
                f"None of the {len(names)} figures of this run is in the baseline "
                f"{_shown(self._settings.baseline)}: it is one of another firmware."
            )
        missing = sorted(set(baseline.series) - names)
        found = Baseline(baseline.board, {})
        found.add(self._figures)
        worse = [
            name
            for name in sorted(known)
            if baseline.series[name].is_regression(found.series[name].median, is_virtual=baseline.is_virtual)
        ]
        count = len(known) - len(worse)
        parts = [
            f"{count} of {len(baseline.series)} figures of {_shown(self._settings.baseline)} are no worse"
        ]
        parts += [f"worse: {', '.join(worse)}"] if worse else []
        parts += [f"not measured, or by tests that failed otherwise: {', '.join(missing)}"] if missing else []
        parts += [f"new: {', '.join(new)}"] if new else []
        return f"h7 baseline: {'; '.join(parts)}"

    def _save(self, path: Path, firmware: dict[str, str], *, is_virtual: bool) -> str:
        if not self._figures:
            raise BaselineError(
                f"The baseline {path} was not written: no test that passed has measured anything."
            )
        saved = Baseline(self._kind(is_virtual=is_virtual), firmware)
        before = load(path) if path.exists() else None
        if before is not None:
            self._require_same_board(before, path, is_virtual=is_virtual)
            for name, series in before.series.items():
                saved.series[name] = series
                if before.firmware != firmware:
                    series.values.clear()
        saved.add(self._figures)
        saved.series = {name: series for name, series in saved.series.items() if series.values}
        saved.save(path)
        return f"h7 baseline: {len(saved.series)} figures are in {_shown(path)}"


def _change(before: float, now: float) -> str:
    return f" ({100 * (now - before) / abs(before):+.1f} %)" if before else ""


def _regression(name: str, before: Series, now: Series, *, is_virtual: bool) -> str:
    limit, unit = before.limit(is_virtual=is_virtual), now.unit
    direction = "up" if now.better == "lower" else "down"
    return (
        f"{name} is {now.median:.6g} {unit}, and was {before.median:.6g} {unit} in the baseline"
        f"{_change(before.median, now.median)}; {direction} to {limit:.6g} {unit} is no regression."
    )


def _shown(path: str | Path | None) -> str:
    """Return a path as the user would write it: relative where it is below the current folder."""
    absolute, here = Path(str(path)), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
