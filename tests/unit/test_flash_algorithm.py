"""The committed flash algorithm, run on nothing but the registers it drives."""

from __future__ import annotations

import json
from typing import Any

import pytest
import unicorn
from unicorn import arm_const

from pytest_h7.chip import memory, registers
from pytest_h7.firmware_build import ROOT

ALGORITHM = ROOT / "pytest_h7" / "target" / "flash_algorithm.json"


class FlashController:
    """As much of both banks' registers as the algorithm needs, and a record of what it wrote into flash."""

    def __init__(self, busy_polls: int = 0, error: int = 0) -> None:
        self.flash = registers.peripheral("FLASH").registers
        self.by_address = {register.address: name for name, register in self.flash.items()}
        self.values = {name: register.reset for name, register in self.flash.items()}
        self.keys: list[tuple[str, int]] = []
        self.commands: list[tuple[str, int]] = []
        self.words: dict[int, int] = {}
        self.busy_polls = busy_polls
        self.error = error

    def read(self, core: Any, offset: int, size: int, data: Any) -> int:
        name = self.by_address[registers.peripheral("FLASH").base + offset]
        if name in ("SR1", "SR2"):
            if self.busy_polls:
                self.busy_polls -= 1
                return self.flash[name].fields["QW"].mask
            return self.error
        return self.values[name]

    def write(self, core: Any, offset: int, size: int, value: int, data: Any) -> None:
        name = self.by_address[registers.peripheral("FLASH").base + offset]
        if name in ("KEYR1", "KEYR2"):
            self.keys.append((name, value))
            if [key for register, key in self.keys if register == name] == [0x45670123, 0xCDEF89AB]:
                self.values[f"CR{name[-1]}"] &= ~1
        elif name in ("CR1", "CR2"):
            self.commands.append((name, value))
            self.values[name] = value
        else:
            assert name in ("CCR1", "CCR2"), f"the algorithm writes {name}"

    def program(self, core: Any, access: int, address: int, size: int, value: int, data: Any) -> None:
        bank = "CR1" if address in memory.FLASH_BANK1 else "CR2"
        assert self.values[bank] & self.flash[bank].fields["PG"].mask
        assert size == 4
        self.words[address] = value


class Algorithm:
    """The committed algorithm, loaded somewhere in RAM and called as a debugger calls it."""

    LOAD_ADDRESS = memory.AXI_SRAM.start + 0x1234
    BUFFER = memory.AXI_SRAM.start + 0x8000
    STACK = memory.AXI_SRAM.start + 0x4000
    CANARY = b"\xa5" * 16

    def __init__(self, controller: FlashController) -> None:
        self.data = json.loads(ALGORITHM.read_text("ascii"))
        self.core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.core.mem_map(memory.AXI_SRAM.start, memory.AXI_SRAM.size)
        self.core.mem_map(memory.FLASH_BANK1.start, 2 * memory.FLASH_BANK_SIZE)
        base = registers.peripheral("FLASH").base
        self.core.mmio_map(base, 0x1000, controller.read, None, controller.write, None)
        self.core.hook_add(
            unicorn.UC_HOOK_MEM_WRITE,
            controller.program,
            begin=memory.FLASH_BANK1.start,
            end=memory.FLASH_BANK2.end - 1,
        )
        self.core.mem_write(self.LOAD_ADDRESS, bytes.fromhex("".join(self.data["code"])))
        self.core.mem_write(self.STACK - self.data["stack_size"], self.CANARY)

    def call(self, function: str, *arguments: int) -> int:
        for register, value in zip(
            (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2),
            arguments,
            strict=False,
        ):
            self.core.reg_write(register, value)
        end = memory.AXI_SRAM.start + 0x100
        self.core.reg_write(arm_const.UC_ARM_REG_LR, end | 1)
        self.core.reg_write(arm_const.UC_ARM_REG_SP, self.STACK)
        self.core.emu_start(self.LOAD_ADDRESS + self.data["symbols"][function] | 1, end, count=1_000_000)
        assert self.core.reg_read(arm_const.UC_ARM_REG_PC) == end, f"{function} does not return"
        assert self.core.reg_read(arm_const.UC_ARM_REG_SP) == self.STACK
        assert self.core.mem_read(self.STACK - self.data["stack_size"], 16) == self.CANARY
        result: int = self.core.reg_read(arm_const.UC_ARM_REG_R0)
        return result

    def program(self, address: int, content: bytes) -> int:
        self.core.mem_write(self.BUFFER, content)
        return self.call("ProgramPage", address, len(content), self.BUFFER)


