"""The ``--h7-*`` options: each also an ini key ``h7_*`` and an environment variable ``H7_*``.

The command line wins over the environment, the environment over the ini file. A relative path in an ini file
is meant from that file, another one from where pytest was started.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_h7.bench.settings import (
    DEFAULT_BOARD,
    ConnectMode,
    EvidencePolicy,
    FlashPolicy,
    LowPowerDebug,
    OptionBytesPolicy,
    Settings,
    TwinAp3,
    place_name,
    remote_address,
    seconds_of,
)

_FREQUENCIES = range(5_000, 24_000_001)
_PIN = re.compile(r"loopback:P[A-K](\d|1[0-5])")


def _as_it_is(text: str, folder: Path) -> str:  # noqa: ARG001
    return text


def _in_folder(text: str, folder: Path) -> str:
    return str(folder / _text(text))


def _file_in_folder(text: str, folder: Path) -> str:
    return str(folder / text) if (folder / text).is_file() else text


class _Option(NamedTuple):
    name: str
    convert: Callable[[str], Any]
    metavar: str
    help: str
    locate: Callable[[str, Path], str] = _as_it_is
    is_switch: bool = False

    @property
    def flag(self) -> str:
        return "--h7-" + self.name.replace("_", "-")


def _choice(kind: type[Enum]) -> tuple[Callable[[str], Any], str]:
    names = [member.value for member in kind]

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(names)}") from None

    return convert, "{" + ",".join(names) + "}"


def _frequency(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of hertz") from None
    if value not in _FREQUENCIES:
        raise ValueError(f"{value} Hz is outside 5000 to 24000000 Hz, what an ST-LINK V3 can do")
    return value


def _switch(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true", "off", "on", "no", "yes"):
        raise ValueError(f"{text!r} is neither on nor off")
    return text.lower() in ("1", "true", "on", "yes")


def _boards(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"{text!r} does not name one board or several different ones")
    if "twin" in names:
        raise ValueError(
            "each process has a board 'twin' of its own without this option: name others, as twin:NAME"
        )
    return names


def _board(text: str) -> str:
    from pytest_h7.chip.boards import board_description

    board_description(text)
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it must not be empty")
    return text


def _probe(text: str) -> str:
    if text == "twin:":
        raise ValueError("a virtual board without a name is 'twin', one with a name 'twin:NAME'")
    address = remote_address(text)
    if address is not None:
        from pytest_h7.remote.address import parse_address

        parse_address(address)
    if place_name(text) == "":
        raise ValueError("the place has no name: 'place:NAME'")
    return _text(text)


def _stimulus(text: str) -> str:
    if text in ("twin", "swier", "drive") or _PIN.fullmatch(text):
        return text
    raise ValueError(f"{text!r} is none of twin, swier, drive, loopback:PIN (such as loopback:PG9)")


_OPTIONS = (
    _Option(
        "probe",
        _probe,
        "PROBE",
        "the board: the probe's serial number or a unique part of it, 'twin' for a virtual board as it leaves "
        "the factory, 'twin:NAME' for one that keeps its flash, 'remote:HOST[:PORT]' for one that "
        "pytest-h7 serve lends at another machine, or 'place:NAME' for one of labgrid (default: twin)",
    ),
    _Option(
        "board",
        _board,
        "BOARD",
        "what is wired to the chip: nucleo-h755zi-q, nucleo-h745zi-q, stm32h745i-disco, stm32h747i-disco, or a "
        f"TOML file (default: {DEFAULT_BOARD})",
        locate=_file_in_folder,
    ),
    _Option(
        "cm7_image",
        _text,
        "FILE",
        "firmware of the CM7: ELF, HEX, or BIN@ADDRESS (default: the reference firmware)",
        locate=_in_folder,
    ),
    _Option(
        "cm4_image",
        _text,
        "FILE",
        "firmware of the CM4: ELF, HEX, or BIN@ADDRESS (default: the reference firmware)",
        locate=_in_folder,
    ),
    _Option(
        "console", _text, "PORT", "serial port or pyserial URL of the console (default: that of the ST-LINK)"
    ),
    _Option("connect", *_choice(ConnectMode), "how to connect (default: under-reset)"),
    _Option("frequency", _frequency, "HZ", "SWCLK in Hz (default: 8000000)"),
    _Option(
        "low_power_debug",
        *_choice(LowPowerDebug),
        "what DBGMCU keeps clocked: nothing; cores in CSleep, with D2 stop as in the field; everything "
        "(default: sleep)",
    ),
    _Option("flash", *_choice(FlashPolicy), "program what differs, always, or never (default: auto)"),
    _Option(
        "stimulus",
        _stimulus,
        "HOW",
        "how pins are moved: 'twin' a voltage on the virtual pin, 'swier' the EXTI software trigger, 'drive' the "
        "debugger drives the pin high, 'loopback:PIN' through a wire (default: twin, drive on a real board)",
    ),
    _Option(
        "option_bytes",
        *_choice(OptionBytesPolicy),
        "put option bytes back that a test has changed; or have a change that is left behind fail the run, too "
        "(default: restore)",
    ),
    _Option(
        "evidence",
        *_choice(EvidencePolicy),
        "of which tests to keep a page, core files and a snapshot of the board: none, those that have failed, or "
        "all that have the board (default: retain-on-failure)",
    ),
    _Option(
        "evidence_dir",
        _text,
        "DIR",
        "where evidence is kept, in a folder for each test (default: h7-evidence)",
        locate=_in_folder,
    ),
    _Option(
        "lease_timeout",
        seconds_of,
        "SECONDS",
        "how long to wait for a board that another process has (default: 60)",
    ),
    _Option(
        "boards",
        _boards,
        "PROBES",
        "the boards of a run in several processes (-n), separated by commas, as for --h7-probe, or 'all' that are "
        "connected: each process takes one that is free (default: --h7-probe)",
    ),
    _Option(
        "twin_ap3",
        *_choice(TwinAp3),
        "what AP3 memory answers on the virtual board without a clock (default: fault)",
    ),
    _Option(
        "trace",
        _text,
        "FILE",
        "on the virtual board, write pins, core modes, exceptions, domains and semaphores over time to a VCD file",
        locate=_in_folder,
    ),
    _Option(
        "baseline",
        _text,
        "FILE",
        "fail a test that measures a figure worse than this baseline allows",
        locate=_in_folder,
    ),
    _Option(
        "baseline_save",
        _text,
        "FILE",
        "save the figures that tests measure as a baseline; with the same firmware, add them to the one there is",
        locate=_in_folder,
    ),
    _Option(
        "gdb",
        _switch,
        "",
        "when a test has failed, leave the board as it is and serve GDB at both cores",
        is_switch=True,
    ),
    _Option(
        "twin_strict",
        _switch,
        "",
        "on the virtual board, fail a test whose firmware touches a register that is only stored, or runs the "
        "chip beyond its limits",
        is_switch=True,
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare all options."""
    group = parser.getgroup("h7", "dual-core STM32H7 boards")
    for option in _OPTIONS:
        how: dict[str, Any] = {"metavar": option.metavar}
        if option.is_switch:
            how = {"action": "store_const", "const": "on"}
        group.addoption(option.flag, dest=f"h7_{option.name}", default=None, help=option.help, **how)
        parser.addini(f"h7_{option.name}", help=option.help, default=None)


def read_settings(config: pytest.Config) -> Settings:
    """Return the checked values.

    Raises:
        pytest.UsageError: a value is none that its option takes; the message names where it came from.
    """
    values: dict[str, Any] = {}
    for option in _OPTIONS:
        found = _raw_value(config, option)
        if found is None:
            continue
        source, text, folder = found
        try:
            values[option.name] = option.convert(option.locate(text, folder))
        except ValueError as error:
            raise pytest.UsageError(f"{source}: {error}") from None
    return Settings(**values)


def _raw_value(config: pytest.Config, option: _Option) -> tuple[str, str, Path] | None:
    """Return where a value was given, what it is, and the folder that relative paths are meant from."""
    here = config.invocation_params.dir
    value = config.getoption(f"h7_{option.name}")
    if value is not None:
        return option.flag, str(value), here
    variable = f"H7_{option.name.upper()}"
    if os.environ.get(variable):
        return f"environment variable {variable}", os.environ[variable], here
    value = config.getini(f"h7_{option.name}")
    if value:
        return f"ini key h7_{option.name}", str(value), config.inipath.parent if config.inipath else here
    return None
