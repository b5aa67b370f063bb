"""The backup domain of a named board, from one process to the next: kept whole, with no time passing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rtc_steps import seconds, set_calendar, start, unlock

from pytest_h7.twin.board import VirtualBoard

if TYPE_CHECKING:
    from conftest import Desk

    Open = Callable[[], Iterator[Desk]]

BACKUP_SRAM = 0x3880_0000


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Open:
    """Open the board ``kept``, which is put away at the end of the context."""
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))

    @contextmanager
    def open_board() -> Iterator[Desk]:
        board = VirtualBoard("kept")
        opened = type(desk)(board.mcu)
        opened.run(100)
        yield opened
        board.close()

    return open_board


def unlock_backup_domain(desk: Desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.AHB4ENR", BKPRAMEN=1)


def test_backup_registers_and_sram(opened: Open) -> None:
    with opened() as desk:
        unlock_backup_domain(desk)
        desk.write("RTC.BKP0R", 0x1234_5678)
        desk.write("RTC.BKP31R", 0xCAFE_F00D)
        desk.put(BACKUP_SRAM, b"first")
        desk.put(BACKUP_SRAM + 0xFFC, b"last")
    for _ in range(2):
        with opened() as desk:
            assert (desk.read("RTC.BKP0R"), desk.read("RTC.BKP31R")) == (0x1234_5678, 0xCAFE_F00D)
            sram = bytes(desk.mcu.memory("backup SRAM"))
            assert (sram[:5], sram[5:0xFFC].strip(b"\0"), sram[0xFFC:]) == (b"first", b"", b"last")


def test_calendar_goes_on_where_it_stood(opened: Open) -> None:
    with opened() as desk:
        start(desk)
        set_calendar(desk, 0x23_59_58)
        seconds(desk, 1)
        before = desk.read("RTC.SSR"), desk.read("RTC.TR"), desk.read("RTC.DR")
        assert before[1] == 0x23_59_59
    with opened() as desk:
        assert desk.field("RCC.BDCR.LSERDY") == desk.field("RCC.BDCR.RTCEN") == 1
        after = desk.read("RTC.SSR"), desk.read("RTC.TR"), desk.read("RTC.DR")
        assert after[1:] == before[1:]
        assert before[0] - after[0] in (0, 1)  # of 256 steps a second
        seconds(desk, 1)
        assert (desk.read("RTC.SSR"), desk.read("RTC.TR"), desk.read("RTC.DR")) == (after[0], 0, 0x23C102)


def test_alarm_that_was_set_comes(opened: Open) -> None:
    with opened() as desk:
        start(desk)
        set_calendar(desk, 0x12_00_00)
        desk.write("RTC.ALRMAR", 1 << 31 | 0x12_00_05)
        desk.set("RTC.CR", ALRAE=1, ALRAIE=1)
        seconds(desk, 2)
    with opened() as desk:
        seconds(desk, 2.5)
        assert desk.field("RTC.ISR.ALRAF") == 0
        seconds(desk, 1)
        assert desk.field("RTC.ISR.ALRAF") == 1


def test_wake_up_timer_keeps_its_rhythm(opened: Open) -> None:
    with opened() as desk:
        start(desk)
        desk.write("RTC.WUTR", 2047)  # a second of RTCCLK / 16
        desk.set("RTC.CR", WUTE=1)
        seconds(desk, 0.75)
        assert desk.field("RTC.ISR.WUTF") == 0
    with opened() as desk:
        seconds(desk, 0.2)
        assert desk.field("RTC.ISR.WUTF") == 0
        seconds(desk, 0.1)
        assert desk.field("RTC.ISR.WUTF") == 1


def test_calendar_that_was_being_set_starts_with_the_reset(opened: Open) -> None:
    with opened() as desk:
        start(desk)
        desk.set("RTC.ISR", INIT=1)
        seconds(desk, 0.01)
        desk.write("RTC.TR", 0x07_08_09)
        seconds(desk, 5)
    with opened() as desk:
        assert desk.field("RTC.ISR.INIT") == 0
        seconds(desk, 0.5)
        assert desk.read("RTC.TR") == 0x07_08_09


def test_all_else_begins_with_a_power_on_reset(opened: Open) -> None:
    with opened() as desk:
        unlock_backup_domain(desk)
        desk.write("RTC.BKP0R", 7)
        desk.put(0x2400_0000, b"gone")
        desk.set("RCC.RSR", RMVF=1)
    with opened() as desk:
        assert desk.field("RCC.RSR.PORRSTF") == 1
        assert desk.field("PWR.CR1.DBP") == 0
        assert bytes(desk.mcu.memory("AXI SRAM")[:4]) == bytes(4)
        desk.write("RTC.BKP0R", 8)
        assert desk.read("RTC.BKP0R") == 7, "without DBP"


def test_registers_stay_locked_and_can_be_unlocked_again(opened: Open) -> None:
    with opened() as desk:
        start(desk)
        desk.write("RTC.WPR", 0xFF)
    with opened() as desk:
        desk.set("PWR.CR1", DBP=1)
        desk.set("RTC.CR", WUTE=1)
        assert desk.field("RTC.CR.WUTE") == 0
        unlock(desk)
        desk.set("RTC.CR", WUTE=1)
        assert desk.field("RTC.CR.WUTE") == 1


def test_oscillator_and_regulator_that_were_starting_have_started(opened: Open) -> None:
    with opened() as desk:
        unlock_backup_domain(desk)
        desk.set("RCC.BDCR", LSEON=1)
        desk.set("PWR.CR2", BREN=1)
        assert desk.field("RCC.BDCR.LSERDY") == desk.field("PWR.CR2.BRRDY") == 0
    with opened() as desk:
        assert desk.field("RCC.BDCR.LSERDY") == desk.field("PWR.CR2.BRRDY") == 1


def test_board_that_lost_its_power_keeps_no_backup_domain(opened: Open) -> None:
    with opened() as desk:
        unlock_backup_domain(desk)
        desk.write("RTC.BKP0R", 1)
    with opened() as desk:
        unlock_backup_domain(desk)
        desk.mcu.power_off()
    with opened() as desk:
        assert desk.read("RTC.BKP0R") == 0
