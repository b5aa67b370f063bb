"""What a DMAMUX selects from: request lines of peripherals, triggers and synchronization inputs (RM0399 18.3).

The data is ``data/dma_requests.json``. Names are those of ST's HAL without its prefix: ``USART3_RX``, ``TIM2_UP``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources


@cache
def _names(mux: str, kind: str) -> tuple[str, ...]:
    source = resources.files(__package__).joinpath("data/dma_requests.json")
    rows: list[str] = json.loads(source.read_text("utf-8"))[mux][kind]
    return tuple(name for row in rows for name in row.split())


@cache
def request_number(mux: str, name: str) -> int | None:
    """Return DMAREQ_ID of a request line at ``"DMAMUX1"`` or ``"DMAMUX2"``, None if it does not lead there."""
    names = _names(mux, "requests")
    return names.index(name) if name in names else None


def trigger_name(mux: str, number: int) -> str | None:
    """Return what SIG_ID of a request generator selects, None if nothing."""
    names = _names(mux, "triggers")
    return names[number] if number < len(names) else None


def synchronization_name(mux: str, number: int) -> str | None:
    """Return what SYNC_ID of a channel selects, None if nothing."""
    names = _names(mux, "synchronizations")
    return names[number] if number < len(names) else None
