"""Sessions of unmodified pyOCD on the virtual board: discovery, connecting, cores, resets and flash."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.flash.loader import MemoryLoader

from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2
from pytest_h7.target.registration import register
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import Master
from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

register()

CM7_START = FLASH_BANK1.start + 8
CM4_START = FLASH_BANK2.start + 8
COUNT_FOREVER = struct.pack("<IIHH", 0x2001_0000, CM7_START | 1, 0x3001, 0xE7FD)
"""Vectors; ``loop: adds r0, #1; b loop``."""

SLEEP_DEEPLY_ONCE = struct.pack(
    "<II8HI",
    0x1001_0000,
    CM4_START | 1,
    *(0x4803, 0x2104, 0x6001, 0xBF40, 0xBF20, 0xBF20, 0xE7FE, 0xBF00),
    0xE000_ED10,
)
"""Vectors; ``SCR = SLEEPDEEP; sev; wfe; wfe; b .``: CM4 is in CStop until an event comes."""

RUN_FOREVER = struct.pack("<IIH", 0x1001_0000, CM4_START | 1, 0xE7FE)

EXTI_RTSR1, EXTI_SWIER1, EXTI_C2EMR1 = 0x5800_0000, 0x5800_0008, 0x5800_00C4
FLASH_CR1, FLASH_CR2, FLASH_OPTCR = 0x5200_200C, 0x5200_210C, 0x5200_2018
DEMCR, DHCSR = 0xE000_EDFC, 0xE000_EDF0
BCM7 = 1 << 23
RCC_GCR, BOOT_C1 = 0x5802_44A0, 1 << 2
POLICIES = ("zero", "fault", "wait")


def make_board(cm7: bytes = COUNT_FOREVER, cm4: bytes = SLEEP_DEEPLY_ONCE) -> VirtualBoard:
    board = VirtualBoard()
    for bank, code in ((FLASH_BANK1, cm7), (FLASH_BANK2, cm4)):
        board.mcu.memory(bank.name)[: len(code)] = code
    board.power_cycle(0.001)
    board.sleep(0.001)
    return board


Open = Callable[..., Any]


@pytest.fixture
def connect() -> Iterator[Open]:
    with ExitStack() as stack:

        def connect(board: VirtualBoard, **options: Any) -> Session:
            settings = {
                "target_override": "stm32h755xx",
                "connect_mode": "under-reset",
                "frequency": 8_000_000,
                "h7.fixed_topology": True,
                "no_config": True,
                "reset.post_delay": 0.0,
                "reset.hold_time": 0.001,
                "hide_programming_progress": True,
            }
            settings |= {name.replace("__", "."): value for name, value in options.items()}
            session = Session(TwinProbe(board), options=settings)
            stack.callback(session.close)
            session.open()
            return session

        yield connect


def wake_cm4(session: Session) -> None:
    """Send CM4 an event by EXTI line 0, through AP1."""
    port = session.target.access_port(1)
    port.write32(EXTI_RTSR1, 1)
    port.write32(EXTI_C2EMR1, 1)
    port.write32(EXTI_SWIER1, 1)
    session.target.sleep(0.001)


# -- discovery ---------------------------------------------


