"""What goes wrong at the virtual probe when a test lets it, at a transfer or a board time."""

from __future__ import annotations

import pytest
import usb.core
from pyocd.core import exceptions
from pyocd.probe.stlink.stlink import STLink

from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.faults import Fault

CSW, AP1, AP2 = 0x0300_0010, 1, 2
SRAM4, IDCODE = 0x3800_0000, 0xE00E_1000
DPIDR, ABORT, DP = 0x0, 0x0, STLink.DP_PORT
STKERRCLR = 1 << 2


@pytest.fixture
def board() -> VirtualBoard:
    board = VirtualBoard()
    board.sleep(0.001)
    return board


@pytest.fixture
def link(board: VirtualBoard) -> STLink:
    link = STLink(board.stlink.interface())
    link.open()
    link.enter_debug(STLink.Protocol.SWD)
    for apsel in range(4):
        link.open_ap(apsel)
    link.write_mem32(SRAM4, bytes(range(16)), AP1, CSW)
    return link


def read(link: STLink, length: int = 16) -> bytes:
    return bytes(link.read_mem32(SRAM4, length, AP1, CSW))


def test_nothing_goes_wrong_unasked(board: VirtualBoard, link: STLink) -> None:
    assert board.stlink.faults is None
    assert read(link) == bytes(range(16))


def test_usb_error_is_for_one_command_which_is_lost(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.USB_ERROR)
    with pytest.raises(exceptions.ProbeError, match="Input/Output Error") as raised:
        link.write_mem32(SRAM4, b"\xff" * 16, AP1, CSW)
    assert isinstance(raised.value.__cause__, usb.core.USBError)
    assert read(link) == bytes(range(16))


@pytest.mark.parametrize("transfers", [0, 1, 2, 5])
def test_moment_is_counted_in_transfers(board: VirtualBoard, link: STLink, transfers: int) -> None:
    board.stlink.inject(Fault.USB_ERROR, transfer=transfers)
    for _ in range(transfers):
        link.get_target_voltage()
    with pytest.raises(exceptions.ProbeError):
        link.get_target_voltage()
    link.get_target_voltage()


def test_moment_is_a_board_time(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.USB_ERROR, seconds=0.01)
    end = board.time() + 0.01
    while board.time() < end:
        link.get_target_voltage()
    with pytest.raises(exceptions.ProbeError):
        link.get_target_voltage()


def test_several_times_in_a_row(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.USB_ERROR, times=3)
    for _ in range(3):
        with pytest.raises(exceptions.ProbeError):
            link.get_target_voltage()
    link.get_target_voltage()


def test_late_answer_is_taken_for_that_of_the_next_command(board: VirtualBoard, link: STLink) -> None:
    start = board.time()
    board.stlink.inject(Fault.TIMEOUT)
    with pytest.raises(exceptions.ProbeError, match="timed out"):
        link.read_dap_register(DP, DPIDR)
    assert board.time() - start > 1.0
    with pytest.raises(exceptions.ProbeError, match="incomplete command response"):
        read(link)


def test_late_answer_is_thrown_away_by_opening_again(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.TIMEOUT)
    with pytest.raises(exceptions.ProbeError):
        link.get_target_voltage()
    link._device.close()
    link._device.open()
    assert read(link) == bytes(range(16))


def test_timed_out_write_is_not_carried_out(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.TIMEOUT)
    with pytest.raises(exceptions.ProbeError, match="timed out"):
        link.write_mem32(SRAM4, b"\xff" * 16, AP1, CSW)
    assert read(link) == bytes(range(16))


def test_half_an_answer(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.SHORT_REPLY)
    with pytest.raises(exceptions.ProbeError, match="got 8, expected 16"):
        read(link)
    assert read(link) == bytes(range(16))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.WAIT, exceptions.TransferTimeoutError),
        (Fault.FAULT, exceptions.TransferFaultError),
        (Fault.PARITY, exceptions.TransferError),
    ],
)
def test_access_that_fails_on_the_line(
    board: VirtualBoard, link: STLink, fault: Fault, error: type[Exception]
) -> None:
    board.stlink.inject(fault)
    link.get_target_voltage()  # makes no access
    with pytest.raises(error):
        link.write_mem32(SRAM4, b"\xff" * 16, AP1, CSW)
    assert read(link) == bytes(range(16))
    board.stlink.inject(fault)
    with pytest.raises(error):
        read(link)
    assert read(link) == bytes(range(16))


