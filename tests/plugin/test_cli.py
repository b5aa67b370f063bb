"""The command line ``pytest-h7``."""

import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_h7.cli import main

TWIN = "twin         virtual NUCLEO-H755ZI-Q (twin:NAME for one that keeps its flash)"


@pytest.fixture(autouse=True)
def two_boards(own_boards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "left,right")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "H7TWIN-left   STLINK-V3",
        "H7TWIN-right  STLINK-V3",
        TWIN.replace("twin         ", "twin          "),
    ]


def test_list_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--probe=LEFT"]) == 0
    assert capsys.readouterr().out == "H7TWIN-left  STLINK-V3\n"


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
    assert done.stdout.splitlines()[0].split() == ["H7TWIN-left", "STLINK-V3"]
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pytest-h7 {version('pytest-h7')}\n"
