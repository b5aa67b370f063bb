"""What a person wants to see of a board over time, kept cheaply all the while, in case a test fails.

`signals.SignalRecorder` keeps everything, for a trace. This keeps the modes of both cores, the domains,
semaphore 0, EXTI's pending lines, NRST, chosen pins and the characters of the console, so that a passing test pays
a microsecond for each sleep and wake-up of a core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_h7.twin.peripherals.hsem import CORE_IDS

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_MOST = 200_000
"""Changes that are kept at most; then the older half is forgotten."""

_OWNERS = {core_id: name for name, core_id in CORE_IDS.items()}


class ChipState(NamedTuple):
    """The chip at one moment: the modes of the cores in a word, the domains, who has semaphore 0, and so on."""

    cm7: str
    cm4: str
    d1: str
    d2: str
    d3: str
    hsem0: str | None
    exti_cm7: int
    exti_cm4: int
    reset: bool


class History:
    """Watches a chip and keeps what changes, in the order in which it does.

    Args:
        mcu: The chip.
        now: Its time in picoseconds, which never goes back.
        pins: Pins to watch, by the names they shall have.

    Attributes:
        states: Board time in picoseconds and the chip's state from then on.
        levels: Board time, name of a pin, its level from then on.
        characters: Board time and each character the console has got.
        forgotten_before: Board time in picoseconds before which changes have been forgotten.
    """

    def __init__(self, mcu: Mcu, now: Callable[[], int], pins: Mapping[str, str]) -> None:
        self._mcu = mcu
        self._now = now
        self._pins = dict(pins)
        self._last: tuple[object, ...] = ()
        self.states: list[tuple[int, tuple[object, ...]]] = []
        self.levels: list[tuple[int, str, bool]] = []
        self.characters: list[tuple[int, int]] = []
        self.forgotten_before = now()
        self._cores = mcu.cores["cm7"], mcu.cores["cm4"]
        mcu.observers.append(self.look)
        for name, pin in self._pins.items():
            mcu.pins.watch(pin, partial(self._level_changed, name))
        self.look_again()

    def look(self) -> None:
        """Take the state of the chip if it has changed."""
        mcu = self._mcu
        cm7, cm4 = self._cores
        modes, domains = mcu.modes, mcu.domains.states
        state = (
            cm7.lockup,
            cm7.halted,
            modes["cm7"],
            cm4.lockup,
            cm4.halted,
            modes["cm4"],
            domains["D1"],
            domains["D2"],
            domains["D3"],
            mcu.hsem["R0"],
            *mcu.exti.pending,
            mcu.nrst_asserted or not mcu.powered,
        )
        if state != self._last:
            self._last = state
            self.states.append((self._now(), state))
            if len(self.states) > _MOST:
                self._forget()

    def look_again(self) -> None:
        """Take everything anew: the board has another state than it came to by itself."""
        self._last = ()
        self.look()
        now = self._now()
        self.levels += [(now, name, self._mcu.pins.level(pin)) for name, pin in self._pins.items()]

    def heard(self, character: int) -> None:
        """Take a character that the console has got."""
        self.characters.append((self._now(), character))

    def _level_changed(self, name: str, level: bool) -> None:
        self.levels.append((self._now(), name, level))

    def _forget(self) -> None:
        del self.states[: _MOST // 2]
        self.forgotten_before = first = self.states[0][0]
        self.levels = [entry for entry in self.levels if entry[0] >= first]
        self.characters = [entry for entry in self.characters if entry[0] >= first]

    def begin(self) -> None:
        """Forget what was before now, but for the states that still last."""
        now = self._now()
        self.states, self.levels, self.characters = [], [], []
        self.forgotten_before = now
        self.look_again()

    def since(self, start: int) -> Past:
        """Return what has happened since a time in picoseconds, with times counted from there."""
        return Past(
            [(time - start, state) for time, state in self.states if time >= start],
            [(time - start, name, level) for time, name, level in self.levels if time >= start],
            [(time - start, character) for time, character in self.characters if time >= start],
        )

    def append(self, past: Past, start: int) -> None:
        """Take what has happened another time as if it had begun at `start`, in picoseconds."""
        self.states += [(time + start, state) for time, state in past.states]
        self.levels += [(time + start, name, level) for time, name, level in past.levels]
        self.characters += [(time + start, character) for time, character in past.characters]


class Past(NamedTuple):
    """Part of a history, with times in picoseconds from its begin."""

    states: list[tuple[int, tuple[object, ...]]]
    levels: list[tuple[int, str, bool]]
    characters: list[tuple[int, int]]


def chip_state(state: tuple[object, ...]) -> ChipState:
    """Return an entry of `History.states` in words."""
    cm7, cm4, (d1, d2, d3, semaphore, pending7, pending4, reset) = state[:3], state[3:6], state[6:]
    assert isinstance(semaphore, int)
    owner = _OWNERS.get(semaphore >> 8 & 0xF) if semaphore >> 31 else None
    return ChipState(
        _mode(*cm7),
        _mode(*cm4),
        str(d1),
        str(d2),
        str(d3),
        owner,
        pending7 if isinstance(pending7, int) else 0,
        pending4 if isinstance(pending4, int) else 0,
        bool(reset),
    )


def _mode(lockup: object, halted: object, mode: object) -> str:
    if lockup:
        return "lockup"
    return "halted" if halted else str(getattr(mode, "value", mode))
