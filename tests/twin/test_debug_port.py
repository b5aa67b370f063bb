"""The debug port and the four access ports, by the rules of ADIv5 and RM0399 chapter 63."""

import pytest
from fake_chip import RAM_START, FakeChip

from pytest_h7.twin.access_port import ClosedPolicy
from pytest_h7.twin.bus import Master
from pytest_h7.twin.debug_port import (
    ABORT,
    CDBGPWRUPREQ,
    CSYSPWRUPREQ,
    CTRL_STAT,
    DAPABORT,
    DPIDR,
    RDBUFF,
    SELECT,
    STICKYERR,
    STKERRCLR,
    DebugPort,
    FaultAnswer,
    NoAnswer,
    WaitAnswer,
)

CSW, TAR, DRW, BD0, BASE, IDR = 0x00, 0x04, 0x0C, 0x10, 0xF8, 0xFC
CPUID, DHCSR, DEMCR = 0xE000_ED00, 0xE000_EDF0, 0xE000_EDFC
DBGMCU_CR = 0xE00E_1004
CSW_WORD_INCREMENT = 0x0300_0012


class Wire:
    """What a probe does on the wire, with the register addresses of ADIv5."""

    def __init__(self, chip: FakeChip) -> None:
        self.dp = DebugPort(chip)

    def connect(self) -> None:
        self.dp.switch_to_swd()
        self.dp.write(CTRL_STAT, CDBGPWRUPREQ | CSYSPWRUPREQ)

    def read(self, apsel: int, register: int) -> int:
        self.dp.write(SELECT, apsel << 24 | register & 0xF0)
        self.dp.read_ap(register & 0xC)
        return self.dp.read(RDBUFF)

    def write(self, apsel: int, register: int, value: int) -> None:
        self.dp.write(SELECT, apsel << 24 | register & 0xF0)
        self.dp.write_ap(register & 0xC, value)
        self.dp.read(RDBUFF)

    def load(self, apsel: int, address: int) -> int:
        self.write(apsel, CSW, CSW_WORD_INCREMENT | (0x8000_0000 if apsel == 2 else 0))
        self.write(apsel, TAR, address)
        return self.read(apsel, DRW)

    def store(self, apsel: int, address: int, value: int) -> None:
        self.write(apsel, CSW, CSW_WORD_INCREMENT | (0x8000_0000 if apsel == 2 else 0))
        self.write(apsel, TAR, address)
        self.write(apsel, DRW, value)

    def clear_sticky(self) -> None:
        self.dp.write(ABORT, STKERRCLR)


@pytest.fixture
def chip() -> FakeChip:
    return FakeChip()


@pytest.fixture
def wire(chip: FakeChip) -> Wire:
    wire = Wire(chip)
    wire.connect()
    return wire


def test_an_unpowered_board_does_not_answer(chip: FakeChip) -> None:
    wire = Wire(chip)
    chip.powered = False
    with pytest.raises(NoAnswer):
        wire.connect()


def test_the_line_is_jtag_until_it_is_switched(chip: FakeChip) -> None:
    wire = Wire(chip)
    with pytest.raises(NoAnswer):
        wire.dp.read(DPIDR)
    wire.connect()
    assert wire.dp.read(DPIDR) == 0x6BA0_2477


def test_the_banks_of_register_4(wire: Wire) -> None:
    banks = []
    for bank in range(4):
        wire.dp.write(SELECT, bank)
        banks.append(wire.dp.read(CTRL_STAT))
    assert banks == [0xF000_0000, 0x0000_0040, 0x0450_0041, 0x0000_0001]


def test_power_requests_are_acknowledged_one_by_one(wire: Wire) -> None:
    wire.dp.write(CTRL_STAT, CDBGPWRUPREQ)
    assert wire.dp.read(CTRL_STAT) == 0x3000_0000
    wire.dp.write(CTRL_STAT, 0)
    assert wire.dp.read(CTRL_STAT) == 0


def test_an_access_without_debug_power_faults(wire: Wire) -> None:
    wire.dp.write(CTRL_STAT, 0)
    with pytest.raises(FaultAnswer):
        wire.read(0, IDR)


