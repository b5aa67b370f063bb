"""A virtual board: the chip with what the board wires to it, and what survives power-off.

A board without a name is as it leaves the factory, one in each process. A named one is kept in the user's state
directory (`pytest_h7.twin.board_store`), and belongs to one process at a time.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from pathlib import Path

from pytest_h7.chip.boards import DEFAULT, BoardDescription, board_description
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.errors import ImageError
from pytest_h7.twin.access_port import ClosedPolicy
from pytest_h7.twin.board_store import BoardStore, serial_of
from pytest_h7.twin.history import History
from pytest_h7.twin.mcu import Mcu, McuState
from pytest_h7.twin.peripherals.ethernet_phy import Lan8742
from pytest_h7.twin.pins import Pull
from pytest_h7.twin.serial_peer import SerialPeer
from pytest_h7.twin.signals import SignalRecorder
from pytest_h7.twin.stlink import VirtualStlink
from pytest_h7.twin.timeline import PS_PER_S

_boards: dict[str, VirtualBoard] = {}


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
        history: What has happened lately, None unless `keep_history` was asked for.
    """

    def __init__(self, name: str | None = None, description: BoardDescription | None = None) -> None:
        self.name = name
        self.description = description = description or board_description()
        self.serial = serial_of(name)
        self._store = BoardStore(name) if name else None
        self.mcu = Mcu(
            _unique_id(self.serial),
            description.hse_hz,
            hse_bypass=description.hse_bypass,
            supply=description.supply,
            flash=self._store.flash if self._store is not None else None,
        )
        if description.button is not None:
            released = Pull.DOWN if description.button.active_high else Pull.UP
            self.mcu.pins.set_external_pull(description.button.pin, released)
        if description.phy_address is not None:
            self.mcu.ethernet.attach(Lan8742(description.phy_address), description.phy_address)
        if self._store is not None:
            self._store.load_options(self.mcu.flash)
        self.stlink = VirtualStlink(self.mcu, self.serial)
        wiring = description.vcp
        self.vcp = SerialPeer(self.mcu, wiring.tx, wiring.rx) if wiring is not None else None
        self._time_before = 0
        self._recorder: SignalRecorder | None = None
        self.history: History | None = None
        self.mcu.power_on()
        if self._store is not None:
            self._store.load_backup_domain(self.mcu)

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
        if self._store is not None:
            self._store.save_options()
        if self._recorder is not None:
            self._recorder.look_again()
        if self.history is not None:
            self.history.look_again()

    def record_signals(self) -> SignalRecorder:
        """Return what keeps every change of the board's signals from now on; the same each time."""
        if self._recorder is None:
            self._recorder = SignalRecorder(self.mcu, self.description.leds, self.picoseconds)
        return self._recorder

    def keep_history(self) -> History:
        """Return what keeps the states of cores, domains, LEDs and console from now on; the same each time."""
        if self.history is None:
            pins = {name: led.pin for name, led in self.description.leds.items()}
            if self.description.button is not None:
                pins["button"] = self.description.button.pin
            self.history = History(self.mcu, self.picoseconds, pins)
            if self.vcp is not None:
                self.vcp.listener = self.history.heard
        return self.history

    def sleep(self, seconds: float) -> None:
        """Let board time pass."""
        self.mcu.run_for(round(seconds * PS_PER_S))

    def power_cycle(self, seconds: float = 0.5) -> None:
        """Take the supply away for a time and give it back."""
        self.mcu.power_off()
        self.sleep(seconds)
        self.mcu.power_on()

    def close(self) -> None:
        """Put a named board away and let other processes have it; its chip stops, in mid-erase or not."""
        if self._store is not None:
            self._store.save_backup_domain(self.mcu)
            self.mcu.power_off()
            self._store.release()
            self._store = None


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
        BoardNameError: the name cannot be one of a folder.
        BoardFileError: there is no board description of the name in ``H7_BOARD``.
        BoardInUse: another process has the board.
        ImageError: a file in ``H7_TWIN_IMAGES`` cannot be loaded.
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
        _boards.pop(board.name, None)


def _preload(board: VirtualBoard) -> None:
    images = os.environ.get("H7_TWIN_IMAGES")
    if not images:
        return
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    for path in map(str.strip, images.split(",")):
        try:
            with Path(path).open("rb") as stream:
                for segment in ELFFile(stream).iter_segments("PT_LOAD"):
                    if segment["p_filesz"]:
                        _load_segment(board.mcu, segment["p_paddr"], segment.data())
        except OSError as error:
            raise ImageError(f"{path} in H7_TWIN_IMAGES cannot be read: {error.strerror}.") from error
        except (ELFError, ValueError) as error:
            raise ImageError(f"{path} in H7_TWIN_IMAGES is no ELF file for this chip: {error}.") from error
    board.mcu.power_off()
    board.mcu.power_on()


def _load_segment(mcu: Mcu, address: int, data: bytes) -> None:
    for bank in FLASH_BANKS:
        if bank.start <= address and address + len(data) <= bank.end:
            mcu.memory(bank.name)[address - bank.start : address - bank.start + len(data)] = data
            mcu.code_changed(address, len(data))
            return
    raise ValueError(f"0x{address:08X} is not in flash")


@atexit.register
def _close_all() -> None:
    for board in _boards.values():
        board.close()
