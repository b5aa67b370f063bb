"""What the user asked for, checked: one value per ``--h7-*`` option."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_h7.chip.boards import BoardDescription

DEFAULT_BOARD = "nucleo-h755zi-q"

_TWIN = "twin"
_REMOTE = "remote"
_PLACE = "place"


class ConnectMode(enum.Enum):
    """How the debugger connects."""

    UNDER_RESET = "under-reset"
    ATTACH = "attach"


class LowPowerDebug(enum.Enum):
    """What DBGMCU keeps clocked while cores and domains sleep (RM0399 63.5.8)."""

    OFF = "off"
    SLEEP = "sleep"
    ON = "on"


class FlashPolicy(enum.Enum):
    """When flash is programmed: where it differs, each time, or not at all."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class OptionBytesPolicy(enum.Enum):
    """What becomes of option bytes that a test has changed: put back, or put back and reported as an error."""

    RESTORE = "restore"
    CHECK = "check"


class EvidencePolicy(enum.Enum):
    """Of which tests evidence is kept: none, those that have failed, or all that have the board."""

    OFF = "off"
    RETAIN_ON_FAILURE = "retain-on-failure"
    ON = "on"


class TwinAp3(enum.Enum):
    """What AP3 memory answers on the virtual board while the CM4 has no clock."""

    ZERO = "zero"
    FAULT = "fault"
    WAIT = "wait"


def twin_name(selection: str) -> str | None:
    """Return the name in ``twin:NAME``, an empty one for ``twin``, None if it is another selection."""
    kind, colon, name = selection.partition(":")
    return name if kind == _TWIN and (name or not colon) else None


def remote_address(selection: str) -> str | None:
    """Return the address in ``remote:HOST[:PORT]``, None if it is another selection."""
    kind, colon, address = selection.partition(":")
    return address if kind == _REMOTE and colon else None


def place_name(selection: str) -> str | None:
    """Return the name in ``place:NAME``, None if it is another selection."""
    kind, colon, name = selection.partition(":")
    return name if kind == _PLACE and colon else None


def seconds_of(text: str) -> float:
    """Return a time to wait; raise ValueError if the text is none."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of seconds") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text} is no time to wait")
    return value


class Settings(NamedTuple):
    """Values of the options; see ``pytest --help`` for their meaning.

    `stimulus` None stands for the bench's default; `frequency` is in Hz, `lease_timeout` in seconds.
    """

    probe: str = "twin"
    board: str = DEFAULT_BOARD
    cm7_image: str | None = None
    cm4_image: str | None = None
    console: str | None = None
    connect: ConnectMode = ConnectMode.UNDER_RESET
    frequency: int = 8_000_000
    low_power_debug: LowPowerDebug = LowPowerDebug.SLEEP
    flash: FlashPolicy = FlashPolicy.AUTO
    stimulus: str | None = None
    option_bytes: OptionBytesPolicy = OptionBytesPolicy.RESTORE
    evidence: EvidencePolicy = EvidencePolicy.RETAIN_ON_FAILURE
    evidence_dir: str = "h7-evidence"
    lease_timeout: float = 60.0
    twin_ap3: TwinAp3 = TwinAp3.FAULT
    twin_strict: bool = False
    trace: str | None = None
    boards: tuple[str, ...] | None = None
    gdb: bool = False
    baseline: str | None = None
    baseline_save: str | None = None

    @property
    def board_description(self) -> BoardDescription:
        """What is wired to the chip; raise BoardFileError where `board` is none."""
        from pytest_h7.chip.boards import board_description

        return board_description(self.board)

    @property
    def is_twin(self) -> bool:
        """Whether `probe` is that of a virtual board by its name; one given by a serial number can be too."""
        return twin_name(self.probe) is not None
