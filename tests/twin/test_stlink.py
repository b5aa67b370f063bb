"""The virtual ST-LINK V3E, through the driver that pyOCD has for a real one."""

import pytest
import usb.core
from fake_chip import RAM_START, FakeChip
from pyocd.core import exceptions
from pyocd.coresight.dap import ABORT_DAPABORT, DP_ABORT
from pyocd.probe.stlink.stlink import STLink

from pytest_h7.twin.access_port import ClosedPolicy
from pytest_h7.twin.stlink import BITS_PER_ACCESS, ROUND_TRIP_TIME, VirtualStlink
from pytest_h7.twin.timeline import PS_PER_S

CSW = 0x0300_0010
CPUID = 0xE000_ED00


@pytest.fixture
def chip() -> FakeChip:
    return FakeChip()


@pytest.fixture
def device(chip: FakeChip) -> VirtualStlink:
    return VirtualStlink(chip, "H7TWIN")


@pytest.fixture
def link(device: VirtualStlink) -> STLink:
    link = STLink(device.interface())
    link.open()
    link.enter_debug(STLink.Protocol.SWD)
    for apsel in range(4):
        link.open_ap(apsel)
    return link


def test_it_presents_itself_as_the_probe_of_a_nucleo_board(link: STLink) -> None:
    assert link.version_str == "V3J15M7"
    assert link.product_name == "STLINK-V3"
    assert link.get_board_id() == "0844"
    assert link.target_voltage == pytest.approx(3.3, abs=0.01)


def test_an_unpowered_board_shows_no_voltage_and_no_chip(chip: FakeChip, device: VirtualStlink) -> None:
    chip.powered = False
    chip.supply_millivolts = 0
    link = STLink(device.interface())
    link.open()
    assert link.target_voltage == 0
    with pytest.raises(exceptions.ProbeError, match="IDCODE"):
        link.enter_debug(STLink.Protocol.SWD)


def test_it_has_the_clock_frequencies_of_a_v3(link: STLink) -> None:
    _, frequencies = link.get_com_frequencies(STLink.Protocol.SWD)
    assert frequencies == [24_000, 8_000, 3_300, 1_000, 200, 50, 5]
    assert link.set_com_frequency(STLink.Protocol.SWD, 8_000_000) == 8_000
    assert link.set_com_frequency(STLink.Protocol.SWD, 7_999_000) == 3_300
    assert link.set_com_frequency(STLink.Protocol.SWD, 1_000) == 5


def test_memory_is_written_and_read_in_all_sizes(link: STLink, chip: FakeChip) -> None:
    data = [index & 0xFF for index in range(8192)]
    link.write_mem32(RAM_START, data, 0, CSW)
    assert chip.ram[:8192] == bytes(data)
    link.write_mem8(RAM_START + 1, [0xAA, 0xBB, 0xCC], 0, CSW)
    link.write_mem16(RAM_START + 6, [0x12, 0x34], 0, CSW)
    assert bytes(link.read_mem8(RAM_START, 9, 0, CSW)) == bytes([0, 0xAA, 0xBB, 0xCC, 4, 5, 0x12, 0x34, 8])
    assert link.read_mem16(RAM_START + 6, 2, 0, CSW) == [0x12, 0x34]
    assert link.read_mem32(RAM_START + 4096, 4096, 1, CSW) == data[:4096]


def test_a_fault_comes_with_its_address_and_leaves_the_link_usable(link: STLink) -> None:
    with pytest.raises(exceptions.TransferFaultError) as caught:
        link.read_mem32(RAM_START + 0x3FF8, 16, 1, CSW)
    assert caught.value.fault_address == RAM_START + 0x4000
    assert link.read_mem32(CPUID, 4, 0, CSW) == [0x71, 0xC2, 0x1F, 0x41]


