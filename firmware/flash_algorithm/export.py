"""Write the flash algorithm as JSON for the pyOCD target.

Usage: ``export.py flash_algorithm.elf OUTPUT``. In the JSON, ``functions`` are byte offsets from the start of
``code`` (without the Thumb bit), ``code`` is the little-endian machine code in hexadecimal, 32 bytes an
entry, and sizes are in bytes. The code has no variables, so that it needs no static base.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

FUNCTIONS = ("Init", "UnInit", "EraseSector", "ProgramPage")

FLASH_WORD_SIZE = 32
PAGE_SIZE = 32 * 1024
"""Bytes of one call of ``ProgramPage``: fewer, larger pages cost a debugger less time."""

STACK_SIZE = 512
"""More than the deepest call takes; the compiler is told to refuse functions of more than 256 bytes."""


def algorithm(elf: Path) -> dict[str, Any]:
    """Return what is to be known about the algorithm in `elf`."""
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        text = file.get_section_by_name(".text")
        code = text.data()
        if text["sh_addr"] != 0:
            raise ValueError(f"{elf} is linked for {text['sh_addr']:#x} and not for address 0")
        symbols = {
            symbol.name: symbol["st_value"] & ~1
            for symbol in file.get_section_by_name(".symtab").iter_symbols()
        }
        compiler = file.get_section_by_name(".comment").data().split(b"\0")[0].decode("ascii")
    return {
        "source": "firmware/flash_algorithm/flash_algorithm.c",
        "compiler": compiler,
        "functions": {name: symbols[name] for name in FUNCTIONS},
        "min_program_length": FLASH_WORD_SIZE,
        "page_size": PAGE_SIZE,
        "stack_size": STACK_SIZE,
        "code": [code[start : start + 32].hex() for start in range(0, len(code), 32)],
    }


def export(elf: Path, output: Path) -> None:
    """Write the algorithm in `elf` to `output`."""
    output.write_text(json.dumps(algorithm(elf), indent=2) + "\n", encoding="ascii")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
