"""pyserial on the virtual COM port: its URL, and time-outs in board time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

import pytest_h7.twin.serial_port  # noqa: F401 - makes the URL known to pyserial
from pytest_h7.board.images import reference_image
from pytest_h7.twin import board as board_module
from pytest_h7.twin.board import virtual_board

BANNER = b"pytest-h7 reference firmware\r\n"


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serial.SerialBase]:
    """The port of a new board with the reference firmware."""
    monkeypatch.setattr(board_module, "_boards", {})
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    monkeypatch.setenv("H7_TWIN_IMAGES", f"{reference_image('cm7')},{reference_image('cm4')}")
    with serial.serial_for_url("h7twin://", 115_200, timeout=1.0) as opened:
        yield opened


def test_read_waits_for_what_comes(port) -> None:
    assert port.read(len(BANNER)) == BANNER


def test_read_returns_as_soon_as_it_has_enough(port) -> None:
    port.read(len(BANNER))
    assert virtual_board().time() < 0.1


def test_lines_can_be_read(port) -> None:
    assert port.readline() == BANNER
    assert port.readline().startswith(b"[CM7]")


@pytest.mark.parametrize("timeout", [0.25, 0.0101])
def test_time_out_is_board_time(port, timeout: float) -> None:
    port.reset_input_buffer()
    virtual_board().sleep(0.5)
    port.read(10_000)
    port.timeout = timeout
    before = virtual_board().time()
    assert port.read(5) == b""
    assert virtual_board().time() - before == pytest.approx(timeout, abs=1e-9)


def test_no_time_out_means_what_is_there(port) -> None:
    port.timeout = 0
    before = virtual_board().time()
    assert port.read(100) == b""
    assert virtual_board().time() == before
    virtual_board().sleep(0.1)
    waiting = port.in_waiting
    assert waiting >= len(BANNER)
    assert len(port.read(waiting)) == waiting


def test_read_that_may_wait_for_ever(port) -> None:
    port.timeout = None
    assert port.read(len(BANNER)) == BANNER


def test_written_text_is_answered(port) -> None:
    port.read_until(b"[CM4] ready\r\n")
    assert port.write(b"ping\r") == 5
    assert port.readline() == b"[CM7] pong\r\n"


def test_input_can_be_thrown_away(port) -> None:
    virtual_board().sleep(0.1)
    port.reset_input_buffer()
    assert port.in_waiting == 0
    port.reset_output_buffer()


def test_baud_rate_is_the_ports(port) -> None:
    port.baudrate = 19_200
    assert BANNER not in port.read(60)
    port.baudrate = 115_200
    port.reset_input_buffer()
    virtual_board().mcu.system_reset()
    assert BANNER in port.read(200)


def test_closed_port(port) -> None:
    port.close()
    assert not port.is_open
    for access in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting):
        with pytest.raises(serial.PortNotOpenError):
            access()
    port.open()
    assert port.read(1) == BANNER[:1]


def test_port_goes_with_its_probe(port) -> None:
    stlink = virtual_board().stlink
    stlink.plugged = False
    with pytest.raises(serial.SerialException, match="not plugged in"):
        serial.serial_for_url("h7twin://")
    for plugged in (False, True):
        stlink.plugged = plugged
        with pytest.raises(serial.SerialException, match="unplugged"):
            port.read()
    with serial.serial_for_url("h7twin://", 115_200, timeout=1.0) as again:
        assert again.read(len(BANNER)) == BANNER


def test_named_board_has_a_port_of_its_own(port) -> None:
    with serial.serial_for_url("h7twin://Desk-2", 115_200, timeout=0.1) as other:
        assert other.read(len(BANNER)) == BANNER
    assert virtual_board("Desk-2") is not virtual_board()
    assert virtual_board().time() == 0.0
    board_module.give_up(virtual_board("Desk-2"))


def test_port_without_a_name_cannot_be_opened() -> None:
    from pytest_h7.twin.serial_port.protocol_h7twin import Serial

    with pytest.raises(serial.SerialException, match="must be configured"):
        Serial().open()
    with pytest.raises(serial.SerialException, match="is not of the form h7twin://NAME"):
        Serial("/dev/ttyACM0")
