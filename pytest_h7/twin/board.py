"""A virtual board: the chip with what the board wires to it, and what survives power-off.

A board without a name is as it leaves the factory, one in each process. A named one keeps its flash and
option bytes in the user's state directory, and belongs to one process at a time.
"""

from __future__ import annotations

import atexit
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_h7.chip.boards import DEFAULT, BoardDescription, board_description
from pytest_h7.chip.memory import FLASH_BANKS, Memory
from pytest_h7.twin.access_port import ClosedPolicy
from pytest_h7.twin.mcu import Mcu, McuState
from pytest_h7.twin.peripherals.ethernet_phy import Lan8742
from pytest_h7.twin.pins import Pull
from pytest_h7.twin.serial_peer import SerialPeer
from pytest_h7.twin.signals import SignalRecorder
from pytest_h7.twin.stlink import VirtualStlink
from pytest_h7.twin.timeline import PS_PER_S

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")
_STATE_HOME = "H7_TWIN_HOME"

_boards: dict[str, VirtualBoard] = {}


class BoardNameError(ValueError):
    """The name of a virtual board cannot be one of a file."""


class BoardInUse(Exception):
    """Another process has this named board."""


@dataclass(frozen=True)
class BoardSnapshot:
    """The state of a virtual board at one moment, which only this board can take back."""

    state: McuState
    time: int
    """When it was taken, in picoseconds of the chip's time."""


class VirtualBoard:
    """A virtual board, powered and running.

    Attributes:
        mcu: The chip.
        stlink: Its ST-LINK V3E, as the USB device that a debugger opens.
        vcp: The ST-LINK's serial port.
        description: What is wired to the chip.
    """

    def __init__(self, name: str | None = None, description: BoardDescription | None = None) -> None:
        self.name = name
        self.description = description = description or board_description()
        self.serial = f"H7TWIN-{name}" if name else "H7TWIN"
        self.mcu = Mcu(
            _unique_id(self.serial),
            description.hse_hz,
            hse_bypass=description.hse_bypass,
            supply=description.supply,
        )
        if description.button is not None:
            released = Pull.DOWN if description.button.active_high else Pull.UP
            self.mcu.pins.set_external_pull(description.button.pin, released)
        if description.phy_address is not None:
            self.mcu.ethernet.attach(Lan8742(description.phy_address), description.phy_address)
        self._store = _Store(name) if name else None
        if self._store is not None:
            self._store.load(self.mcu)
        self.stlink = VirtualStlink(self.mcu, self.serial)
        wiring = description.vcp
        self.vcp = SerialPeer(self.mcu, wiring.tx, wiring.rx) if wiring is not None else None
        self._time_before = 0
        self._recorder: SignalRecorder | None = None
        self.mcu.power_on()

    def set_closed_policy(self, policy: str) -> None:
        """Choose what AP3 answers while the CM4 has no clock: ``zero``, ``fault`` or ``wait``."""
        self.stlink.debug_port.closed_policy = ClosedPolicy(policy)

    def time(self) -> float:
        """Return board time in seconds; it never goes back, not by `restore` either."""
        return self.picoseconds() / PS_PER_S

    def picoseconds(self) -> int:
        """Return board time in picoseconds."""
        return self.mcu.now + self._time_before

    def take_snapshot(self) -> BoardSnapshot:
        """Return the state of everything but the probe and its end of the debug port, for `restore`."""
        companions = () if self.vcp is None else (self.vcp,)
        return BoardSnapshot(self.mcu.save(*companions), self.mcu.now)

    def restore(self, snapshot: BoardSnapshot, after: float = 0.0) -> None:
        """Put back the state of a snapshot; from here on the board does what it did from there, to the cycle.

        Args:
            snapshot: One of this board.
            after: Seconds by which board time goes on for it.
        """
        now = self.mcu.now + self._time_before + round(after * PS_PER_S)
        self.mcu.restore(snapshot.state)
        self._time_before = now - snapshot.time
        if self._recorder is not None:
            self._recorder.look_again()

    def record_signals(self) -> SignalRecorder:
        """Return what keeps every change of the board's signals from now on; the same each time."""
        if self._recorder is None:
            self._recorder = SignalRecorder(self.mcu, self.picoseconds)
        return self._recorder

    def sleep(self, seconds: float) -> None:
        """Let board time pass."""
        self.mcu.run_for(round(seconds * PS_PER_S))

    def power_cycle(self, seconds: float = 0.5) -> None:
        """Take the supply away for a time and give it back."""
        self.mcu.power_off()
        self.stlink.debug_port.power_on_reset()
        self.sleep(seconds)
        self.mcu.power_on()

    def save(self) -> None:
        """Keep flash and option bytes of a named board for the next process."""
        if self._store is not None:
            self._store.save(self.mcu)

    def close(self) -> None:
        """Take the power of a named board away, save it and let other processes have it."""
        if self._store is not None:
            self.mcu.power_off()
            self.save()
            self._store.release()