def test_fault_lasts_until_the_flag_is_cleared(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.FAULT)
    for _ in range(2):
        with pytest.raises(exceptions.TransferFaultError):
            link.read_dap_register(AP2, 0xFC)
    link.write_dap_register(DP, ABORT, STKERRCLR)
    assert link.read_dap_register(AP2, 0xFC) == 0x5477_0002


@pytest.mark.parametrize("fault", [Fault.WAIT, Fault.FAULT])
def test_some_accesses_are_never_refused(board: VirtualBoard, link: STLink, fault: Fault) -> None:
    board.stlink.inject(fault)
    assert link.read_dap_register(DP, DPIDR) == 0x6BA0_2477
    link.write_dap_register(DP, ABORT, STKERRCLR)
    with pytest.raises(exceptions.TransferError):
        read(link)


def test_probe_that_goes_and_comes_back_is_another_usb_device(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.PROBE_BACK)
    link_again = STLink(board.stlink.interface())
    for moment in (0.0, 0.9):
        board.sleep(moment)
        with pytest.raises(exceptions.ProbeError, match="No such device"):
            link.get_target_voltage()
        with pytest.raises(usb.core.USBError, match="No such device"):
            link_again.open()
    board.sleep(0.2)
    with pytest.raises(exceptions.ProbeError, match="No such device"):
        link.get_target_voltage()
    new = STLink(board.stlink.interface())
    new.open()
    assert new.target_voltage == pytest.approx(3.3, abs=0.01)


def test_probe_that_starts_anew_has_forgotten_everything(board: VirtualBoard, link: STLink) -> None:
    link.drive_nreset(True)
    link.set_swd_frequency(24_000_000)
    board.stlink.plugged = False
    assert not board.mcu.nrst_asserted
    board.stlink.plugged = True
    new = STLink(board.stlink.interface())
    new.open()
    assert board.stlink.frequency_khz == 1000
    with pytest.raises(exceptions.ProbeError, match="Bad AP"):
        read(new)
    new.open_ap(AP1)
    assert read(new) == bytes(range(16))


def test_probe_that_is_gone_comes_back_by_hand(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.PROBE_GONE)
    with pytest.raises(exceptions.ProbeError, match="No such device"):
        link.get_target_voltage()
    board.sleep(10)
    assert not board.stlink.plugged
    board.stlink.mend()
    assert board.stlink.plugged


def test_nrst_that_is_stuck(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.NRST_STUCK, transfer=1)
    link.drive_nreset(True)
    link.drive_nreset(False)
    assert board.mcu.nrst_asserted
    board.stlink.mend()
    assert not board.mcu.nrst_asserted


def test_drop_of_the_supply(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.VOLTAGE_DROP)
    link.get_target_voltage()
    assert link.target_voltage == pytest.approx(1.5, abs=0.01)
    board.sleep(0.02)
    link.get_target_voltage()
    assert link.target_voltage == pytest.approx(3.3, abs=0.01)
    with pytest.raises(exceptions.TransferError):
        read(link)
    link.enter_debug(STLink.Protocol.SWD)
    assert link.read_dap_register(DP, DPIDR) == 0x6BA0_2477


@pytest.mark.parametrize("moment", [{"transfer": 1}, {"seconds": 0.001}])
def test_power_cut(board: VirtualBoard, link: STLink, moment: dict[str, float]) -> None:
    board.stlink.inject(Fault.POWER_CUT, **moment)
    assert board.mcu.powered
    link.get_target_voltage()
    board.sleep(0.001)
    link.get_target_voltage()
    assert not board.mcu.powered
    assert link.target_voltage == 0
    board.stlink.mend()
    assert board.mcu.powered


def test_cut_by_time_is_exact(board: VirtualBoard) -> None:
    board.stlink.inject(Fault.POWER_CUT, seconds=0.001)
    board.sleep(0.000_999_999)
    assert board.mcu.powered
    board.sleep(0.000_000_002)
    assert not board.mcu.powered


def test_what_is_mended_does_not_happen_any_more(board: VirtualBoard, link: STLink) -> None:
    board.stlink.inject(Fault.USB_ERROR)
    board.stlink.mend()
    assert read(link) == bytes(range(16))
