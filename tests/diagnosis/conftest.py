"""Boards that are ill, and what is seen of them from outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_h7.bench.observation import Observation
from pytest_h7.bench.settings import ConnectMode, LowPowerDebug, Settings
from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.core import Core
from pytest_h7.board.images import Image, ImagePair, load_pair, reference_image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.diagnosis.doctor import Doctor
from pytest_h7.diagnosis.report import Report
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard

SETTINGS = Settings(connect=ConnectMode.ATTACH)
DEBUGGER = Settings(connect=ConnectMode.UNDER_RESET, low_power_debug=LowPowerDebug.OFF)


@dataclass(frozen=True)
class Firmware:
    """What is in flash and in the option bytes: the name of a built-in image, C source, or None for nothing."""

    cm7: str | None = "cm7"
    cm4: str | None = "cm4"
    options: dict[str, int] = field(default_factory=dict)


class Patient:
    """A virtual board, and ways to look at it that leave it alone."""

    def __init__(self, board: VirtualBoard, build: Callable[..., object]) -> None:
        self.board = board
        self._build = build

    def give(self, firmware: Firmware, seconds: float = 0.05) -> None:
        """Program firmware and option bytes, and give the board power for a time."""
        mcu = self.board.mcu
        mcu.power_off()
        self.board.stlink.debug_port.power_on_reset()
        for core, source, bank in zip(("cm7", "cm4"), (firmware.cm7, firmware.cm4), FLASH_BANKS, strict=True):
            memory = mcu.memory(bank.name)
            memory[:] = b"\xff" * bank.size
            for segment in self._image(core, source).segments if source is not None else ():
                start = segment.address - bank.start
                memory[start : start + len(segment.data)] = segment.data
            mcu.code_changed(bank.start, bank.size)
        words = mcu.flash.save()
        for option in OPTION_BYTES.values():
            value = firmware.options.get(option.name, option.factory)
            words[option.register] = words[option.register] & ~option.mask | value << option.lsb
        mcu.flash.load(words)
        mcu.power_on()
        self.board.sleep(seconds)

    def _image(self, core: str, source: str) -> Image:
        if source.isidentifier():
            return Image(core, reference_image(source))
        return self._build(core, source).image

    @contextmanager
    def observed(self) -> Iterator[Observation]:
        observation = Observation(SETTINGS, print)
        try:
            yield observation
        finally:
            observation.close()

    @contextmanager
    def debugged(self, settings: Settings = DEBUGGER) -> Iterator[Core]:
        """Give the CM7 to a debugger that connects under reset; what it has halted stays halted afterwards."""
        with self.observed() as observation, observation.debugging(settings) as connection:
            pair = load_pair(None, None)
            yield Core("cm7", connection, observation.clock, AccessPort(connection, 0), lambda: pair.cm7)

    def stop_at(self, symbol: str) -> None:
        with self.debugged() as cm7:
            cm7.run_until(symbol)

    def report(self, pair: ImagePair | None = None) -> Report:
        with self.observed() as observation:
            return Doctor(observation, "twin", pair or load_pair(None, None)).examine()


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("H7_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path / "twins"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="session")
def spare_patient() -> VirtualBoard:
    """A board that `Patient.give` makes what a test needs: making one takes longer."""
    return VirtualBoard()


@pytest.fixture
def patient(
    own_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    build_program: Callable[..., object],
    spare_patient: VirtualBoard,
) -> Iterator[Patient]:
    """The virtual board of this process."""
    board = spare_patient
    monkeypatch.setattr(twin_board, "_boards", {"": board})
    yield Patient(board, build_program)
    board.stlink.mend()
    board.stlink.claimed_elsewhere = False
    board.set_closed_policy("fault")
    assert board.stlink.claimed_by is None
    assert not board.mcu.nrst_asserted
