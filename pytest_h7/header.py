"""The lines in the report's header: which board, which probe, which chip, which firmware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.bench_time import BENCH, FIRMWARE
from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import Image

_IDCODE = peripheral("DBGMCU").registers["IDCODE"]
_REVISIONS = {0x1001: "Z", 0x1003: "Y", 0x2001: "X", 0x2003: "V"}
"""Values of REV_ID (RM0399 63.5.8)."""

_OPTION_BYTES = ("BCM7", "BCM4", "BOOT_CM7_ADD0", "BOOT_CM4_ADD0", "RDP")
"""Those that decide what runs, and whether the chip can be debugged."""


def describe_connection(board: Board) -> list[str]:
    """Return a line about probe and chip, one with the option bytes that matter, and what was put back at connect.

    Raises:
        H7Error: the board does not answer.
    """
    probe = board.bench.probe
    voltage = f"{probe.voltage:.2f} V" if probe.voltage is not None else "voltage unknown"
    idcode = board.ap[2].read_u32(DBGMCU_AP2_ADDRESS + _IDCODE.offset)
    device, revision = (_IDCODE.fields[name].extract(idcode) for name in ("DEV_ID", "REV_ID"))
    return [
        f"{name_board(board)}, target {voltage}, "
        f"chip 0x{device:03X} revision {_REVISIONS.get(revision, f'0x{revision:04X}')}",
        _option_bytes(board),
        *filter(None, [board.option_ledger.recovered]),
    ]


def name_board(board: Board) -> str:
    """Return what kind of board it is, and its probe, as far as that is known without asking it."""
    kind, probe = "virtual board" if board.bench.is_virtual else "board", board.bench.probe
    return f"{kind} {probe.serial}, {probe.product} {probe.firmware}"


def _option_bytes(board: Board) -> str:
    try:
        values = board.option_bytes.read(*_OPTION_BYTES)
    except TargetAccessError:
        # A board that is attached to may sleep.
        return "option bytes: not readable now"
    return " ".join(f"{name}={OPTION_BYTES[name].format(value)}" for name, value in values.items())


def run_properties(board: Board) -> list[tuple[str, object]]:
    """Return what is recorded of a test that has the board: which one it is, and the images it is tested with."""
    found: list[tuple[str, object]] = [(BENCH, name_board(board))]
    if board.images is not None:
        images = ", ".join(describe_image(image) for image in (board.images.cm7, board.images.cm4))
        found.append((FIRMWARE, images))
    return found


def describe_image(image: Image) -> str:
    """Return core, file name and the beginning of the file's hash."""
    return f"{image.core} {image.path.name} (sha256 {image.sha256[:12]})"
