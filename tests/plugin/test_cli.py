"""The command line ``pytest-h7``."""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_h7.bench.lease import Lease, probe_folder
from pytest_h7.cli import main
from pytest_h7.twin.board_store import board_folder

TWIN = "twin         virtual NUCLEO-H755ZI-Q (twin:NAME for one that keeps its flash), console h7twin://"


@pytest.fixture(autouse=True)
def two_boards(own_boards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "left,right")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "H7TWIN-left   STLINK-V3, console h7twin://left",
        "H7TWIN-right  STLINK-V3, console h7twin://right",
        TWIN.replace("twin         ", "twin          "),
    ]


def test_list_tells_who_has_a_board(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    leases = [
        Lease("twin:taken", board_folder("taken"), 0, print),
        Lease("066DFF", probe_folder("066DFF"), 0, print),
    ]
    board_folder("free").mkdir()
    (board_folder("free") / "lock").touch()
    code = (
        "import pytest_h7.bench.probes as probes\n"
        "from types import SimpleNamespace\n"
        "from pytest_h7.cli import main\n"
        "probe = SimpleNamespace(unique_id='066DFF', product_name='STLINK-V3')\n"
        "probes.connected_probes = lambda: [probe]\n"
        "main(['list'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    real, _twin, free, taken = done.stdout.splitlines()
    holder = rf"in use by .+@.+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \(process {os.getpid()}: .+\)"
    assert re.fullmatch(rf"066DFF +STLINK-V3, no console, {holder}", real)
    assert re.fullmatch(rf"twin:taken +virtual board that is kept, console h7twin://taken, {holder}", taken)
    assert re.fullmatch(r"twin:free +virtual board that is kept, console h7twin://free", free)
    for lease in leases:
        lease.release()
    assert main(["list"]) == 0
    assert "in use" not in capsys.readouterr().out


def test_list_tells_who_has_a_board_of_the_environment() -> None:
    lease = Lease("twin:left", board_folder("left"), 0, print)
    command = [Path(sysconfig.get_path("scripts")) / "pytest-h7", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lease.release()
    assert done.stderr == ""
    left, right, twin = done.stdout.splitlines()
    assert re.fullmatch(
        rf"H7TWIN-left +STLINK-V3, console h7twin://left, in use by .+ \(process {os.getpid()}: .+\)", left
    )
    assert right == "H7TWIN-right  STLINK-V3, console h7twin://right"
    assert twin.startswith("twin ")


def test_list_leaves_boards_alone() -> None:
    assert main(["list"]) == 0
    assert not board_folder("left").exists()


def test_list_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--probe=LEFT"]) == 0
    assert capsys.readouterr().out == "H7TWIN-left  STLINK-V3, console h7twin://left\n"


def test_list_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--probe=066DFF"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "pytest-h7: No probe has '066DFF' in its serial number: there are H7TWIN-left, H7TWIN-right, twin.\n"
    )


def test_list_without_any_probe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("H7_TWIN")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [TWIN.replace("twin         ", "twin  ")]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["list", "--loud"]])
def test_wrong_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.startswith("usage: pytest-h7")


def test_installed_command() -> None:
    command = Path(sysconfig.get_path("scripts")) / "pytest-h7"
    done = subprocess.run([command, "list"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].split() == ["H7TWIN-left", "STLINK-V3,", "console", "h7twin://left"]
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pytest-h7 {version('pytest-h7')}\n"


COMMANDS = [["doctor"], ["flash"], ["recover"], ["registers", "RCC.CR"], ["option-bytes"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_board_that_does_not_exist(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--board=nucleo"]) == 1
    assert "--board: nucleo is neither a board (nucleo-h745zi-q, " in capsys.readouterr().err


def test_board_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("H7_BOARD", "no-such-board.toml")
    assert main(["doctor", "--probe=twin:disco"]) == 1
    assert "--board: no-such-board.toml is neither a board" in capsys.readouterr().err
