"""Debug port, access ports, ROM tables and component identification (RM0399 chapter 63)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pytest_h7.chip.memory import Domain


@dataclass(frozen=True, slots=True)
class AccessPortInfo:
    """Identification of an access port (RM0399 section 63.4.2)."""

    apsel: int
    type: str
    idr: int
    base: int
    csw: int
    domain: Domain
    reaches: str


@dataclass(frozen=True, slots=True)
class Component:
    """A CoreSight component behind an access port: a ROM table has `entries`, others have none.

    `words` holds the read-only words of its 4 KB page by offset: identification registers, ROM table
    entries and the few others whose reset value is known.
    """

    apsel: int
    name: str
    base: int
    domain: Domain
    entries: tuple[int, ...]
    words: dict[int, int]


_ID_OFFSETS = (0xFD0, 0xFE0, 0xFE4, 0xFE8, 0xFEC, 0xFF0, 0xFF4, 0xFF8, 0xFFC)
"""PIDR4, PIDR0 to PIDR3, CIDR0 to CIDR3 (Arm IHI0029E B2.2)."""


@cache
def _data() -> dict[str, Any]:
    source = resources.files(__package__).joinpath("data/coresight.json")
    data: dict[str, Any] = json.loads(source.read_text("utf-8"))
    return data


def debug_port() -> dict[str, int]:
    """Return ``DPIDR``, ``TARGETID``, ``DLPIDR`` and the reset value of ``DLCR``."""
    return {name: int(value, 16) for name, value in _data()["dp"].items()}


@cache
def access_ports() -> tuple[AccessPortInfo, ...]:
    """Return AP0 to AP3 in order."""
    return tuple(
        AccessPortInfo(
            entry["apsel"],
            entry["type"],
            int(entry["IDR"], 16),
            int(entry["BASE"], 16),
            int(entry["CSW"], 16),
            Domain(entry["domain"]),
            entry["reaches"],
        )
        for entry in _data()["access_ports"]
    )


def _component(entry: dict[str, Any]) -> Component:
    entries = tuple(int(word, 16) for word in entry.get("entries", ()))
    words = {4 * index: word for index, word in enumerate(entries)}
    words.update(zip(_ID_OFFSETS, bytes.fromhex(entry["ids"]), strict=True))
    for offset, value in entry.get("registers", {}).items():
        words[int(offset, 16)] = int(value, 16)
    return Component(
        entry["apsel"],
        entry["name"],
        int(entry["base"], 16),
        Domain(entry["domain"]),
        entries,
        words,
    )


@cache
def components() -> tuple[Component, ...]:
    """Return every component and ROM table, ordered by access port and address."""
    return tuple(_component(entry) for entry in _data()["components"])


DBGMCU_AP2_ADDRESS = 0xE00E_1000
"""DBGMCU as the debugger sees it through AP2; it is in no ROM table (RM0399 section 63.5.8)."""

CPUID_CM7 = 0x411F_C271
"""Cortex-M7 r1p1."""

CPUID_CM4 = 0x410F_C241
"""Cortex-M4 r0p1."""
