"""The ST-LINK's commands in words, and what the debugger has read of the chip by them.

So what happened on a real board is known without a single access more than the test has made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.registers import peripheral, peripheral_names, private_peripheral

if TYPE_CHECKING:
    from pytest_h7.bench.transfers import Transfer

SIGNALS = ("CM7", "CM4", "D1", "D2", "HSEM 0")

_DEBUG = 0xF2
_READS = {0x07: 4, 0x0C: 1, 0x47: 2}
_WRITES = {0x08: 4, 0x0D: 1, 0x48: 2}
_LAST_STATUS, _READ_REGISTER, _WRITE_REGISTER, _NRST = 0x3E, 0x45, 0x46, 0x3C
_OK = 0x80
_OTHERS = {
    0x21: "leave debug mode",
    0x30: "enter SWD",
    0x4B: "open port",
    0x4C: "close port",
    0x61: "set SWCLK",
}
_GENERAL = {0xF1: "read version", 0xF5: "read mode", 0xF7: "measure target voltage", 0xFB: "read version"}
_PORT_REGISTERS = {0x00: "CSW", 0x04: "TAR", 0x0C: "DRW", 0xF8: "BASE", 0xFC: "IDR"}
_BANKED = ("DHCSR", "DCRSR", "DCRDR", "DEMCR")
_DEBUG_PORT = 0xFFFF
_DEBUG_PORT_REGISTERS = {0x0: "ABORT/DPIDR", 0x4: "CTRL/STAT", 0x8: "SELECT", 0xC: "RDBUFF"}

_SCS = private_peripheral("cm7", "SCS").registers
_DHCSR = _SCS["DHCSR"]
_RCC_CR = peripheral("RCC").registers["CR"]
_HSEM_R0 = peripheral("HSEM").registers["R0"].address
_OWNERS = {3: "cm7", 1: "cm4"}


@dataclass(frozen=True)
class Sample:
    """Something that was read at a time, in seconds of board time: ``Sample(1.5, "CM4", "sleeping")``."""

    time: float
    signal: str
    value: str


# -- in words ------------------------------------------------------------------------------------------


def describe_transfer(transfer: Transfer) -> str:
    """Return a command in a few words: ``"read RCC.CR through AP1: 0x03034025"``."""
    command = bytes(transfer.command)
    if not command:
        return "nothing"
    if command[0] != _DEBUG:
        return _GENERAL.get(command[0], f"command 0x{command[0]:02X}")
    operation = command[1]
    if operation in _READS or operation in _WRITES:
        return _describe_memory(transfer, command)
    if operation in (_READ_REGISTER, _WRITE_REGISTER):
        return _describe_register(transfer, command)
    if operation == _LAST_STATUS:
        return "status: " + _status(transfer.answer)
    if operation == _NRST:
        return {0: "pull NRST low", 1: "release NRST"}.get(command[2], "pulse NRST")
    return _OTHERS.get(operation, f"debug command 0x{operation:02X}")


def _describe_memory(transfer: Transfer, command: bytes) -> str:
    address, length, apsel = struct.unpack_from("<IHB", command, 2)
    is_read = command[1] in _READS
    content = transfer.answer if is_read else transfer.data
    what = f"{'read' if is_read else 'write'} {place_name(address)} through AP{apsel}"
    if content is None:
        return f"{what}: no answer"
    if length <= 4:
        return f"{what}: 0x{int.from_bytes(bytes(content[:length]), 'little'):0{2 * length}X}"
    return f"{what}: {length} bytes"


def _describe_register(transfer: Transfer, command: bytes) -> str:
    port, address = struct.unpack_from("<HH", command, 2)
    names = _DEBUG_PORT_REGISTERS if port == _DEBUG_PORT else _PORT_REGISTERS
    name = names.get(address, f"register 0x{address:02X}")
    if port != _DEBUG_PORT and 0x10 <= address <= 0x1C:
        name = f"BD{(address - 0x10) // 4}"
    owner = "DP" if port == _DEBUG_PORT else f"AP{port}"
    if command[1] == _WRITE_REGISTER:
        (value,) = struct.unpack_from("<I", command, 6)
        return f"write {owner} {name}: 0x{value:08X} ({_status(transfer.answer)})"
    if transfer.answer is None or len(transfer.answer) < 8:
        return f"read {owner} {name}: no answer"
    (value,) = struct.unpack_from("<I", bytes(transfer.answer), 4)
    return f"read {owner} {name}: 0x{value:08X} ({_status(transfer.answer)})"


def _status(answer: Sequence[int] | None) -> str:
    if not answer:
        return "no answer"
    words = {
        _OK: "ok",
        0x10: "WAIT",
        0x11: "FAULT",
        0x14: "WAIT",
        0x15: "FAULT",
        0x12: "error",
        0x16: "error",
    }
    return words.get(answer[0], f"0x{answer[0]:02X}")


def place_name(address: int) -> str:
    """Return what is at an address: ``"RCC.CR"``, ``"DHCSR"``, else the address."""
    return _places().get(address, f"0x{address:08X}")


def _places(found: dict[int, str] = {}) -> dict[int, str]:  # noqa: B006 - made once, when first needed
    if not found:
        for name in peripheral_names():
            if name.startswith(("RCC", "PWR", "HSEM", "EXTI", "SYSCFG", "FLASH", "DBGMCU", "GPIO")):
                registers = peripheral(name).registers.values()
                found.update((register.address, f"{name}.{register.name}") for register in registers)
        found.update((register.address, register.name) for register in _SCS.values())
    return found


# -- what was read -------------------------------------------------------------------------------------


def samples_of(transfers: Sequence[Transfer]) -> list[Sample]:
    """Return what commands to the probe have told of cores, domains and semaphore 0, in the order of time."""
    return [sample for transfer in transfers for sample in _samples(transfer)]


def _samples(transfer: Transfer) -> Iterator[Sample]:
    command = bytes(transfer.command)
    if len(command) < 9 or command[0] != _DEBUG or command[1] not in _READS or not transfer.answer:
        return
    address, length, apsel = struct.unpack_from("<IHB", command, 2)
    content = bytes(transfer.answer)[:length]
    readers: dict[tuple[int, int], Callable[[int], Iterator[tuple[str, str]]]] = {
        (0, _DHCSR.address): lambda word: _core("CM7", word),
        (3, _DHCSR.address): lambda word: _core("CM4", word),
        (1, _RCC_CR.address): _domains,
        (1, _HSEM_R0): _semaphore,
    }
    for (port, place), read in readers.items():
        if port == apsel and address <= place and place + 4 <= address + len(content):
            (word,) = struct.unpack_from("<I", content, place - address)
            for signal, value in read(word):
                yield Sample(transfer.time, signal, value)


def _core(name: str, status: int) -> Iterator[tuple[str, str]]:
    words = (("S_LOCKUP", "lockup"), ("S_HALT", "halted"), ("S_SLEEP", "sleeping"))
    state = next((word for flag, word in words if _DHCSR.fields[flag].extract(status)), "running")
    # All zeros is what a core without a clock answers.
    yield name, state if status else "no clock"


def _domains(control: int) -> Iterator[tuple[str, str]]:
    for domain in ("D1", "D2"):
        ready = _RCC_CR.fields[f"{domain}CKRDY"].extract(control)
        yield domain, "run" if ready else "stop"


def _semaphore(word: int) -> Iterator[tuple[str, str]]:
    yield "HSEM 0", _OWNERS.get(word >> 8 & 0xF, "another") if word >> 31 else "free"