def test_a_core_that_hangs_its_port_times_out_until_it_is_aborted(
    link: STLink, chip: FakeChip, device: VirtualStlink
) -> None:
    device.debug_port.closed_policy = ClosedPolicy.WAIT
    chip.clocked.remove("cm4")
    with pytest.raises(exceptions.TransferTimeoutError):
        link.read_mem32(CPUID, 4, 3, CSW)
    with pytest.raises(exceptions.TransferTimeoutError):
        link.read_mem32(CPUID, 4, 0, CSW)
    link.write_dap_register(STLink.DP_PORT, DP_ABORT, ABORT_DAPABORT)
    assert link.read_mem32(CPUID, 4, 0, CSW) == [0x71, 0xC2, 0x1F, 0x41]


def test_registers_of_debug_port_and_access_ports_are_reached(link: STLink) -> None:
    assert link.read_dap_register(STLink.DP_PORT, 0) == 0x6BA0_2477
    assert link.read_dap_register(STLink.DP_PORT, 0x24) == 0x0450_0041
    assert link.read_dap_register(3, 0xFC) == 0x2477_0011
    link.write_dap_register(0, 0x04, RAM_START)
    assert link.read_dap_register(0, 0x04) == RAM_START


def test_a_port_that_is_not_open_takes_no_memory_commands(link: STLink) -> None:
    link.close_ap(3)
    with pytest.raises(exceptions.ProbeError, match="AP"):
        link.read_mem32(CPUID, 4, 3, CSW)
    link.open_ap(3)
    link.enter_idle()
    link.enter_debug(STLink.Protocol.SWD)
    with pytest.raises(exceptions.ProbeError, match="AP"):
        link.read_mem32(CPUID, 4, 3, CSW)


def test_memory_commands_keep_the_debug_bus_open_to_software(link: STLink, device: VirtualStlink) -> None:
    link.read_mem32(0xE00E_1000, 4, 2, 0)
    assert device.debug_port.dbgswen


def test_it_drives_nrst(link: STLink, chip: FakeChip) -> None:
    link.drive_nreset(True)
    assert chip.nrst_asserted
    link.drive_nreset(False)
    assert not chip.nrst_asserted
    before = chip.now
    link.target_reset()
    assert not chip.nrst_asserted
    assert chip.now - before >= PS_PER_S // 1000


def test_a_command_takes_a_round_trip(link: STLink, chip: FakeChip, device: VirtualStlink) -> None:
    before, count = chip.now, device.transfers
    link.get_target_voltage()
    assert chip.now - before == ROUND_TRIP_TIME
    assert device.transfers == count + 1


def test_a_block_takes_the_time_of_its_bits(link: STLink, chip: FakeChip) -> None:
    link.set_com_frequency(STLink.Protocol.SWD, 8_000_000)
    before = chip.now
    link.read_mem32(RAM_START, 4096, 0, CSW)
    bits = (2 + 4 + 1024) * BITS_PER_ACCESS
    assert chip.now - before == 2 * ROUND_TRIP_TIME + bits * PS_PER_S // 8_000_000


def test_time_passes_before_a_command_takes_effect(link: STLink, chip: FakeChip) -> None:
    written = []
    chip.write_block = lambda address, data, master: written.append(chip.now) or True
    before = chip.now
    link.write_mem32(RAM_START, [0] * 4, 0, CSW)
    assert written[0] - before >= ROUND_TRIP_TIME


def test_a_second_program_finds_it_in_use(link: STLink, device: VirtualStlink) -> None:
    with pytest.raises(usb.core.USBError) as caught:
        device.interface().open()
    assert caught.value.errno == 16
    link.close()
    device.interface().open()


def test_it_can_be_in_use_by_someone_else(device: VirtualStlink) -> None:
    device.claimed_elsewhere = True
    with pytest.raises(usb.core.USBError) as caught:
        STLink(device.interface()).open()
    assert caught.value.errno == 16


def test_an_unplugged_probe_is_gone(link: STLink, device: VirtualStlink) -> None:
    device.plugged = False
    with pytest.raises(exceptions.ProbeError, match="USB Error"):
        link.get_target_voltage()
    with pytest.raises(usb.core.USBError) as caught:
        device.interface().open()
    assert caught.value.errno == 19


def test_an_unknown_command_is_refused(device: VirtualStlink) -> None:
    interface = device.interface()
    interface.open()
    answer = interface.transfer([0xF2, 0x7F], readSize=2)
    assert answer is not None
    assert answer[0] == 0x42