def test_the_access_ports_identify_themselves(wire: Wire) -> None:
    assert [wire.read(apsel, IDR) for apsel in range(6)] == [
        0x8477_0001,
        0x8477_0001,
        0x5477_0002,
        0x2477_0011,
        0,
        0,
    ]
    assert [wire.read(apsel, BASE) for apsel in range(4)] == [
        0xE00F_E003,
        0x0000_0002,
        0xE00E_0003,
        0xE00F_F003,
    ]


def test_ap_reads_are_posted(wire: Wire) -> None:
    wire.dp.write(SELECT, 0xF0)
    wire.dp.read_ap(IDR & 0xC)
    assert wire.dp.read_ap(BASE & 0xC) == 0x8477_0001
    assert wire.dp.read(RDBUFF) == 0xE00F_E003


def test_tar_counts_up_and_wraps_in_its_block(wire: Wire, chip: FakeChip) -> None:
    chip.ram[0x3F8:0x400] = bytes(range(8))
    wire.write(1, CSW, CSW_WORD_INCREMENT)
    wire.write(1, TAR, RAM_START + 0x3F8)
    assert wire.read(1, DRW) == 0x0302_0100
    assert wire.read(1, DRW) == 0x0706_0504
    assert wire.read(1, TAR) == RAM_START


def test_ap3_counts_up_over_4_kilobytes(wire: Wire) -> None:
    wire.write(3, CSW, CSW_WORD_INCREMENT)
    wire.write(3, TAR, RAM_START + 0x3FC)
    wire.read(3, DRW)
    assert wire.read(3, TAR) == RAM_START + 0x400


def test_a_byte_travels_in_its_lane(wire: Wire, chip: FakeChip) -> None:
    wire.write(0, CSW, 0x0300_0000)
    wire.write(0, TAR, RAM_START + 2)
    wire.write(0, DRW, 0x00AB_0000)
    assert chip.ram[:4] == b"\0\0\xab\0"
    assert wire.read(0, DRW) == 0x00AB_0000


def test_banked_data_registers_do_not_move_tar(wire: Wire, chip: FakeChip) -> None:
    chip.ram[:16] = bytes(range(16))
    wire.write(0, CSW, CSW_WORD_INCREMENT)
    wire.write(0, TAR, RAM_START + 4)
    assert wire.read(0, BD0 + 8) == 0x0B0A_0908
    wire.write(0, BD0, 0xFFFF_FFFF)
    assert chip.ram[:4] == b"\xff" * 4
    assert wire.read(0, TAR) == RAM_START + 4


def test_each_port_is_a_bus_master_of_its_own(wire: Wire, chip: FakeChip) -> None:
    for apsel in (0, 1, 3):
        wire.load(apsel, RAM_START)
    assert [access.master for access in chip.accesses] == [Master.AP0, Master.AP1, Master.AP3]


def test_a_bus_fault_sticks_until_it_is_cleared(wire: Wire) -> None:
    with pytest.raises(FaultAnswer):
        wire.load(1, 0x0BAD_0000)
    assert wire.dp.read(CTRL_STAT) & STICKYERR
    with pytest.raises(FaultAnswer):
        wire.read(0, IDR)
    wire.clear_sticky()
    assert wire.read(0, IDR) == 0x8477_0001


def test_core_registers_are_reached_through_the_core(wire: Wire, chip: FakeChip) -> None:
    assert wire.load(0, CPUID) == 0x411F_C271
    assert wire.load(3, CPUID) == 0x410F_C241
    wire.store(3, DEMCR, 1)
    assert chip.cores["cm4"].words[DEMCR] == 1


def test_rom_tables_lead_to_the_components(wire: Wire) -> None:
    assert wire.load(0, 0xE00F_E000) == 0x0000_1003
    assert wire.load(0, 0xE00F_F000) == 0xFFF0_F003
    assert wire.load(3, 0xE00F_F014) == 0xFFF4_2003
    assert wire.load(3, 0xE000_2FE0) == 0x03


def test_ap2_takes_words_only(wire: Wire) -> None:
    wire.write(2, CSW, 0x8000_0010)
    assert wire.read(2, CSW) == 0x8000_0052


