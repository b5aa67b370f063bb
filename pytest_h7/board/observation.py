"""What a predicate has seen of the board, for the message of a wait that was in vain.

What is read by name passes through `seen`; whoever calls a predicate collects it with `observed`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Value = TypeVar("Value")

_MOST = 8
"""Readings that a message names at most."""

_observers: list[dict[str, object]] = []


def seen(name: str, value: Value) -> Value:
    """Take notice that `name` of the board was read as `value`, which is returned."""
    if _observers:
        _observers[-1][name] = value
    return value


@contextmanager
def unseen() -> Iterator[None]:
    """Take no notice of what is read on the way to something that has a name of its own."""
    _observers.append({})
    try:
        yield
    finally:
        _observers.pop()


def observed(predicate: Callable[[], Value]) -> tuple[Value, dict[str, object]]:
    """Call a predicate; return its value and what it has read, by name."""
    readings: dict[str, object] = {}
    _observers.append(readings)
    try:
        return predicate(), readings
    finally:
        _observers.pop()


def describe(readings: dict[str, object]) -> str:
    """Return the readings as text: ``"ap[3].readable was False, domains.d2.state was stop"``."""
    told = [f"{name} was {_text(value)}" for name, value in list(readings.items())[:_MOST]]
    if len(readings) > _MOST:
        told.append(f"and {len(readings) - _MOST} more")
    return ", ".join(told)


def _text(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 9:
        return f"{int(value)} (0x{value:X})"
    return repr(value)
