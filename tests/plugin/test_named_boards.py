"""``twin:NAME``: a board that keeps flash and option bytes from one process to the next."""

import os
from pathlib import Path

import pytest

from pytest_h7.twin.board_store import board_folder

from .conftest import Run
from .test_bad_input import ANY, the_error

FIRST = """
def test_it(h7_board, h7_flashed):
    h7_board.registers.PWR.CR1.DBP = 1
    h7_board.registers.RTC.BKP7R.value = 0xCAFEF00D
    from pytest_h7.twin.board import virtual_board
    virtual_board("desk" if h7_board.bench.probe.serial == "H7TWIN-desk" else None).mcu.flash.load(
        {"BOOT4": 0x0818_0810}
    )
"""
SECOND = """
def test_it(h7_board, h7_images, h7_probe):
    assert h7_probe.serial == "H7TWIN-desk"
    assert h7_board.option_bytes["BOOT_CM4_ADD1"] == 0x1000, "put back"
    assert h7_board.registers.RTC.BKP7R.value == 0xCAFEF00D
    before = h7_probe.transfers
    h7_board.boot_contract(1.0)
"""
FACTORY = """
def test_it(h7_board, cm7):
    assert h7_board.option_bytes["BOOT_CM4_ADD1"] == 0x1000
    assert cm7.read_u32(0x0800_0000) == 0xFFFF_FFFF
"""


def test_named_board_keeps_flash_and_option_bytes(run_apart: Run, tmp_path: Path) -> None:
    run_apart(FIRST, "--h7-probe=twin:desk").assert_outcomes(passed=1)
    assert {path.name for path in (tmp_path / "twins").iterdir()} == {"desk"}
    run_apart(SECOND, "--h7-probe=twin:desk", "--h7-flash=never").assert_outcomes(passed=1)
    run_apart(FACTORY, "--h7-probe=twin:other").assert_outcomes(passed=1)


def test_unnamed_board_keeps_nothing(run_apart: Run, tmp_path: Path) -> None:
    run_apart(FIRST).assert_outcomes(passed=1)
    run_apart(FACTORY).assert_outcomes(passed=1)
    assert not (tmp_path / "twins").exists()


def test_board_lives_in_the_users_state_directory_by_default(
    run_apart: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("H7_TWIN_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert os.environ["XDG_STATE_HOME"]
    run_apart(FACTORY, "--h7-probe=twin:desk").assert_outcomes(passed=1)
    assert (tmp_path / "state" / "pytest-h7" / "twin" / "desk").is_dir()


@pytest.mark.parametrize("name", ["flash.bin", "options.json", "backup-domain.json"])
def test_board_with_a_damaged_file(run: Run, own_boards: None, name: str) -> None:
    folder = board_folder("desk")
    folder.mkdir(parents=True)
    (folder / name).write_text("junk")
    assert the_error(run(ANY, "--h7-probe=twin:desk")) == (
        f"The virtual board that is kept in {folder} cannot be opened because a file in it is damaged: delete the "
        "folder for a board as the factory has it."
    )
    (folder / name).unlink()
    run(ANY, "--h7-probe=twin:desk").assert_outcomes(passed=1)