class _Store:
    """Files of a named board: one per flash bank, one of broken flash words, one of option bytes, and the lock."""

    def __init__(self, name: str) -> None:
        from filelock import FileLock, Timeout

        if _NAME.fullmatch(name) is None:
            raise BoardNameError(
                f"{name!r} cannot be the name of a virtual board: letters, digits, '_', '.' and '-' can."
            )
        self._folder = _state_home() / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BoardInUse(f"The virtual board {name!r} is in use by another process.") from None

    def _bank_files(self, mcu: Mcu) -> Iterator[tuple[Memory, Path]]:
        for number, bank in enumerate(mcu.flash.physical_banks, start=1):
            yield bank.memory, self._folder / f"flash-bank{number}.bin"

    def load(self, mcu: Mcu) -> None:
        """Fill the chip with what was saved."""
        for bank, path in self._bank_files(mcu):
            if path.is_file():
                content = path.read_bytes()
                mcu.memory(bank.name)[: len(content)] = content
                mcu.code_changed(bank.start, len(content))
        broken = self._folder / "broken-flash-words.json"
        if broken.is_file():
            mcu.flash.load_broken_words(json.loads(broken.read_text("utf-8")))
        options = self._folder / "option-bytes.json"
        if options.is_file():
            mcu.flash.load(json.loads(options.read_text("utf-8")))

    def save(self, mcu: Mcu) -> None:
        """Write what must survive; each file is replaced whole."""
        for bank, path in self._bank_files(mcu):
            _replace(path, bytes(mcu.memory(bank.name)).rstrip(b"\xff"))
        _replace(self._folder / "broken-flash-words.json", json.dumps(mcu.flash.broken_words()).encode())
        _replace(self._folder / "option-bytes.json", json.dumps(mcu.flash.save()).encode())

    def release(self) -> None:
        """Give up the board."""
        self._lock.release()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def _state_home() -> Path:
    home = os.environ.get(_STATE_HOME)
    if home:
        return Path(home)
    from platformdirs import user_state_path

    home_path: Path = user_state_path("pytest-h7")
    return home_path / "twin"


def _unique_id(serial: str) -> bytes:
    """Make 96 bits that differ from board to board: wafer position and number, then the lot as text."""
    folded = sum(ord(letter) * 31**index for index, letter in enumerate(serial)) & 0xFFFF_FFFF
    return bytes(folded.to_bytes(4, "little")) + b"\x07PYTH755"


def virtual_board(name: str | None = None, description: BoardDescription | None = None) -> VirtualBoard:
    """Return the virtual board of that name in this process; it is made when first asked for.

    The environment variable ``H7_TWIN_IMAGES`` (two ELF files, separated by a comma) fills the flash of a
    new board, and ``H7_BOARD`` says which board it is unless `description` does. A board that is there but is
    another one than `description` is replaced.

    Raises:
        BoardNameError: the name cannot be one of a file.
        BoardFileError: there is no board description of the name in ``H7_BOARD``.
        BoardInUse: another process has the board.
    """
    key = name or ""
    if description is not None and key in _boards and _boards[key].description != description:
        _boards.pop(key).close()
    if key not in _boards:
        board = VirtualBoard(name, description or board_description(os.environ.get("H7_BOARD") or DEFAULT))
        _preload(board)
        _boards[key] = board
    return _boards[key]


def give_up(board: VirtualBoard) -> None:
    """Save a named board and leave it to other processes; one without a name stays."""
    if board.name is not None:
        board.close()
        del _boards[board.name]


def _preload(board: VirtualBoard) -> None:
    images = os.environ.get("H7_TWIN_IMAGES")
    if not images:
        return
    from elftools.elf.elffile import ELFFile

    for path in images.split(","):
        with Path(path.strip()).open("rb") as stream:
            for segment in ELFFile(stream).iter_segments("PT_LOAD"):
                if segment["p_filesz"]:
                    _load_segment(board.mcu, segment["p_paddr"], segment.data())
    board.mcu.power_off()
    board.mcu.power_on()


def _load_segment(mcu: Mcu, address: int, data: bytes) -> None:
    for bank in FLASH_BANKS:
        if bank.start <= address and address + len(data) <= bank.end:
            mcu.memory(bank.name)[address - bank.start : address - bank.start + len(data)] = data
            mcu.code_changed(address, len(data))
            return
    raise ValueError(f"H7_TWIN_IMAGES: 0x{address:08X} is not in flash")


@atexit.register
def _close_all() -> None:
    for board in _boards.values():
        board.close()
