"""What nobody could check without a board: to be run on the first day with one.

    ci/hil --h7-probe=<serial> -m h7_hardware

Each test names a claim of docs/hardware-unverified.md and fails where the chip behaves otherwise than the virtual
board does.
"""

from collections.abc import Iterator

import pytest

from pytest_h7 import Board, Core, DomainState, ImagePair, Pin, Probe, TargetAccessError
from pytest_h7.bench.settings import FlashPolicy

pytestmark = pytest.mark.h7_hardware

CPUID = 0xE000_ED00
RLR1, R1 = 0x5802_6484, 0x5802_6404
AP_CSW, AP_BASE = 0x00, 0xF8


@pytest.fixture
def d2_stopped(h7_board: Board, h7_flashed: ImagePair) -> Iterator[Board]:
    """The board with the CM7 at its first instruction and the CM4 asleep in D2 stop."""
    h7_board.reset(halt=True)
    h7_board.wait_until(lambda: h7_board.domains.d2.state is DomainState.STOP, 0.1)
    yield h7_board
    h7_board.registers.DBGMCU.CR.value = 0x0070_0009
    h7_board.reset()


def test_ap3_registers_answer_while_d2_is_stopped(d2_stopped: Board) -> None:
    connection = d2_stopped.bench.connection
    assert d2_stopped.ap[3].idr == 0x2477_0011
    assert connection.read_ap_register(3, AP_BASE) == 0xE00F_F003
    assert connection.read_ap_register(3, AP_CSW) & 0x7 == 2


def test_ap3_memory_faults_while_d2_is_stopped(d2_stopped: Board) -> None:
    # The default of --h7-twin-ap3; zeros or WAIT are as good, but then that default should change.
    with pytest.raises(TargetAccessError, match="fault"):
        d2_stopped.ap[3].read_u32(CPUID)


def test_the_other_access_ports_answer_while_d2_is_stopped(d2_stopped: Board) -> None:
    assert [d2_stopped.ap[apsel].readable for apsel in (0, 1, 2)] == [True, True, True]


def test_dbgstop_d2_opens_ap3_after_the_stop(d2_stopped: Board) -> None:
    d2_stopped.registers.DBGMCU.CR.DBG_STOPD2 = 1
    assert d2_stopped.ap[3].readable


def test_d2ckrdy_stays_0_with_dbgstop_d2(d2_stopped: Board) -> None:
    d2_stopped.registers.DBGMCU.CR.DBG_STOPD2 = 1
    assert d2_stopped.registers.RCC.CR.D2CKRDY == 0


@pytest.mark.h7_option_bytes(BCM4=0)
def test_d2ckrdy_is_1_while_the_cm4_is_held(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    assert h7_board.registers.RCC.CR.D2CKRDY == 1


def test_ap0_is_the_cm7_at_hsem(started: Board) -> None:
    assert started.ap[0].read_u32(RLR1) == 0x8000_0300
    started.ap[0].write_u32(R1, 0x300)
    assert started.hsem[1].owner is None


def test_ap3_is_the_cm4_at_hsem(started: Board) -> None:
    assert started.ap[3].read_u32(RLR1) == 0x8000_0100
    started.ap[3].write_u32(R1, 0x100)
    assert started.hsem[1].owner is None


def test_ap1_cannot_take_a_semaphore(started: Board) -> None:
    assert started.ap[1].read_u32(RLR1) == 0
    assert started.hsem[1].owner is None


def test_hsem_has_its_clock_while_the_cores_sleep(started: Board) -> None:
    # AHB4LPENR has no bit for it; both cores of the reference firmware sleep nearly all the time.
    started.ap[0].read_u32(RLR1)
    owners = {started.hsem[1].owner for _ in range(20)}
    started.ap[0].write_u32(R1, 0x300)
    assert owners == {"cm7"}


def test_software_trigger_needs_no_edge_selected(started: Board, counts) -> None:
    started.exti[13].edges = set()
    started.exti[13].trigger()
    assert counts() == (1, 1)


def test_software_trigger_reads_zero(started: Board) -> None:
    started.exti[13].trigger()
    assert started.registers.EXTI.SWIER1.value == 0


def test_button_has_a_pull_down_on_the_board(started: Board) -> None:
    button: Pin = started.gpio["PC13"]
    assert started.registers.GPIOC.PUPDR.PUPD13 == 0
    assert not button.level


def test_vector_table_register_of_the_cm7_after_reset(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    assert h7_board.cm7.read_u32(0xE000_ED08) == 0x0800_0000


def test_breakpoint_unit_of_the_cm7_is_version_2(started: Board) -> None:
    assert started.cm7.read_u32(0xE000_2000) & 0xF000_00F0 == 0x1000_0080


def test_registers_read_fast_are_the_registers(started: Board, cm7: Core) -> None:
    # Two transfers a register through the banked data registers, against six in pyOCD's way.
    from pyocd.coresight.cortex_m import CortexM

    cm7.halt()
    names = [f"r{number}" for number in range(13)] + ["sp", "lr", "pc", "xpsr"]
    fast = cm7.registers.read(*names)
    with cm7.control("compare registers") as driver:
        numbers = [driver.core_registers.by_name[name].index for name in names]
        slow = CortexM._base_read_core_registers_raw(driver, numbers)
    assert list(fast.values()) == slow


def test_a_transfer_costs_a_quarter_of_a_millisecond(started: Board, h7_probe: Probe) -> None:
    before, start = h7_probe.transfers, started.time()
    for _ in range(200):
        started.ap[1].read_u32(0x5802_4400)
    cost = (started.time() - start) / (h7_probe.transfers - before)
    assert cost == pytest.approx(250e-6, rel=0.6)


def test_sector_erase_takes_about_a_second(h7_board: Board, h7_flashed: ImagePair) -> None:
    start = h7_board.time()
    h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)  # one sector in each bank, erased together
    assert h7_board.time() - start == pytest.approx(1.1, abs=0.8)


def test_supply_configuration_is_kept_over_a_reset(started: Board) -> None:
    started.reset()
    assert started.registers.PWR.CR3.value & 0x3F == 4


def test_option_byte_word_of_the_factory(h7_board: Board) -> None:
    # Bits 26 and 28 are shown as 1 in RM0399 table 20 and reserved elsewhere.
    assert h7_board.registers.FLASH.OPTSR_CUR.value & 0x1400_0000 in (0, 0x1400_0000)
    assert h7_board.option_bytes.read("BCM4", "BCM7") == {"BCM4": 1, "BCM7": 1}
