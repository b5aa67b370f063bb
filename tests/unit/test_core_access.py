"""Memory of a core: what is refused, and what a core that cannot be reached must not be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from pytest_h7.bench.journal import Journal
from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.core import Core, CoreState, Cpuid
from pytest_h7.board.option_bytes import OptionBytes
from pytest_h7.board.option_ledger import OptionLedger
from pytest_h7.board.option_registers import OptionRegisters
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.errors import CoreUnreachable, TargetAccessError

SRAM4 = 0x3800_0000
DHCSR = 0xE000_EDF0
D1CKRDY, D2CKRDY = 1 << 14, 1 << 15
FACTORY_OPTSR = 0x03C6_AAF0
S_HALT, S_SLEEP, S_LOCKUP = 1 << 17, 1 << 18, 1 << 19

Access = Callable[[Core], object]
ACCESSES: dict[str, Access] = {
    "read_u8": lambda core: core.read_u8(SRAM4),
    "read_u32": lambda core: core.read_u32(SRAM4),
    "read_bytes": lambda core: core.read_bytes(SRAM4, 8),
    "write_u16": lambda core: core.write_u16(SRAM4, 1),
    "write_bytes": lambda core: core.write_bytes(SRAM4, b"text"),
    "fault": lambda core: core.fault,
    "cpuid": lambda core: core.cpuid,
}


@pytest.fixture
def cm4(chip) -> Core:
    """The CM4 of a chip whose D2 is stopped if the CM4 cannot be reached."""
    chip.set(RCC_CR=0x25 | D1CKRDY, FLASH_OPTSR_CUR=FACTORY_OPTSR)
    return Core("cm4", chip.connection, cast("Any", None), AccessPort(chip.connection, 3), lambda: None)


@pytest.fixture(params=["zeros", "faults"])
def closed_cm4(chip, cm4: Core, request: pytest.FixtureRequest) -> Core:
    """The CM4 without a clock: its access port faults, or answers zeros and swallows writes."""
    if request.param == "faults":
        chip.closed.add(3)
    chip.cpuids[3] = 0
    return cm4


@pytest.mark.parametrize("name", ACCESSES)
def test_access_to_a_core_without_clock_says_why(closed_cm4: Core, name: str) -> None:
    with pytest.raises(CoreUnreachable, match=r"cm4 is unreachable\. The CM4 is in CStop and D2 in DStop"):
        ACCESSES[name](closed_cm4)


def test_state_of_a_core_without_clock(closed_cm4: Core) -> None:
    assert closed_cm4.state is CoreState.UNREACHABLE


def test_zero_of_a_reachable_core_is_a_value(chip, cm4: Core) -> None:
    assert cm4.read_u32(SRAM4) == 0
    assert cm4.read_bytes(SRAM4, 8) == bytes(8)
    assert cm4.fault is None
    cm4.write_u32(SRAM4, 0)
    assert chip.written() == [(3, SRAM4, 0)]


def test_access_that_the_chip_refuses_is_not_the_cores_fault(chip, cm4: Core) -> None:
    chip.faulting.add(SRAM4)
    with pytest.raises(TargetAccessError, match="Could not read 0x38000000 through AP3: the access faulted"):
        cm4.read_u32(SRAM4)
    with pytest.raises(TargetAccessError, match="Could not write 0x38000000 through AP3"):
        cm4.write_u8(SRAM4, 1)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (1 << 24, CoreState.RUNNING),
        (S_HALT | 1, CoreState.HALTED),
        (S_SLEEP, CoreState.SLEEPING),
        (S_LOCKUP, CoreState.LOCKUP),
        (S_LOCKUP | S_HALT, CoreState.LOCKUP),
        (S_HALT | S_SLEEP, CoreState.HALTED),
        (0, CoreState.RUNNING),
    ],
)
def test_state_by_the_halting_status(chip, cm4: Core, status: int, state: CoreState) -> None:
    chip.words[DHCSR] = status
    assert cm4.state is state


@pytest.mark.parametrize(
    ("value", "name"), [(CPUID_CM7, "Cortex-M7"), (CPUID_CM4, "Cortex-M4"), (0x410F_D214, "part 0xD21")]
)
def test_name_of_a_part(value: int, name: str) -> None:
    assert Cpuid(value).part_name == name


@pytest.mark.parametrize(("size", "address"), [(4, SRAM4 + 2), (4, SRAM4 + 1), (2, SRAM4 + 3)])
def test_address_between_words_is_no_access(chip, cm4: Core, size: int, address: int) -> None:
    read, write = (getattr(cm4, f"{what}_u{8 * size}") for what in ("read", "write"))
    message = f"0x{address:08X} is no address of {8 * size} bits: it is not a multiple of {size}"
    with pytest.raises(ValueError, match=message):
        read(address)
    with pytest.raises(ValueError, match=message):
        write(address, 0)
    with pytest.raises(ValueError, match=f"0x{SRAM4 + 2:08X} is no address of 32 bits"):
        AccessPort(chip.connection, 1).write_u32(SRAM4 + 2, 0)
    assert chip.writes == []
    cm4.write_bytes(address, bytes(size))


# -- option bytes ---------------------------------------------------------------------------------------


@pytest.fixture
def option_bytes(chip) -> OptionBytes:
    def unused() -> None:
        raise AssertionError("reading needs no reset")

    chip.set(FLASH_OPTSR_CUR=FACTORY_OPTSR, FLASH_BOOT4_CUR=0x1000_0810)
    registers = OptionRegisters(chip.connection, cast("Any", None), unused, unused, unused)
    return OptionBytes(registers, OptionLedger(registers, Journal(None)))


def test_option_bytes_by_name(option_bytes: OptionBytes) -> None:
    assert (option_bytes["BCM4"], option_bytes["RDP"], option_bytes["BOOT_CM4_ADD0"]) == (1, 0xAA, 0x0810)
    assert option_bytes.read("BCM7", "BOOT_CM4_ADD1") == {"BCM7": 1, "BOOT_CM4_ADD1": 0x1000}
    with pytest.raises(KeyError, match="no option byte BCM5; there are BOR_LEV, "):
        _ = option_bytes["BCM5"]


def test_option_bytes_are_read_through_the_cm4_where_the_cm7_has_no_clock(
    chip, option_bytes: OptionBytes
) -> None:
    chip.closed.add(0)
    assert option_bytes["BCM4"] == 1
    chip.closed.add(3)
    with pytest.raises(TargetAccessError, match="the option bytes: neither AP0 nor AP3 reaches FLASH now"):
        _ = option_bytes["BCM4"]


def test_zeros_without_a_clock_are_no_option_bytes(chip, option_bytes: OptionBytes) -> None:
    chip.set(FLASH_OPTSR_CUR=0, FLASH_BOOT4_CUR=0)
    assert option_bytes["BCM4"] == 0
    chip.cpuids = {0: 0, 3: 0}
    with pytest.raises(TargetAccessError, match="neither AP0 nor AP3"):
        _ = option_bytes["BCM4"]


def test_value_that_does_not_fit_an_option_byte(chip, option_bytes: OptionBytes) -> None:
    for name, value in (("BCM4", 2), ("BOOT_CM7_ADD0", 0x1_0000), ("BCM7", -1), ("BCM4", 0.0)):
        with pytest.raises(ValueError, match=f"{name} holds 0 to"):
            option_bytes.set(**{name: value})
    assert chip.writes == []


def test_option_bytes_in_force_are_not_written(chip, option_bytes: OptionBytes) -> None:
    option_bytes.set(BCM4=1, BOOT_CM4_ADD0=0x0810)
    assert chip.writes == []
