"""pyOCD's own tools on the virtual board, and how they find it."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from pyocd.core import exceptions

from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

COUNT_FOREVER = struct.pack("<IIHH", 0x2001_0000, 0x0800_0009, 0x3001, 0xE7FD)
"""Vectors; ``loop: adds r0, #1; b loop``."""


def test_boards_are_listed_only_when_they_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    monkeypatch.delenv("H7_TWIN", raising=False)
    assert TwinProbe.get_all_connected_probes() == []
    assert TwinProbe.get_probe_with_id("H7TWIN") is None
    monkeypatch.setenv("H7_TWIN", "twin")
    assert [probe.unique_id for probe in TwinProbe.get_all_connected_probes()] == ["H7TWIN"]
    assert TwinProbe.get_probe_with_id("H7TWIN").virtual_board.name is None


def test_boards_can_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    assert TwinProbe.get_probe_with_id("", is_explicit=True).unique_id == "H7TWIN"
    for unique_id in ("listed-test", "H7TWIN-listed-test"):
        assert TwinProbe.get_probe_with_id(unique_id, is_explicit=True).unique_id == "H7TWIN-listed-test"
    with pytest.raises(exceptions.ProbeError, match="cannot be the name"):
        TwinProbe.get_probe_with_id("../x", is_explicit=True)


@pytest.fixture
def tool_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which this package's entry point is known, installed or not."""
    metadata = tmp_path / "path" / "pytest_h7-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-h7\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(
        "[pyocd.probe]\nh7twin = pytest_h7.twin.pyocd_plugin._plugin:TwinProbePlugin\n"
    )
    root = Path(__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("H7_")}
    return environment | {
        "PYTHONPATH": os.pathsep.join((str(metadata.parent), str(root))),
        "H7_TWIN_HOME": str(tmp_path / "boards"),
    }


def run_python(environment: dict[str, str], *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.parametrize(
    "module",
    [
        "pyocd.core.session",
        "pytest_h7.target.stm32h755",
        "pytest_h7.target.flash",
        "pytest_h7.twin.pyocd_plugin.probe",
        "pytest_h7.twin.pyocd_plugin._plugin",
    ],
)
def test_the_entry_point_loads_whatever_is_imported_first(
    tool_environment: dict[str, str], module: str
) -> None:
    script = (
        f"import {module}\n"
        "from pyocd.probe.aggregator import PROBE_CLASSES\n"
        "from pyocd.target import TARGET\n"
        "print(PROBE_CLASSES['h7twin'].__name__, TARGET['stm32h755zitx'].__name__)"
    )
    assert run_python(tool_environment, "-W", "error", "-c", script).strip() == "TwinProbe STM32H755"


def test_pyocd_list_and_commander(tool_environment: dict[str, str]) -> None:
    assert "H7TWIN" not in run_python(tool_environment, "-m", "pyocd", "list")
    listing = run_python(tool_environment | {"H7_TWIN": "twin,demo"}, "-m", "pyocd", "list")
    assert "H7TWIN-demo" in listing
    assert "NUCLEO-H755ZI-Q" in listing
    output = run_python(
        tool_environment,
        *("-m", "pyocd", "commander", "-u", "h7twin:", "-t", "stm32h755xx"),
        *("-c", "read32 0xE000ED00", "-c", "core 1", "-c", "read32 0xE000ED00"),
    )
    assert "411fc271" in output
    assert "410fc241" in output


def test_pyocd_flash_and_a_named_board_that_keeps_it(
    tool_environment: dict[str, str], tmp_path: Path
) -> None:
    image = tmp_path / "image.bin"
    image.write_bytes(COUNT_FOREVER)
    run_python(
        tool_environment,
        *("-m", "pyocd", "flash", "-u", "h7twin:kept", "-t", "stm32h755xx", "-M", "halt"),
        *("--base-address", "0x08000000", str(image)),
    )
    output = run_python(
        tool_environment,
        *("-m", "pyocd", "commander", "-u", "h7twin:kept", "-c", "read32 0x08000008"),
    )
    assert "e7fd3001" in output


def test_gdb_server(tool_environment: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "pyocd", "gdbserver", "-u", "h7twin:", "-p", str(port)),
            *("-T", str(port + 2), "-O", "swv_raw_enable=0", "-O", "rtos.enable=0"),
        ],
        env=tool_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        for line in server.stderr:
            if "GDB server listening" in line or "GDB server started" in line:
                break
        with socket.create_connection(("127.0.0.1", port), timeout=20) as gdb:
            gdb.sendall(b"$me000ed00,4#eb")
            answer = b""
            while b"71c21f41" not in answer:
                received = gdb.recv(4096)
                assert received, answer
                answer += received
    finally:
        server.terminate()
        server.wait(20)
        server.stderr.close()
