"""What the doctor sees of the computer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from usb.core import NoBackendError

from pytest_h7.cli import main
from pytest_h7.diagnosis import host


def test_debug_servers_that_run(tmp_path: Path) -> None:
    for process, name in ((17, "ST-LINK_gdbserv"), (4, "openocd"), (5, "bash"), (6, "stlinkserver")):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "comm").write_text(f"{name}\n")
    (tmp_path / "self").mkdir()
    assert host._running_debuggers(tmp_path) == [
        "ST-LINK_gdbserv (process 17)",
        "openocd (process 4)",
        "stlinkserver (process 6)",
    ]
    assert host._running_debuggers(tmp_path / "nowhere") == []


def test_udev_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_RULES", (str(tmp_path), str(tmp_path / "nowhere")))
    (tmp_path / "10-other.rules").write_text('ATTRS{idVendor}=="1366"\n')
    assert not host._has_udev_rule()
    shipped = Path(__file__).parents[2] / "ci" / "60-stlink.rules"
    (tmp_path / "60-stlink.rules").write_text(shipped.read_text("utf-8"))
    assert host._has_udev_rule()


def test_without_libusb(
    own_environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(*_arguments: object, **_options: object) -> None:
        raise NoBackendError("No backend available")

    monkeypatch.setattr("pyocd.probe.stlink.usb.usb_find", find)
    monkeypatch.setattr("pytest_h7.bench.probes.connected_probes", list)
    assert main(["doctor", "--probe", "066DFF", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["host"]["libusb"] is False
    assert report["host"]["unusable_probes"] == ["The library libusb is missing: install libusb-1.0."]
    assert "The library libusb is missing" in report["verdict"][0]


def test_board_that_another_process_has(own_environment: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Said at once, with who it is."""
    code = (
        "import sys\n"
        "from pytest_h7.bench.lease import Lease\n"
        "from pytest_h7.twin.board_store import board_folder\n"
        "lease = Lease('twin:desk', board_folder('desk'), 0, print)\n"
        "print('taken', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "taken\n"
    try:
        assert main(["doctor", "--probe", "twin:desk", "--json"]) == 2
    finally:
        holder.communicate("")
    (verdict,) = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict.startswith("The board twin:desk is in use by ")
    assert f"process {holder.pid}" in verdict
