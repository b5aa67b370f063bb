"""Write ``stm32h755.h``, the register header of the firmware, from the chip data of the Python package.

Usage: ``generate_header.py OUTPUT``. Every register is a macro ``PERIPHERAL_REGISTER``, every field a pair
``PERIPHERAL_REGISTER_FIELD_Pos`` and ``_Msk``, every interrupt line an ``..._IRQn``. What differs
between the cores is chosen by ``CORE_CM7`` or ``CORE_CM4``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.chip import interrupts, registers

if TYPE_CHECKING:
    from collections.abc import Iterator

CORES = ("cm7", "cm4")


def peripheral_lines(peripheral: registers.PeripheralMap) -> Iterator[str]:
    """Yield the macros of one peripheral."""
    yield ""
    for register in peripheral.registers.values():
        name = f"{peripheral.name}_{register.name}"
        yield f"#define {name} (*(volatile uint32_t *)0x{register.address:08X}u)"
        for field in register.fields.values():
            yield f"#define {name}_{field.name}_Pos {field.lsb}u"
            yield f"#define {name}_{field.name}_Msk 0x{field.mask:08X}u"


def interrupt_lines(core: str) -> Iterator[str]:
    """Yield the interrupt numbers of `core` and the list its vector table is made of."""
    names = [interrupts.irq_name(core, irq) for irq in range(interrupts.IRQ_LINES)]
    yield ""
    yield "typedef enum {"
    yield from (f"    {name}_IRQn = {irq}," for irq, name in enumerate(names) if name)
    yield "} IRQn_Type;"
    yield ""
    yield "/* LINE(number, name) of all lines; those that nothing is connected to are Reserved. */"
    yield "#define INTERRUPT_LINES(LINE) \\"
    yield from (f"    LINE({irq}, {name or f'Reserved{irq}'}) \\" for irq, name in enumerate(names))
    yield "    /* end */"


def header() -> str:
    """Return the text of the header."""
    lines = [
        "/* Generated from pytest_h7/chip by generate_header.py. */",
        "#ifndef STM32H755_H",
        "#define STM32H755_H",
        "",
        "#include <stdint.h>",
    ]
    for name in registers.peripheral_names():
        lines += peripheral_lines(registers.peripheral(name))
    for core in CORES:
        lines += ["", f"#ifdef CORE_{core.upper()}"]
        for name in ("SCS", "DWT", "FPB", "ITM"):
            lines += peripheral_lines(registers.private_peripheral(core, name))
        lines += interrupt_lines(core)
        lines += ["", "#endif"]
    return "\n".join([*lines, "", "#endif", ""])


def write_if_changed(output: Path, text: str) -> None:
    """Write `text` to `output`, which keeps its time if nothing changes: nothing is compiled again."""
    if not output.exists() or output.read_text("ascii") != text:
        output.parent.mkdir(exist_ok=True)
        output.write_text(text, encoding="ascii")


if __name__ == "__main__":
    write_if_changed(Path(sys.argv[1]), header())
