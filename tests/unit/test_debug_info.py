"""Symbols, lines and call frames of an ELF file, checked against the compiler's own tools and a run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_h7 import reference_image
from pytest_h7.board.debug_info import DebugInfo
from pytest_h7.board.images import Image
from pytest_h7.board.unwinding import unwind
from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS

SOURCE = """
volatile uint32_t counter;
volatile uint8_t small;
volatile uint16_t table[5];

void leaf(uint32_t value);
uint32_t middle(uint32_t depth);

__attribute__((noinline)) void leaf(uint32_t value)
{
    counter = value;
    __asm volatile("bkpt 0");                                  /* line 12 */
    counter = value + 1;
}

__attribute__((noinline)) uint32_t middle(uint32_t depth)
{
    volatile uint32_t local[4] = {depth};

    if (depth) {
        return middle(depth - 1) + local[0];                   /* line 21 */
    }
    leaf(local[0]);                                            /* line 23 */
    return local[0] + small + table[depth];
}

void program(void)
{
    result[0] = middle(2);                                     /* line 29 */
}

void EXTI0_IRQHandler(void)
{
    leaf(7);                                                   /* line 34 */
    counter = 0;
}
"""
BREAKPOINT_LINE = 12
FLASH = {"cm7": 0x0800_0000, "cm4": 0x0810_0000}
DHCSR, C_DEBUGEN, NVIC_ISER0, EXTI0 = 0xE000_EDF0, 0xA05F_0001, 0xE000_E100, 6
SP, PC = 13, 15
DWARF = pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
CORES = pytest.mark.parametrize("core", ["cm7", "cm4"])


@pytest.fixture
def path(build_program: Callable[..., Any]) -> Callable[..., Path]:
    def build(core: str = "cm7", *flags: str) -> Path:
        return build_program(core, SOURCE, *flags).path

    return build


def tool(name: str, *arguments: object) -> list[str]:
    command = [f"arm-none-eabi-{name}", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture
def stop(make_mcu, path):
    """Run the program up to its breakpoint; return r0 to r15, and what reads a word of the stack."""

    def run(core: str, *flags: str, interrupt: bool = False):
        mcu = make_mcu(Image(core, path(core, *flags)))
        mcu.run_for(PS_PER_MS)
        running = mcu.cores[core]
        running.write_debug(DHCSR, C_DEBUGEN)
        running.reset(FLASH[core])
        if interrupt:
            running.write_debug(NVIC_ISER0, 1 << EXTI0)
            mcu.pulse_irq(core, EXTI0)
        mcu.run_for(PS_PER_MS)
        assert running.halted
        names = [*(f"r{number}" for number in range(13)), "sp", "lr", "pc"]
        master = Master.AP0 if core == "cm7" else Master.AP3
        registers = {number: running.read_register(name) for number, name in enumerate(names)}
        return registers, lambda address: mcu.read(address, 4, master)

    return run


# -- symbols ----------------------------------------------------------------------------------------


def test_symbols_are_those_of_nm(path) -> None:
    info = DebugInfo(path())
    listed = {}
    for line in tool("nm", "--print-size", path()):
        fields = line.split()
        if len(fields) == 4 and fields[2] in "TtBbDdRr":
            listed[fields[3]] = (int(fields[0], 16), int(fields[1], 16))
    assert {"leaf", "middle", "program", "counter", "small", "table"} <= set(listed)
    for name, (address, size) in listed.items():
        assert (info.symbols[name].address, info.symbols[name].size) == (address, size)


def test_function_has_no_thumb_bit(path) -> None:
    leaf = DebugInfo(path()).symbols["leaf"]
    assert leaf.is_function
    assert leaf.address % 2 == 0


def test_variable_with_its_size(path) -> None:
    symbols = DebugInfo(path()).symbols
    assert {
        name: (symbols[name].size, symbols[name].is_function) for name in ("counter", "small", "table")
    } == {
        "counter": (4, False),
        "small": (1, False),
        "table": (10, False),
    }


def test_function_at_every_address_of_it(path) -> None:
    info = DebugInfo(path())
    leaf = info.symbols["leaf"]
    for address in range(leaf.address, leaf.address + leaf.size):
        assert info.function_at(address) == leaf
    assert info.function_at(leaf.address + leaf.size) != leaf
    assert info.function_at(leaf.address - 1) != leaf


@pytest.mark.parametrize("address", [0, 0x0800_0000, 0x0900_0000, 0x2000_0000])
def test_no_function_where_there_is_no_code(path, address: int) -> None:
    assert DebugInfo(path()).function_at(address) is None


# -- lines ------------------------------------------------------------------------------------------


@DWARF
@CORES
def test_lines_are_those_of_addr2line(path, core: str, dwarf: str) -> None:
    elf = path(core, dwarf)
    info = DebugInfo(elf)
    checked = 0
    for name in ("leaf", "middle", "program"):
        function = info.symbols[name]
        addresses = range(function.address, function.address + function.size, 2)
        answers = tool("addr2line", "-e", elf, *map(hex, addresses))
        for address, answer in zip(addresses, answers, strict=True):
            file, _, line = answer.partition(" ")[0].rpartition(":")
            if line != "?":
                assert info.line_at(address) == (Path(file).name, int(line)), hex(address)
                checked += 1
    assert checked > 20


def test_no_line_outside_code(path) -> None:
    info = DebugInfo(path())
    end = max(symbol.address + symbol.size for symbol in info.symbols.values() if symbol.is_function)
    assert info.line_at(0) is None
    assert info.line_at(end + 16) is None


def test_description_of_an_address(path) -> None:
    info = DebugInfo(path())
    leaf = info.symbols["leaf"]
    assert re.fullmatch(r"leaf \(program\.c:1[01]\)", info.describe(leaf.address))
    assert info.describe(0x2000_0000) == "0x20000000"


# -- frames -----------------------------------------------------------------------------------------


def backtrace(info: DebugInfo, registers: dict[int, int], read_word: Callable[[int], int]) -> list[int]:
    """The addresses of the frames, each of an instruction in its function; r0 to r15 of a core on its MSP."""
    named = {f"r{number}": registers[number] for number in range(13)}
    named |= {"msp": registers[SP], "psp": 0, "lr": registers[14], "pc": registers[PC], "xpsr": 0, "cfbp": 0}
    return [call.at for call in unwind(info, named, read_word)]


def described(info: DebugInfo, addresses: list[int]) -> list[tuple[str, int]]:
    return [(info.function_at(address).name, info.line_at(address)[1]) for address in addresses]


@DWARF
@CORES
def test_backtrace_of_nested_calls(path, stop, core: str, dwarf: str) -> None:
    flags = (dwarf, "-fno-optimize-sibling-calls")
    info = DebugInfo(path(core, *flags))
    frames = described(info, backtrace(info, *stop(core, *flags)))
    assert frames[:5] == [
        ("leaf", BREAKPOINT_LINE),
        ("middle", 23),
        ("middle", 21),
        ("middle", 21),
        ("program", 29),
    ]
    assert [name for name, _ in frames[5:]] in ([], ["Reset_Handler"])


@CORES
def test_backtrace_goes_through_the_exception(path, stop, core: str) -> None:
    info = DebugInfo(path(core))
    addresses = backtrace(info, *stop(core, interrupt=True))
    assert described(info, addresses[:2]) == [("leaf", BREAKPOINT_LINE), ("EXTI0_IRQHandler", 34)]
    # The core has come out of reset, and was interrupted before its first instruction.
    assert [info.function_at(address).name for address in addresses[2:]] == ["Reset_Handler"]


def test_caller_has_its_own_registers_back(path, stop) -> None:
    info = DebugInfo(path())
    registers, read_word = stop("cm7")
    frames = [registers]
    while (frame := info.caller(frames[-1], read_word)) is not None and len(frames) < 5:
        frames.append(frame)
    stacks = [frame[SP] for frame in frames]
    assert stacks == sorted(stacks)
    assert info.function_at(frames[4][PC]).name == "program"
    # `middle` keeps its argument in its frame: what it stored there is what the caller passed.
    assert [read_word(frame[SP]) for frame in frames[1:4]] == [0, 1, 2]


def test_backtrace_of_an_address_without_frame_is_that_address(path) -> None:
    registers = dict.fromkeys(range(16), 0) | {15: 0x2000_0100}
    assert backtrace(DebugInfo(path()), registers, lambda _address: 0)[0] == 0x2000_0100


def test_backtrace_of_a_broken_stack_ends(path) -> None:
    info = DebugInfo(path())
    middle = info.symbols["middle"]
    registers = dict.fromkeys(range(16), middle.address + 9) | {13: 0x2000_0000, 15: middle.address + 8}
    assert len(backtrace(info, registers, lambda _address: middle.address + 9)) <= 64


# -- other files ------------------------------------------------------------------------------------


def test_file_without_symbols(tmp_path: Path) -> None:
    (tmp_path / "image.hex").write_text(":00000001FF\n")
    info = DebugInfo(tmp_path / "image.hex")
    assert info.symbols == {}
    assert info.function_at(0x0800_0000) is None
    assert info.describe(0x0800_0000) == "0x08000000"
    assert backtrace(info, dict.fromkeys(range(16), 0), lambda _address: 0) == [0]


def test_stripped_elf(path, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.elf"
    tool("strip", "-o", stripped, path())
    info = DebugInfo(stripped)
    assert (info.symbols, info.line_at(0x0800_0400)) == ({}, None)


def test_symbols_without_lines(path, tmp_path: Path) -> None:
    stripped = tmp_path / "no-debug.elf"
    tool("strip", "--strip-debug", "-o", stripped, path())
    info = DebugInfo(stripped)
    leaf = info.symbols["leaf"]
    assert info.describe(leaf.address) == "leaf"


@pytest.fixture(scope="module")
def content() -> bytes:
    return reference_image("cm7").read_bytes()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=64)), min_size=1, max_size=20)
)
def test_a_damaged_elf_raises_nothing(
    tmp_path: Path, content: bytes, damage: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(content)
    for place, noise in damage:
        start = 16 + place % (len(damaged) - 80)
        damaged[start : start + len(noise)] = noise
    path = tmp_path / "damaged.elf"
    path.write_bytes(damaged)
    info = DebugInfo(path)
    addresses = range(0x0800_0298, 0x0800_0900, 0x62)
    for address in addresses:
        info.places(address)
        info.line_at(address)
        info.function_at(address)
    registers = {number: 0x0800_0400 + 8 * number for number in range(16)} | {SP: 0x2000_1000}
    assert 1 <= len(backtrace(info, registers, lambda address: address ^ 0x2800_0001)) <= 64
    assert isinstance(info.ram, list)
    info.address_of("_estack")
