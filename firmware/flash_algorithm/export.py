"""Write code for RAM as JSON for the package.

Usage: ``export.py algorithm|agent ELF OUTPUT``. In the JSON, ``symbols`` are byte offsets from the start of
``code`` (without the Thumb bit), ``code`` is the little-endian machine code in hexadecimal, 32 bytes an
entry, and sizes are in bytes. The code has no variables, so that it needs no static base.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

FLASH_WORD_SIZE = 32
PAGE_SIZE = 32 * 1024
"""Bytes of one call of ``ProgramPage``: fewer, larger pages cost a debugger less time."""

STACK_SIZE = 512
"""More than the deepest call takes; the compiler is told to refuse functions of more than 256 bytes."""

SYMBOLS = {
    "algorithm": ("Init", "UnInit", "EraseSector", "ProgramPage"),
    "agent": ("Serve", "mailbox"),
}
PROPERTIES = {
    "algorithm": {
        "min_program_length": FLASH_WORD_SIZE,
        "page_size": PAGE_SIZE,
        "stack_size": STACK_SIZE,
    },
    "agent": {},
}


def read_code(elf: Path, kind: str) -> dict[str, Any]:
    """Return what is to be known about the code in `elf`, an ``"algorithm"`` or ``"agent"``."""
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
        "source": f"firmware/flash_algorithm/flash_{kind}.c",
        "compiler": compiler,
        "symbols": {name: symbols[name] for name in SYMBOLS[kind]},
        **PROPERTIES[kind],
        "code": [code[start : start + 32].hex() for start in range(0, len(code), 32)],
    }


def export(kind: str, elf: Path, output: Path) -> None:
    """Write the code in `elf` to `output`."""
    output.write_text(json.dumps(read_code(elf, kind), indent=2) + "\n", encoding="ascii")


if __name__ == "__main__":
    export(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
