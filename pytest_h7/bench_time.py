"""With ``-v``, what each test costs at a bench: its time, and what of it goes into transfers to the probe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TIME, TRANSFERS, PURPOSES = "h7_board_time_s", "h7_transfers", "h7_transfers_for"
"""Names of the properties that a test's report has: what it cost."""

BENCH, FIRMWARE = "h7_bench", "h7_firmware"
"""And where: its board, and its images."""


@dataclass(frozen=True)
class _Cost:
    test: str
    seconds: float
    transfers: int
    purposes: str


def cost_properties(seconds: float, by_purpose: Mapping[str, int]) -> list[tuple[str, object]]:
    """Return what is recorded of a test: seconds of board time, and how many transfers for which purpose."""
    return [
        (TIME, round(seconds, 12)),
        (TRANSFERS, sum(by_purpose.values())),
        (PURPOSES, ", ".join(f"{purpose} {count}" for purpose, count in sorted(by_purpose.items()) if count)),
    ]


def summary(reports: Iterable[pytest.TestReport], *, is_twin: bool) -> list[str]:
    """Return a line for each test that has used the board, the longest first, and their sum.

    On the virtual board the time is that of the simulation, in which a transfer takes what it takes on a real
    bench; so it predicts what the test takes there.
    """
    from pytest_h7.twin.stlink import ROUND_TRIP_TIME
    from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S

    costs = sorted(_costs(reports), key=lambda cost: (-cost.seconds, cost.test))
    if not costs:
        return []
    kind = "predicted bench time" if is_twin else "bench time"
    lines = [f"h7 {kind} (a transfer takes {ROUND_TRIP_TIME / PS_PER_MS:g} ms: pyOCD issue 1504)"]
    for cost in costs:
        share = cost.transfers * ROUND_TRIP_TIME / PS_PER_S
        lines.append(
            f"{cost.seconds:9.3f} s  {share:7.3f} s for {cost.transfers:5} transfers  "
            f"{cost.test} ({cost.purposes})"
        )
    seconds, transfers = sum(cost.seconds for cost in costs), sum(cost.transfers for cost in costs)
    share = transfers * ROUND_TRIP_TIME / PS_PER_S
    lines.append(f"{seconds:9.3f} s  {share:7.3f} s for {transfers:5} transfers  in all")
    return lines


def _costs(reports: Iterable[pytest.TestReport]) -> list[_Cost]:
    costs = []
    for report in reports:
        properties = dict(report.user_properties)
        if report.when == "teardown" and TIME in properties:
            costs.append(
                _Cost(
                    report.nodeid,
                    float(str(properties[TIME])),
                    int(str(properties[TRANSFERS])),
                    str(properties[PURPOSES]),
                )
            )
    return costs