def test_algorithm_unlocks_each_bank_once_and_locks_both() -> None:
    controller = FlashController()
    algorithm = Algorithm(controller)
    assert algorithm.call("Init", memory.FLASH_BANK1.start, 0, 1) == 0
    assert algorithm.call("Init", memory.FLASH_BANK1.start, 0, 2) == 0
    assert controller.keys == [
        ("KEYR1", 0x45670123),
        ("KEYR1", 0xCDEF89AB),
        ("KEYR2", 0x45670123),
        ("KEYR2", 0xCDEF89AB),
    ]
    assert algorithm.call("UnInit", 2) == 0
    assert controller.commands == [("CR1", 0x31), ("CR2", 0x31)]


@pytest.mark.parametrize(
    ("address", "register", "sector"),
    [(0x0800_0000, "CR1", 0), (0x080E_0000, "CR1", 7), (0x0810_0000, "CR2", 0), (0x081A_0000, "CR2", 5)],
)
def test_algorithm_erases_the_sector_of_an_address(address: int, register: str, sector: int) -> None:
    controller = FlashController(busy_polls=3)
    algorithm = Algorithm(controller)
    assert algorithm.call("Init", memory.FLASH_BANK1.start, 0, 1) == 0
    assert algorithm.call("EraseSector", address) == 0
    erase = 0x34 | sector << 8
    assert controller.commands == [(register, erase), (register, erase | 0x80), (register, 0x30)]


def test_algorithm_programs_whole_flash_words_and_pads_the_last() -> None:
    controller = FlashController(busy_polls=1)
    algorithm = Algorithm(controller)
    content = bytes(range(1, 41))
    assert algorithm.program(memory.FLASH_BANK2.start + 64, content) == 0
    programmed = b"".join(
        controller.words[memory.FLASH_BANK2.start + 64 + at].to_bytes(4, "little") for at in range(0, 64, 4)
    )
    assert programmed == content + b"\xff" * 24
    assert len(controller.words) == 16
    assert controller.commands[-1] == ("CR2", 0x30), "PG is left off"


def test_algorithm_leaves_blank_flash_words_unprogrammed() -> None:
    controller = FlashController()
    start = memory.FLASH_BANK1.start
    assert Algorithm(controller).program(start, b"\xff" * 64 + b"\0" * 32) == 0
    assert sorted(controller.words) == list(range(start + 64, start + 96, 4))


def test_algorithm_reports_the_error_bits_and_stops() -> None:
    write_protected = registers.peripheral("FLASH").registers["SR1"].fields["WRPERR"].mask
    controller = FlashController(error=write_protected)
    algorithm = Algorithm(controller)
    assert algorithm.program(memory.FLASH_BANK1.start, b"\0" * 96) == write_protected
    assert len(controller.words) == 8
    assert algorithm.call("EraseSector", memory.FLASH_BANK1.start) == write_protected


@pytest.mark.parametrize("address", [0x0800_0010, 0x07FF_FFE0, 0x0820_0000])
def test_algorithm_refuses_addresses_that_are_not_flash_words(address: int) -> None:
    controller = FlashController()
    assert Algorithm(controller).program(address, b"\0" * 32) == 1
    assert controller.words == {}
