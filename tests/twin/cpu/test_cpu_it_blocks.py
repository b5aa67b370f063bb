"""IT blocks, which the engine executes as one unit: random ones against a model of what they mean."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from single_core_chip import Chip

RAM, FLASH_CELL = 0x2000_0000, 0x0801_0000
DHCSR, DFSR, DEMCR, COMP0, FUNCTION0 = 0xE000_EDF0, 0xE000_ED30, 0xE000_EDFC, 0xE000_1020, 0xE000_1028
DWTTRAP, BKPT = 4, 2

PROGRAM = """
volatile uint32_t cells[4];
volatile uint32_t interrupts;
NAKED void irq0(void) {
    __asm volatile("ldr r0, =interrupts\\n ldr r1, [r0]\\n add r1, #1\\n str r1, [r0]\\n bx lr\\n .ltorg");
}
void start(void) {
    NVIC_ISER0 = 1;
    __asm volatile(
        "mov r6, %%0\\n mov r7, %%1\\n mov r8, %%2\\n mov r0, #0\\n mov r1, #7\\n mov r2, #3\\n mov r3, #0\\n"
        "mov r4, #0\\n mov r5, #0\\n mov r9, #0\\n"
        %s
        "bkpt 7"
        :: "r"(cells), "r"(0x08010000), "r"(0x40000004)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "cc", "memory");
}
"""

TEMPLATES = {
    "store": "str{} r1, [r6, #{}]",
    "load": "ldr{} r2, [r6, #{}]",
    "program": "str{} r1, [r7, #{}]",
    "interrupt": "str{} r9, [r8]",
    "add": "add{} r3, r3, #{}",
    "compare": "cmp{} r3, #{}",
    "leave": "b{} 1f",
}


@dataclass
class Block:
    """Conditional instructions behind ``cmp r0, #compared``, as (kind, condition, number)."""

    compared: int
    instructions: list[tuple[str, str, int]]

    @classmethod
    def draw(cls, source: random.Random) -> Block:
        conditions = ["eq", *source.choices(["eq", "ne"], k=source.randint(0, 3))]
        kinds = source.choices([kind for kind in TEMPLATES if kind != "leave"], k=len(conditions))
        if kinds.count("interrupt") > 1:
            # Two in one block would be taken as one behind it.
            kinds = [kind if kind != "interrupt" else "add" for kind in kinds]
        if source.random() < 0.3:
            kinds[-1] = "leave"
        numbers = source.choices([0, 4, 8, 12], k=len(conditions))
        return cls(source.randint(0, 1), list(zip(kinds, conditions, numbers, strict=True)))

    def text(self) -> str:
        mask = "".join("t" if condition == "eq" else "e" for _, condition, _ in self.instructions[1:])
        lines = [f"cmp r0, #{self.compared}", f"it{mask} eq"]
        lines += [TEMPLATES[kind].format(condition, number) for kind, condition, number in self.instructions]
        lines += ["add r4, #1", "add r4, #2", "1: add r5, #1", "add r4, r4, r2", "eor r3, r3, r4"]
        return '"' + "\\n".join(lines) + '\\n"'


def meaning(blocks: list[Block]) -> dict[str, int]:
    """Return registers and counts as they are when all blocks are done."""
    r2, r3, r4, r5, programmed, interrupts = 3, 0, 0, 0, 0, 0
    cells = {0: 0, 4: 0, 8: 0, 12: 0}
    for block in blocks:
        equal, left = block.compared == 0, False
        for kind, condition, number in block.instructions:
            if (condition == "eq") is not equal:
                continue
            match kind:
                case "store":
                    cells[number] = 7
                case "load":
                    r2 = cells[number]
                case "program":
                    programmed += 1
                case "interrupt":
                    interrupts += 1
                case "add":
                    r3 += number
                case "compare":
                    equal = r3 == number
                case "leave":
                    left = True
        r4 += (0 if left else 3) + r2
        r5 += 1
        r3 ^= r4
    return {"r2": r2, "r3": r3, "r4": r4, "r5": r5, "programmed": programmed, "interrupts": interrupts}


def found(chip: Chip) -> dict[str, int]:
    registers = {name: chip.core.read_register(name) for name in ("r2", "r3", "r4", "r5")}
    interrupts = int.from_bytes(chip.ram[16:20], "little")
    return {**registers, "programmed": len(chip.stores), "interrupts": interrupts}


def run_whole(chip: Chip) -> None:
    chip.run()


def run_by_ones(chip: Chip) -> None:
    while not chip.core.halted:
        chip.core.run(1)


def single_step(chip: Chip) -> None:
    chip.core.run(1)
    chip.core.write_debug(DHCSR, 0xA05F_0003)
    while not chip.core.read_debug(DFSR) & BKPT:
        chip.core.write_debug(DHCSR, 0xA05F_0005)
        chip.core.run(10)


def watch(function: int, address: int):
    def run_watched(chip: Chip) -> None:
        chip.core.write_debug(DEMCR, 1 << 24)
        chip.core.write_debug(COMP0, address)
        chip.core.write_debug(FUNCTION0, function)
        chip.run()
        while chip.core.read_debug(DFSR) & DWTTRAP:
            chip.core.write_debug(DFSR, DWTTRAP)
            chip.core.write_debug(DHCSR, 0xA05F_0001)
            chip.run()

    return run_watched


@pytest.fixture(scope="module", params=[1, 2, 3])
def blocks(request):
    source = random.Random(request.param)
    return [Block.draw(source) for _ in range(150)]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(run_whole, id="whole"),
        pytest.param(run_by_ones, id="by ones"),
        pytest.param(single_step, id="single steps"),
        pytest.param(watch(6, RAM), id="watched writes"),
        pytest.param(watch(5, RAM + 4), id="watched reads"),
        pytest.param(watch(7, RAM + 14), id="watched nearby"),
        pytest.param(watch(6, FLASH_CELL), id="watched flash"),
    ],
)
def test_it_blocks_mean_the_same_however_they_are_run(compile_program, blocks, way):
    chip = Chip()
    chip.load(compile_program(PROGRAM % "\n".join(block.text() for block in blocks)))
    way(chip)
    assert found(chip) == meaning(blocks)