def test_debug_clocks_open_the_components_behind_ap2(wire: Wire) -> None:
    swo_pid0, etf_pid0 = 0xE00E_3FE0, 0xE00F_4FE0
    assert wire.load(2, swo_pid0) == 0
    with pytest.raises(FaultAnswer):
        wire.load(2, etf_pid0)
    wire.clear_sticky()
    wire.store(2, DBGMCU_CR, 0x0070_0000)
    assert wire.load(2, swo_pid0) == 0x14
    assert wire.load(2, etf_pid0) == 0x61


def test_the_funnel_keeps_what_is_written_and_its_identity(wire: Wire) -> None:
    wire.store(2, DBGMCU_CR, 0x0070_0000)
    wire.store(2, 0xE00E_4000, 0x303)
    wire.store(2, 0xE00E_4FE0, 0)
    assert wire.load(2, 0xE00E_4000) == 0x303
    assert wire.load(2, 0xE00E_4FE0) == 0x08


def test_ap2_can_shut_software_out_of_the_debug_bus(wire: Wire) -> None:
    assert wire.dp.dbgswen
    wire.write(2, CSW, 0x0000_0012)
    assert not wire.dp.dbgswen


def test_under_nrst_the_reset_catch_can_be_armed(wire: Wire, chip: FakeChip) -> None:
    chip.nrst_asserted = True
    wire.store(0, DEMCR, 1)
    wire.store(0, DHCSR, 0xA05F_0001)
    assert chip.cores["cm7"].words[DEMCR] == 1
    wire.store(2, DBGMCU_CR, 0x0070_0009)
    with pytest.raises(FaultAnswer):
        wire.load(0, CPUID)


def test_registers_of_a_closed_port_answer(wire: Wire, chip: FakeChip) -> None:
    chip.clocked.remove("cm4")
    assert wire.read(3, IDR) == 0x2477_0011
    wire.write(3, TAR, RAM_START)
    assert wire.read(3, TAR) == RAM_START


@pytest.mark.parametrize("address", [CPUID, RAM_START])
def test_a_closed_port_faults(wire: Wire, chip: FakeChip, address: int) -> None:
    chip.clocked.remove("cm4")
    with pytest.raises(FaultAnswer):
        wire.load(3, address)
    wire.clear_sticky()
    assert wire.load(0, CPUID) == 0x411F_C271


@pytest.mark.parametrize("address", [CPUID, RAM_START])
def test_a_closed_port_reads_zero(wire: Wire, chip: FakeChip, address: int) -> None:
    wire.dp.closed_policy = ClosedPolicy.ZERO
    chip.clocked.remove("cm4")
    chip.ram[:4] = b"\xff" * 4
    wire.store(3, address, 0x1234)
    assert wire.load(3, address) == 0
    assert chip.ram[:4] == b"\xff" * 4


def test_a_closed_port_that_hangs_blocks_the_others_until_it_is_aborted(wire: Wire, chip: FakeChip) -> None:
    wire.dp.closed_policy = ClosedPolicy.WAIT
    chip.clocked.remove("cm4")
    with pytest.raises(WaitAnswer):
        wire.load(3, CPUID)
    with pytest.raises(WaitAnswer):
        wire.load(0, CPUID)
    assert wire.dp.read(CTRL_STAT) & 0xF000_0000 == 0xF000_0000
    wire.dp.write(ABORT, DAPABORT)
    assert wire.load(0, CPUID) == 0x411F_C271


def test_an_access_that_hangs_ends_when_the_core_gets_its_clock(wire: Wire, chip: FakeChip) -> None:
    wire.dp.closed_policy = ClosedPolicy.WAIT
    chip.clocked.remove("cm4")
    with pytest.raises(WaitAnswer):
        wire.load(3, CPUID)
    chip.clocked.add("cm4")
    assert wire.dp.read(RDBUFF) == 0x410F_C241


def test_power_on_resets_everything(wire: Wire) -> None:
    wire.write(2, CSW, 0x0000_0012)
    wire.dp.power_on_reset()
    assert wire.dp.dbgswen
    with pytest.raises(NoAnswer):
        wire.dp.read(DPIDR)
