"""``pytest-h7 flash``, and the progress that a terminal shows."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_h7.board.flash_lanes import Lanes
from pytest_h7.board.flash_plan import FlashPlan, SectorPlan
from pytest_h7.cli import main
from pytest_h7.flash_progress import shown_on
from pytest_h7.twin.board import VirtualBoard

from .conftest import QUICKLY, STARTED

NEVER_SLEEPS = "pytest_h7/images/cm4_never_sleeps.elf"


def test_flashing_a_board_that_keeps_it(own_boards: None, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in (
        "Flash holds cm7.elf and cm4.elf now: no sectors erased.\n",
        "Flash holds both images already.\n",
    ):
        assert main(["flash", "--probe", "twin:kept"]) == 0
        assert capsys.readouterr().out == expected


def test_the_plan_of_images_that_differ(
    virtual: VirtualBoard, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    other = str(pytestconfig.rootpath / NEVER_SLEEPS)
    for _ in range(2):
        assert main(["flash", "--dry-run", "--cm4-image", other]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "bank 1  0x08000000  unchanged"
        assert re.fullmatch(r"bank 2  0x08100000  erase, program 1\.\d KB(, keep \d+ bytes .*)?", lines[1])
        assert re.fullmatch(r"1 sector is erased, 1\.\d KB are programmed, in about 1 s\.", lines[2])
    assert main(["flash", "--cm4-image", other]) == 0
    assert capsys.readouterr().out == "Flash holds cm4_never_sleeps.elf now: 1 sector erased.\n"


def test_the_firmware_runs_afterwards(virtual: VirtualBoard) -> None:
    for arguments in (["flash"], ["flash", "--dry-run"]):
        assert main(arguments) == 0
        virtual.sleep(0.05)
        assert all(core.running or core.sleep for core in virtual.mcu.cores.values())
        assert not any(core.halted for core in virtual.mcu.cores.values())


def test_an_image_that_is_missing(own_boards: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", "--cm7-image", "nowhere.elf"]) == 1
    assert "nowhere.elf cannot be read" in capsys.readouterr().err


def test_interrupted_flashing_comes_to_its_end(
    erased: VirtualBoard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out = Lanes.carry_out

    def interrupted(lanes: Lanes, plan: FlashPlan) -> None:
        signal.raise_signal(signal.SIGINT)
        carry_out(lanes, plan)

    with monkeypatch.context() as patch:
        patch.setattr(Lanes, "carry_out", interrupted)
        assert main(["flash"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "pytest-h7: interrupted\n"
    assert erased.stlink.claimed_by is None
    assert main(["flash"]) == 0
    assert capsys.readouterr().out == "Flash holds both images already.\n"


def test_option_bytes_that_a_killed_run_has_left(
    own_boards: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The firmware that is flashed would not start with them."""
    test = tmp_path / "test_killed.py"
    test.write_text(
        "import os, signal\n"
        "def test_it(h7_board):\n"
        "    h7_board.option_bytes.set(BCM4=0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-m", "pytest", *QUICKLY, "--h7-probe=twin:desk", test], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert main(["flash", "--probe=twin:desk"]) == 0
    captured = capsys.readouterr()
    assert "pytest-h7: option bytes put back: BCM4=1 (a run that was cut in " in captured.err
    assert main(["option-bytes", "--probe=twin:desk", "BCM4"]) == 0
    assert capsys.readouterr().out == "BCM4  1\n"


# -- progress -----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(output: str) -> str:
    """Return the line that a terminal shows in the end, and everything that was behind it for a while."""
    line, saved = "", 0
    for part in re.split(r"(\x1b7|\x1b8|\x1b\[K)", output):
        match part:
            case "\x1b7":
                saved = len(line)
            case "\x1b8":
                line = line[:saved]
            case "\x1b[K":
                pass
            case _:
                line += part
    return line


PLAN = FlashPlan((SectorPlan(0x0800_0000, (), erase=True, words={}),))


def test_progress_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    terminal.write("before")
    with shown_on(terminal) as show:
        assert show is not None
        show(PLAN, 0.1)
        show(PLAN, 0.5)
        assert screen(terminal.getvalue()).startswith("before flashing  50%: 1 sector is erased")
        assert len(screen(terminal.getvalue()).removeprefix("before")) < 60
    assert screen(terminal.getvalue()) == "before"


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    with shown_on(io.StringIO()) as show:
        assert show is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_in_a_run(own_boards: None, tmp_path: Path) -> None:
    import pty

    (tmp_path / "conftest.py").write_text(STARTED)
    (tmp_path / "test_it.py").write_text("def test_it(h7_flashed): pass\n")
    main_end, its_end = pty.openpty()
    command = [sys.executable, "-m", "pytest", *QUICKLY, "-q", str(tmp_path)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=its_end, stderr=its_end):
        os.close(its_end)
        output = b""
        while True:
            try:
                output += os.read(main_end, 4096)
            except OSError:  # its end is closed
                break
    os.close(main_end)
    text = output.decode()
    assert "flashing" in text
    shown = screen(text)
    assert "flashing" not in shown
    assert "1 passed" in shown
