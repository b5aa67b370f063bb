"""What a DMAMUX selects from: request lines of peripherals, triggers and synchronization inputs (RM0399 18.3).

The data is ``data/dma_requests.json``. Names are those of ST's HAL without its prefix: ``USART3_RX``, ``TIM2_UP``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

MUXES = ("DMAMUX1", "DMAMUX2")


@cache
def _names(mux: str, kind: str) -> tuple[str, ...]:
    source = resources.files(__package__).joinpath("data/dma_requests.json")
    rows: list[str] = json.loads(source.read_text("utf-8"))[mux][kind]
    return tuple(name for row in rows for name in row.split())


def _number(mux: str, kind: str, name: str) -> int | None:
    names = _names(mux, kind)
    return names.index(name) if name in names else None


@cache
def request_number(mux: str, name: str) -> int | None:
    """Return DMAREQ_ID of a request line at ``"DMAMUX1"`` or ``"DMAMUX2"``, None if it does not lead there."""
    return _number(mux, "requests", name)


@cache
def trigger_number(mux: str, name: str) -> int | None:
    """Return SIG_ID of a trigger of the request generators, None if it does not lead to this DMAMUX."""
    return _number(mux, "triggers", name)


@cache
def synchronization_number(mux: str, name: str) -> int | None:
    """Return SYNC_ID of a synchronization input, None if it does not lead to this DMAMUX."""
    return _number(mux, "synchronizations", name)
