"""What is left of a named board whose process was killed: all that it had programmed, as on a desk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.board_store import kept_boards

KILLED = """
import os, signal, sys
from pytest_h7.chip.registers import peripheral
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import Master

flash = peripheral("FLASH")
board = VirtualBoard("desk")

def write(register, value):
    board.mcu.write(flash.registers[register].address, 4, value, Master.AP0)

def change_options(**words):
    for key in (0x0819_2A3B, 0x4C5D_6E7F):
        write("OPTKEYR", key)
    for register, word in words.items():
        write(register, word)
    write("OPTCR", 1 << 1)
    board.sleep(1)

"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    return tmp_path


def killed_after(steps: str) -> VirtualBoard:
    """Return the board ``desk`` after a process has done something to it and was killed."""
    code = f"{KILLED}{steps}\nos.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    return VirtualBoard("desk")


def test_programmed_words_are_there() -> None:
    board = killed_after(
        """
for key in (0x4567_0123, 0xCDEF_89AB):
    write("KEYR2", key)
write("CR2", 1 << 1)
for offset in range(0, 64, 4):
    board.mcu.write(0x0810_0000 + offset, 4, 0x0101_0101, Master.AP0)
board.sleep(0.001)
"""
    )
    assert bytes(board.mcu.memory("flash bank 2")[:65]) == b"\1" * 64 + b"\xff"
    assert board.mcu.flash.broken_words() == [[], []]
    board.close()


def test_changed_option_bytes_are_in_force() -> None:
    board = killed_after("change_options(BOOT4_PRG=0x1000_0818)")
    assert board.mcu.flash.option("BOOT_CM4_ADD0") == 0x0818
    board.close()


@pytest.mark.parametrize("reset", [False, True])
def test_banks_are_swapped_once(reset: bool) -> None:
    swap = OPTION_BYTES["SWAP_BANK_OPT"].mask
    board = killed_after(
        f"""
board.mcu.memory("flash bank 1")[:4] = b"one."
board.mcu.memory("flash bank 2")[:4] = b"two."
change_options(OPTSR_PRG=board.mcu.flash.save()["OPTSR"] | {swap})
if {reset}:
    board.mcu.system_reset()
"""
    )
    assert board.mcu.flash.option("SWAP_BANK_OPT") == 1
    assert bytes(board.mcu.memory("flash bank 1")[:4]) == b"two."
    board.close()


def test_board_is_free() -> None:
    killed_after("").close()
    assert kept_boards() == ["desk"]


def test_option_bytes_that_a_restored_snapshot_has_taken_back(home: Path) -> None:
    board = VirtualBoard("desk")
    snapshot = board.take_snapshot()
    board.mcu.flash.load({"BOOT4": 0x1000_0818})
    board.restore(snapshot)
    board.close()
    again = VirtualBoard("desk")
    assert again.mcu.flash.option("BOOT_CM4_ADD0") == 0x0810
    again.close()


def test_board_that_is_closed_twice_keeps_its_backup_domain() -> None:
    board = VirtualBoard("desk")
    board.mcu.memory("backup SRAM")[:4] = b"kept"
    board.close()
    board.close()
    again = VirtualBoard("desk")
    assert bytes(again.mcu.memory("backup SRAM")[:4]) == b"kept"
    again.close()
