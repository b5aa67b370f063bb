"""Which alternate function connects a pin to which signal of a peripheral (DS12919, alternate functions).

The data is ``data/alternate_functions.json``, for every pin of the STM32H755 in any package. Signals have the
names of ST's configurator: ``TIM2_CH1``, ``USART3_TX``, ``I2C1_SCL``. EVENTOUT, function 15 of every pin, is not
listed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def _by_pin() -> dict[str, Mapping[int, tuple[str, ...]]]:
    source = resources.files(__package__).joinpath("data/alternate_functions.json")
    pins: dict[str, dict[str, str]] = json.loads(source.read_text("utf-8"))
    return {
        pin: MappingProxyType({int(number): tuple(names.split()) for number, names in functions.items()})
        for pin, functions in pins.items()
    }


@cache
def _by_signal() -> dict[str, tuple[tuple[str, int], ...]]:
    places = defaultdict(list)
    for pin, functions in _by_pin().items():
        for number, names in functions.items():
            for name in names:
                places[name].append((pin, number))
    return {name: tuple(pins) for name, pins in places.items()}


def signals(pin: str) -> Mapping[int, tuple[str, ...]]:
    """Return the signals of a pin by the number of the alternate function, as in AFRL and AFRH.

    Most functions are one signal; some lead to several inputs (``TIM2_CH1`` and ``TIM2_ETR`` of PA0), or to one
    of several by the peripheral's mode (``SPI1_SCK``, ``I2S1_CK``).

    Args:
        pin: ``"PA0"`` to ``"PK15"``; a pin without alternate functions has none.
    """
    return _by_pin().get(pin, MappingProxyType({}))


def pins_of(signal: str) -> tuple[tuple[str, int], ...]:
    """Return all pins that can carry a signal, each with its alternate function, port A first.

    Raises:
        KeyError: the chip has no signal of that name on a pin.
    """
    return _by_signal()[signal]