def test_stock_discovery_finds_what_real_boards_log(connect: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pyocd")
    session = connect(make_board(cm4=RUN_FOREVER), h7__fixed_topology=False, connect_mode="attach")
    text = caplog.text
    for line in (
        "DP IDR = 0x6ba02477 (v2 rev6)",
        "AHB-AP#0 IDR = 0x84770001",
        "AHB-AP#1 IDR = 0x84770001",
        "APB-AP#2 IDR = 0x54770002",
        "AHB-AP#3 IDR = 0x24770011",
        "AHB-AP#0 Class 0x1 ROM table #0 @ 0xe00fe000 (designer=020:ST part=450)",
        "CPU core #0: Cortex-M7 r1p1",
        "CPU core #1: Cortex-M4 r0p1",
        "8 hardware breakpoints, 0 literal comparators",
        "6 hardware breakpoints, 2 literal comparators",
    ):
        assert line in text
    assert "ERROR" not in text
    assert [core.node_name for core in session.target.cores.values()] == ["cm7", "cm4"]


def test_without_debug_clocks_generic_discovery_stumbles_over_ap2(
    connect: Open, caplog: pytest.LogCaptureFixture
) -> None:
    connect(make_board(cm4=RUN_FOREVER), target_override="cortex_m", connect_mode="attach")
    assert caplog.text.count("Invalid coresight component, cidr=0x0") == 2
    assert "Memory transfer fault (read) @ 0xe00f0fd0-0xe00f0fff" in caplog.text


@pytest.mark.parametrize("policy", POLICIES)
def test_stock_discovery_survives_a_sleeping_cm4(connect: Open, policy: str) -> None:
    board = make_board()
    board.set_closed_policy(policy)
    session = connect(board, h7__fixed_topology=False, connect_mode="attach")
    assert session.target.cores[0].node_name == "cm7"
    assert session.target.cores[0].get_state() is Target.State.RUNNING
    wake_cm4(session)
    assert session.target.attach_cm4().get_state() is Target.State.RUNNING
    assert session.target.core("cm4").core_type == 0xC24


# -- connecting ---------------------------------------------


def test_under_reset_stops_cm7_first_and_lets_cm4_run(connect: Open) -> None:
    board = make_board()
    session = connect(board)
    cm7 = session.target.core("cm7")
    assert cm7.get_state() is Target.State.HALTED
    assert cm7.read_core_register("pc") == CM7_START
    assert cm7.read32(DEMCR) & 1 == 0
    session.target.sleep(0.001)
    assert board.mcu.domain_state("D2") == "stop"


def test_connecting_takes_few_transfers(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    before = board.stlink.transfers
    session = connect(board)
    assert len(session.target.cores) == 2
    assert board.stlink.transfers - before <= 52


def test_attaching_disturbs_nothing(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    connect(board, connect_mode="attach")
    for core in board.mcu.cores.values():
        assert not core.halted
        assert core.read_debug(DEMCR) == 0


@pytest.mark.parametrize(("option", "expected"), [("off", 0), ("sleep", 0b001001), ("on", 0b111111)])
def test_dbgmcu_is_written_whole(connect: Open, option: str, expected: int) -> None:
    board = make_board()
    board.mcu.dbgmcu["CR"] = 0x1000_003F
    connect(board, h7__low_power_debug=option)
    assert board.mcu.dbgmcu["CR"] == 0x0070_0000 | expected


def test_a_halted_core_stops_every_watchdog(connect: Open) -> None:
    board = make_board()
    connect(board)
    dbgmcu = board.mcu.dbgmcu
    for number in (1, 2):
        assert dbgmcu[f"APB4FZ{number}"] == 0b11 << 18
        assert dbgmcu[f"APB3FZ{number}"] == 1 << 6
        assert dbgmcu[f"APB1LFZ{number}"] == 1 << 11


def test_another_chip_is_refused_and_nrst_released(connect: Open) -> None:
    board = make_board()
    board.mcu.dbgmcu["IDCODE"] = 0x1001_6483
    with pytest.raises(exceptions.TargetSupportError, match="not an STM32H755"):
        connect(board)
    assert not board.mcu.nrst_asserted


def test_an_unpowered_board_is_reported_and_nrst_released(connect: Open) -> None:
    board = make_board()
    board.mcu.power_off()
    with pytest.raises(exceptions.Error, match="Target not detected"):
        connect(board)
    assert not board.mcu.nrst_asserted


def test_a_held_cm7_leaves_the_rest_of_the_chip_to_look_at(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    board.mcu.flash.load({**board.mcu.flash.save(), "OPTSR": board.mcu.flash.save()["OPTSR"] & ~(1 << 23)})
    board.power_cycle(0.001)
    session = connect(board)
    assert session.target.core("cm7") is None
    assert session.target.core("cm4").get_state() is Target.State.RUNNING


# -- the core that comes and goes ---------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_cm4_is_attached_when_it_wakes(connect: Open, policy: str) -> None:
    board = make_board()
    board.set_closed_policy(policy)
    session = connect(board, connect_mode="attach")
    assert session.target.attach_cm4() is None
    assert session.target.core("cm7").get_state() is Target.State.RUNNING
    wake_cm4(session)
    cm4 = session.target.attach_cm4()
    assert cm4 is session.target.core("cm4")
    cm4.halt()
    assert cm4.read_core_register("pc") == CM4_START + 0xC


@pytest.mark.parametrize("policy", POLICIES)
def test_cm7_runs_although_breakpoints_wait_for_a_cm4_that_is_gone(connect: Open, policy: str) -> None:
    board = make_board(cm4=RUN_FOREVER)
    board.set_closed_policy(policy)
    session = connect(board)
    cm7, cm4 = session.target.core("cm7"), session.target.core("cm4")
    cm4.set_breakpoint(CM4_START + 0xC)
    board.mcu.memory(FLASH_BANK2.name)[: len(SLEEP_DEEPLY_ONCE)] = SLEEP_DEEPLY_ONCE
    board.mcu.code_changed(FLASH_BANK2.start, 0x40)
    assert session.target.reset_chip(catch=("cm7",)) == ["cm7"]
    session.target.sleep(0.001)
    assert session.target.attach_cm4() is None
    cm7.resume()
    assert cm7.get_state() is Target.State.RUNNING
    wake_cm4(session)
    assert session.target.attach_cm4() is cm4
    cm4.bp_manager.flush()
    session.target.sleep(0.001)
    assert cm4.get_state() is Target.State.HALTED


def test_an_access_that_hangs_does_not_make_the_next_one_hang(connect: Open) -> None:
    board = make_board()
    board.set_closed_policy("wait")
    session = connect(board, connect_mode="attach")
    with pytest.raises(exceptions.TransferTimeoutError):
        session.target.access_port(3).read32(DHCSR)
    assert session.target.access_port(0).read32(DHCSR) & 1


def test_breakpoints_of_cm4_come_back_after_its_debug_logic_was_reset(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board)
    cm4 = session.target.core("cm4")
    cm4.set_breakpoint(CM4_START)
    cm4.bp_manager.flush()
    board.mcu.cores["cm4"].reset(0, debug=True)
    session.target.sleep(0.001)
    assert cm4.get_state() is Target.State.RUNNING
    assert session.target.attach_cm4() is cm4
    session.target.sleep(0.001)
    assert cm4.get_state() is Target.State.HALTED


# -- cores ---------------------------------------------


def test_registers_are_read_and_written(connect: Open) -> None:
    board = make_board()
    session = connect(board)
    cm7, core = session.target.core("cm7"), board.mcu.cores["cm7"]
    names = [f"r{number}" for number in range(13)] + ["sp", "lr", "pc", "xpsr"]
    cm7.write_core_registers_raw(names[:13], [0x1000 + number for number in range(13)])
    before = board.stlink.transfers
    values = cm7.read_core_registers_raw(names)
    assert board.stlink.transfers - before <= 54
    assert values[:13] == [0x1000 + number for number in range(13)]
    assert values[15] == core.read_register("pc") == CM7_START
    cm7.write_core_register("s1", 1.5)
    assert cm7.read_core_register("s1") == 1.5
    assert cm7.read_core_register("control") == 0


def test_memory_is_reached_after_registers(connect: Open) -> None:
    """The register accesses move CSW and TAR of the access port."""
    session = connect(make_board())
    cm7 = session.target.core("cm7")
    cm7.read_core_register("r0")
    cm7.write8(0x2000_0001, 0xAB)
    cm7.read_core_register("r0")
    assert cm7.read32(0x2000_0000) == 0xAB00


def test_registers_of_a_running_core_are_refused(connect: Open) -> None:
    session = connect(make_board(), connect_mode="attach")
    with pytest.raises(exceptions.CoreRegisterAccessError, match="not halted"):
        session.target.core("cm7").read_core_register("pc")


def test_breakpoints_watchpoints_and_steps(connect: Open) -> None:
    session = connect(make_board())
    cm7 = session.target.core("cm7")
    cm7.step()
    assert cm7.read_core_register("pc") == CM7_START + 2
    cm7.set_breakpoint(CM7_START)
    cm7.resume()
    session.target.sleep(0.001)
    assert cm7.get_halt_reason() is Target.HaltReason.BREAKPOINT
    assert cm7.read_core_register("pc") == CM7_START
    cm7.remove_breakpoint(CM7_START)
    cm7.resume()
    session.target.sleep(0.001)
    assert cm7.get_state() is Target.State.RUNNING


def test_a_breakpoint_left_by_a_broken_session_does_not_stop_the_next(connect: Open) -> None:
    board = make_board()
    core = board.mcu.cores["cm7"]
    core.write_debug(0xE000_2008, CM7_START | 1)
    core.write_debug(0xE000_2000, 3)
    session = connect(board)
    cm7 = session.target.core("cm7")
    cm7.resume()
    session.target.sleep(0.001)
    assert cm7.get_state() is Target.State.RUNNING


def test_the_debugger_sees_what_the_other_core_wrote(connect: Open) -> None:
    board = make_board()
    session = connect(board)
    context = session.target.core("cm7").get_target_context()
    assert context.read32(0x2400_0000) == 0
    board.mcu.memory("AXI SRAM")[:4] = b"\1\2\3\4"
    assert context.read32(0x2400_0000) == 0x0403_0201


def test_memory_is_read_through_the_data_cache_of_cm7(connect: Open) -> None:
    session = connect(make_board())
    session.target.access_port(0).read32(0x2400_0000)
    assert session.target.access_port(0).read_reg(0x00) >> 27 & 1  # CSW.PROT[3], cacheable


# -- resets ---------------------------------------------


@pytest.mark.parametrize("hardware", [False, True])
def test_reset_catches_the_cores_that_are_asked_for(connect: Open, hardware: bool) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board)
    cm7, cm4 = session.target.core("cm7"), session.target.core("cm4")
    assert session.target.reset_chip(catch=("cm7", "cm4"), hardware=hardware) == ["cm7", "cm4"]
    assert cm7.read_core_register("pc") == CM7_START
    assert cm4.read_core_register("pc") == CM4_START
    assert session.target.reset_chip(catch=("cm7",), hardware=hardware) == ["cm7"]
    assert cm4.get_state() is Target.State.RUNNING
    assert session.target.reset_chip(hardware=hardware) == []
    session.target.sleep(0.001)
    assert cm7.get_state() is Target.State.RUNNING
    assert cm7.read32(DEMCR) & 1 == 0


def test_breakpoints_survive_a_reset(connect: Open) -> None:
    session = connect(make_board())
    cm7 = session.target.core("cm7")
    cm7.set_breakpoint(CM7_START + 2)
    cm7.bp_manager.flush()
    session.target.reset_chip(hardware=True)
    session.target.sleep(0.001)
    assert cm7.get_state() is Target.State.HALTED


def test_a_catch_that_never_came_true_is_taken_back(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board)
    board.mcu.flash.load(board.mcu.flash.save() | {"OPTSR": board.mcu.flash.save()["OPTSR"] & ~BCM7})
    assert session.target.reset_chip(catch=("cm7",), hardware=True) == []  # held after the reset
    session.target.access_port(1).write32(RCC_GCR, BOOT_C1)
    session.target.sleep(0.001)
    assert session.target.core("cm7").get_state() is Target.State.HALTED
    board.mcu.flash.load(board.mcu.flash.save() | {"OPTSR": board.mcu.flash.save()["OPTSR"] | BCM7})
    session.target.reset_chip(hardware=True)
    session.target.sleep(0.001)
    assert session.target.core("cm7").get_state() is Target.State.RUNNING


def test_a_sleeping_cm4_cannot_be_caught(connect: Open) -> None:
    session = connect(make_board())
    session.target.sleep(0.001)
    assert session.target.reset_chip(catch=("cm7", "cm4")) == ["cm7"]


def test_pyocds_own_reset_stops_the_caller_only(connect: Open) -> None:
    session = connect(make_board(cm4=RUN_FOREVER))
    cm7, cm4 = session.target.core("cm7"), session.target.core("cm4")
    cm7.reset_and_halt()
    assert cm7.read_core_register("pc") == CM7_START
    assert cm4.get_state() is Target.State.RUNNING


def test_reconnect_after_a_power_cycle(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board)
    cm7 = session.target.core("cm7")
    board.power_cycle()
    with pytest.raises(exceptions.Error):
        cm7.read32(DHCSR)
    session.target.reconnect()
    session.target.sleep(0.001)
    assert cm7.get_state() is Target.State.RUNNING
    assert board.mcu.dbgmcu["CR"] == 0x0070_0009
    cm7.halt()
    assert cm7.read_core_register("r0") > 0


@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_breakpoints_work_after_a_power_cycle(connect: Open, name: str) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board)
    core = session.target.core(name)

    def runs_into_a_breakpoint() -> bool:
        core.halt()
        address = core.read_core_register("pc")
        core.resume()
        session.target.sleep(0.001)
        core.set_breakpoint(address)
        core.bp_manager.flush()
        session.target.sleep(0.001)
        stopped = core.get_state() is Target.State.HALTED
        core.remove_breakpoint(address)
        core.resume()
        return stopped

    assert runs_into_a_breakpoint()
    board.power_cycle()
    session.target.reconnect()
    session.target.sleep(0.001)
    assert runs_into_a_breakpoint()


# -- flash ---------------------------------------------


def program(session: Session, *chunks: tuple[int, bytes]) -> None:
    loader = MemoryLoader(session, smart_flash=False)
    for address, data in chunks:
        loader.add_data(address, list(data))
    loader.commit()


def pattern(length: int, seed: int) -> bytes:
    return bytes((index * 7 + seed + (index >> 8)) & 0xFF for index in range(length))


def test_both_banks_are_erased_at_once_and_programmed(connect: Open) -> None:
    board = make_board()
    one, two = pattern(40_000, 1), pattern(3_001, 2)
    session = connect(board)
    begin = board.time()
    program(session, (FLASH_BANK1.start, one), (FLASH_BANK2.start + 0x2_0000, two))
    assert bytes(board.mcu.memory(FLASH_BANK1.name)[: len(one)]) == one
    assert bytes(board.mcu.memory(FLASH_BANK2.name)[0x2_0000 : 0x2_0000 + len(two)]) == two
    assert bytes(board.mcu.memory(FLASH_BANK2.name)[: len(SLEEP_DEEPLY_ONCE)]) == SLEEP_DEEPLY_ONCE
    assert 1.0 < board.time() - begin < 1.9


def test_flash_is_left_locked_and_the_option_bytes_alone(connect: Open) -> None:
    board = make_board()
    before = board.mcu.flash.save()
    program(connect(board), (FLASH_BANK1.start, pattern(64, 3)))
    assert board.mcu.flash.save() == before
    for control in (FLASH_CR1, FLASH_CR2, FLASH_OPTCR):
        assert board.mcu.read(control, 4, Master.AP0) & 1


def test_a_write_protected_sector_is_named_by_its_flag(connect: Open) -> None:
    board = make_board()
    board.mcu.flash.load({**board.mcu.flash.save(), "WPSN1": 0xFE})
    board.power_cycle(0.001)
    with pytest.raises(
        exceptions.FlashFailure, match=r"WRPERR \(the sector is write protected\).*0x08000000"
    ):
        program(connect(board), (FLASH_BANK1.start, pattern(64, 3)))


def test_what_is_in_flash_already_is_not_programmed_again(connect: Open) -> None:
    board = make_board()
    session = connect(board)
    program(session, (FLASH_BANK1.start, pattern(4096, 4)))
    begin = board.time()
    loader = MemoryLoader(session, smart_flash=True)
    loader.add_data(FLASH_BANK1.start, list(pattern(4096, 4)))
    loader.commit()
    assert board.time() - begin < 0.5


def test_flash_programs_with_stock_discovery_and_a_running_firmware(connect: Open) -> None:
    board = make_board(cm4=RUN_FOREVER)
    session = connect(board, h7__fixed_topology=False, connect_mode="halt")
    data = pattern(1000, 5)
    program(session, (FLASH_BANK2.start, data))
    assert bytes(board.mcu.memory(FLASH_BANK2.name)[:1000]) == data


def test_both_banks_can_be_erased_whole(connect: Open) -> None:
    board = make_board()
    session = connect(board)
    session.target.mass_erase()
    for bank in (FLASH_BANK1, FLASH_BANK2):
        assert bytes(board.mcu.memory(bank.name)[:0x100]) == b"\xff" * 0x100
    for control in (FLASH_CR1, FLASH_CR2):
        assert board.mcu.read(control, 4, Master.AP0) & 1
