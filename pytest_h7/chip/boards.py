"""Boards: what is wired to the chip. One TOML file per board, ``data/boards/``, or a team's own.

A description has a name, the supply of the core (``smps``, ``ldo`` or ``external``, RM0399 7.4.1), the clock at
OSC_IN, the user button, the LEDs, the USART that the probe shows as a serial port, and the address of the Ethernet
PHY on its management interface::

    name = "my board"
    supply = "smps"

    [hse]
    hz = 25_000_000
    bypass = false

    [button]
    name = "B1"
    pin = "PC13"
    pressed = "high"

    [leds]
    LD1 = { pin = "PB0", lit = "high" }

    [vcp]
    usart = "USART3"
    tx = "PD8"
    rx = "PD9"

    [ethernet]
    phy_address = 0

`button`, `leds`, `vcp` and `ethernet` may be left out where the board has none.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PIN = re.compile(r"P[A-K](\d|1[0-5])")
_USART = re.compile(r"USART[1236]|UART[4578]|LPUART1")
_HSE_RANGE = range(4_000_000, 50_000_001)
_PHY_ADDRESSES = range(32)
_LEVELS = {"high": True, "low": False}

DEFAULT = "nucleo-h755zi-q"


class BoardFileError(ValueError):
    """A board description is missing or wrong; the message names what and where."""


class Supply(enum.Enum):
    """What the board's wiring makes of the core supply: PWR_CR3 has to say the same (RM0399 table 32)."""

    SMPS = "smps"
    LDO = "ldo"
    EXTERNAL = "external"


@dataclass(frozen=True)
class Contact:
    """A button or a LED: its pin, and the level of the pin while it is pressed or lit."""

    pin: str
    active_high: bool


@dataclass(frozen=True)
class VirtualComPortWiring:
    """The USART behind the probe's serial port, as seen from the chip."""

    usart: str
    tx: str
    rx: str


@dataclass(frozen=True)
class BoardDescription:
    """A board.

    Attributes:
        name: As it is printed on the board.
        hse_hz: Frequency at OSC_IN in Hz.
        hse_bypass: Whether that is a clock, not a crystal.
        supply: How the core is supplied.
        button_name: What is printed beside the button.
        button: The user button, if there is one.
        leds: LEDs by what is printed beside them.
        vcp: The probe's serial port, if it is wired.
        phy_address: Address of the Ethernet PHY, if there is one.
    """

    name: str
    hse_hz: int
    hse_bypass: bool
    supply: Supply
    button_name: str = ""
    button: Contact | None = None
    leds: Mapping[str, Contact] = field(default_factory=dict)
    vcp: VirtualComPortWiring | None = None
    phy_address: int | None = None


@cache
def known_boards() -> tuple[str, ...]:
    """Return the names of the boards that come with the package."""
    folder = resources.files(__package__).joinpath("data/boards")
    files = (path.name for path in folder.iterdir() if path.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in files))


def board_description(selection: str = DEFAULT) -> BoardDescription:
    """Return a board by its name, in any case of letters, or from a TOML file.

    Raises:
        BoardFileError: there is neither, or the file is not a board description.
    """
    name = selection.lower()
    if name in known_boards():
        return _known(name)
    path = Path(selection)
    if not path.is_file():
        raise BoardFileError(
            f"{selection} is neither a board ({', '.join(known_boards())}) nor a file that describes one"
        )
    return _read(path.read_text("utf-8"), str(path))


@cache
def _known(name: str) -> BoardDescription:
    file = resources.files(__package__).joinpath(f"data/boards/{name}.toml")
    return _read(file.read_text("utf-8"), file.name)


def _read(text: str, place: str) -> BoardDescription:
    try:
        return _Reader(tomllib.loads(text)).board()
    except (tomllib.TOMLDecodeError, BoardFileError) as error:
        raise BoardFileError(f"{place} does not describe a board: {error}") from None


class _Reader:
    """Takes a description apart; everything in it has to be understood."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def board(self) -> BoardDescription:
        content = dict(self._content)
        hse = _table(content, "hse", {"hz", "bypass"})
        button = _table(content, "button", {"name", "pin", "pressed"}) if "button" in content else None
        leds = _table(content, "leds", None) if "leds" in content else {}
        vcp = _table(content, "vcp", {"usart", "tx", "rx"}) if "vcp" in content else None
        ethernet = _table(content, "ethernet", {"phy_address"}) if "ethernet" in content else None
        for name in ("hse", "button", "leds", "vcp", "ethernet"):
            content.pop(name, None)
        unknown = content.keys() - {"name", "supply"}
        if unknown:
            raise BoardFileError(f"it has {', '.join(sorted(unknown))}, which means nothing")
        return BoardDescription(
            _value(content, "name", str),
            _frequency(_value(hse, "hz", int, "hse.")),
            _value(hse, "bypass", bool, "hse."),
            _supply(_value(content, "supply", str)),
            _value(button, "name", str, "button.") if button is not None else "",
            _contact(button, "pressed", "button.") if button is not None else None,
            {name: _contact(_table(leds, name, {"pin", "lit"}), "lit", f"leds.{name}.") for name in leds},
            _vcp(vcp) if vcp is not None else None,
            _phy_address(ethernet) if ethernet is not None else None,
        )


def _table(content: dict[str, Any], name: str, keys: set[str] | None) -> dict[str, Any]:
    table = content.get(name)
    if not isinstance(table, dict):
        raise BoardFileError(f"{name} must be a table")
    if keys is not None and table.keys() != keys:
        raise BoardFileError(f"{name} must have {', '.join(sorted(keys))}")
    return table


def _value(table: dict[str, Any], name: str, kind: type, place: str = "") -> Any:
    value = table.get(name)
    if type(value) is not kind:
        article = {str: "a text", int: "a whole number", bool: "true or false"}[kind]
        raise BoardFileError(f"{place}{name} must be {article}")
    return value


def _frequency(hz: int) -> int:
    if hz not in _HSE_RANGE:
        raise BoardFileError(f"hse.hz is {hz}, and OSC_IN takes 4 to 50 MHz")
    return hz


def _supply(text: str) -> Supply:
    try:
        return Supply(text)
    except ValueError:
        raise BoardFileError(f"supply must be one of {', '.join(kind.value for kind in Supply)}") from None


def _pin(table: dict[str, Any], name: str, place: str) -> str:
    pin: str = _value(table, name, str, place)
    if not _PIN.fullmatch(pin):
        raise BoardFileError(f"{place}{name} is {pin!r}, and pins are PA0 to PK15")
    return pin


def _contact(table: dict[str, Any], active: str, place: str) -> Contact:
    level = _value(table, active, str, place)
    if level not in _LEVELS:
        raise BoardFileError(f"{place}{active} must be high or low")
    return Contact(_pin(table, "pin", place), _LEVELS[level])


def _phy_address(table: dict[str, Any]) -> int:
    address: int = _value(table, "phy_address", int, "ethernet.")
    if address not in _PHY_ADDRESSES:
        raise BoardFileError(f"ethernet.phy_address is {address}, and PHYs have addresses 0 to 31")
    return address


def _vcp(table: dict[str, Any]) -> VirtualComPortWiring:
    usart = _value(table, "usart", str, "vcp.")
    if not _USART.fullmatch(usart):
        raise BoardFileError(f"vcp.usart is {usart!r}, which is no USART of the chip")
    return VirtualComPortWiring(usart, _pin(table, "tx", "vcp."), _pin(table, "rx", "vcp."))
