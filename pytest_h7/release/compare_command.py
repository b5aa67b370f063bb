"""``pytest-h7 compare``: the baselines of several releases side by side, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.errors import BaselineError
from pytest_h7.release.baseline import Baseline, Series, load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

REGRESSION = 1
"""Exit status when the last release is worse than the one before it."""

_AS_WIDE_AS_IT_IS = 10_000
"""Columns: a table of many releases is cut off nowhere, in a pipe or a log of CI least of all."""


def add_compare_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = add_parser(
        "compare",
        help="show the figures of several releases side by side",
        description="Show the figures of baselines side by side, the oldest first. The exit status is 1 if the "
        "last one has a figure that is worse than the one before allows.",
    )
    parser.add_argument(
        "baselines", nargs="+", metavar="BASELINE", help="a file made with --h7-baseline-save"
    )
    parser.add_argument("--chart", metavar="FILE", help="also draw them into an SVG or PNG file")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    paths = [Path(name) for name in arguments.baselines]
    releases = [load(path) for path in paths]
    kinds = {release.board for release in releases}
    if len(kinds) > 1:
        raise BaselineError(
            f"These baselines were measured on different boards, {' and '.join(sorted(kinds))}: their figures "
            "cannot be compared."
        )
    labels = _labels(paths)
    regressions = _print_table(labels, releases)
    if arguments.chart:
        from pytest_h7.release.chart import draw

        draw(Path(arguments.chart), labels, releases)
    return REGRESSION if regressions else 0


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the names of the files, with their folders where two would be the same."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _print_table(labels: Sequence[str], releases: Sequence[Baseline]) -> list[str]:
    """Print a line for each figure; return the names of those that have become worse."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=releases[-1].board, title_justify="left")
    table.add_column("figure")
    for label in labels:
        table.add_column(label, justify="right")
    table.add_column("unit")
    if len(releases) > 1:
        table.add_column("change", justify="right")
        table.add_column("")
    worse = []
    for name in sorted({name for release in releases for name in release.series}):
        row = [release.series.get(name) for release in releases]
        cells = [_cell(series) for series in row]
        unit = next(series.unit for series in row if series is not None)
        if len(releases) > 1:
            change, verdict = _verdict(row[-2], row[-1], is_virtual=releases[-1].is_virtual)
            cells += [unit, change, verdict]
            if verdict == "worse":
                worse.append(name)
        else:
            cells.append(unit)
        table.add_row(name, *cells, style="bold red" if name in worse else None)
    Console(width=_AS_WIDE_AS_IT_IS).print(table)
    return worse


def _cell(series: Series | None) -> str:
    if series is None:
        return "-"
    spread = f" ± {series.spread / 2:.3g}" if series.spread else ""
    return f"{series.median:.6g}{spread}"


def _verdict(before: Series | None, now: Series | None, *, is_virtual: bool) -> tuple[str, str]:
    """Return the change and what it means."""
    if before is None or now is None:
        return "", "new" if now is not None else "gone"
    if (before.unit, before.better) != (now.unit, now.better):
        return "", "another unit"
    change = f"{100 * (now.median - before.median) / abs(before.median):+.1f} %" if before.median else ""
    if before.is_regression(now.median, is_virtual=is_virtual):
        return change, "worse"
    backwards = Series(
        now.unit, "higher" if now.better == "lower" else "lower", before.values, before.tolerance
    )
    return change, "better" if backwards.is_regression(now.median, is_virtual=is_virtual) else ""
