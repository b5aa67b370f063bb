"""``pytest-h7 recover``: bring a board back that a run can do nothing with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.board_options import add_board_options, add_lease_option, board_of, lease_timeout_of
from pytest_h7.errors import BootContractBroken, ChipSilent, H7Error, InfrastructureError

if TYPE_CHECKING:
    from pytest_h7.board.board import Board

_SLOWLY = 1_000_000
"""SWCLK in Hz that long wires and a chip with slow clocks can follow."""

_BOOT_OPTIONS = ("BCM7", "BCM4", "BOOT_CM7_ADD0", "BOOT_CM4_ADD0")
"""Option bytes without which the reference firmware does not start."""

_UNPROTECTED = 0xAA
"""RDP of a chip without read protection (RM0399 4.5.3)."""

_BY_HAND = (
    "Only the boot pin can help: take the board's power away, join BOOT0 (BT0 on CN11 of the NUCLEO-H755ZI-Q) to "
    "3.3 V, give it power again, so that no firmware starts, and repeat `pytest-h7 recover`. If that changes "
    "nothing, look at the wires, or the chip is protected by RDP level 2, which is for ever."
)


def add_recover_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    parser = add_parser(
        "recover",
        help="bring a board back whose firmware or option bytes keep a run from using it",
        description=(
            "Connects under reset, slowly; has both cores boot from flash; programs the reference firmware over "
            "what is there, and lets it prove that both cores start."
        ),
    )
    add_board_options(parser)
    add_lease_option(parser)
    parser.set_defaults(run=_recover)


def _recover(arguments: argparse.Namespace) -> None:
    """Recover a board, and tell what is found and done.

    Raises:
        H7Error: it cannot be recovered; the message says what can be done by hand.
    """
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import Settings
    from pytest_h7.board.board import Board

    settings = Settings(
        probe=arguments.probe,
        board=board_of(arguments),
        frequency=_SLOWLY,
        lease_timeout=lease_timeout_of(arguments),
    )
    try:
        bench = Bench(settings, _say)
    except ChipSilent as error:
        raise InfrastructureError(f"{error}\n{_BY_HAND}") from error
    try:
        probe = bench.probe
        _say(
            f"Probe {probe.serial}, {probe.product} {probe.firmware}; the board has {probe.voltage or 0:.2f} V."
        )
        board = Board(bench)
        _tell_of_cores(board)
        _have_both_boot_from_flash(board)
        _replace_firmware(board)
    except H7Error as error:
        raise bench.trouble() or error from error
    finally:
        bench.close()


def _tell_of_cores(board: Board) -> None:
    for core, apsel in zip(board.cores, (0, 3), strict=True):
        closed = "" if board.ap[apsel].readable else f": {board.ap[apsel].explain().cause.value}"
        _say(f"{core.name.upper()}: {core.state.value}{closed}")


def _have_both_boot_from_flash(board: Board) -> None:
    """Put the option bytes right that decide what starts; raise InfrastructureError if the chip is protected."""
    from pytest_h7.chip.option_bytes import OPTION_BYTES

    board.option_ledger.open()
    if board.option_ledger.recovered is not None:
        _say(board.option_ledger.recovered)
    found = board.option_bytes.read(*_BOOT_OPTIONS, "RDP")
    if found["RDP"] != _UNPROTECTED:
        raise InfrastructureError(
            f"The flash is read-protected (RDP 0x{found['RDP']:02X}), which this tool never changes: taking that "
            "back with STM32CubeProgrammer erases all of it."
        )
    wrong = {
        name: OPTION_BYTES[name].factory
        for name in _BOOT_OPTIONS
        if found[name] != OPTION_BYTES[name].factory
    }
    if wrong:
        board.option_ledger.change_for_good(wrong)
        changes = ", ".join(
            f"{name} {OPTION_BYTES[name].format(found[name])} -> {OPTION_BYTES[name].format(value)}"
            for name, value in wrong.items()
        )
        _say(f"Option bytes changed: {changes}.")


def _replace_firmware(board: Board) -> None:
    from pytest_h7.bench.settings import FlashPolicy
    from pytest_h7.board.images import load_pair

    result = board.flash(load_pair(None, None), FlashPolicy.AUTO)
    _say(
        "The reference firmware has been programmed."
        if result.programmed
        else "The reference firmware was there."
    )
    try:
        board.boot_contract()
    except BootContractBroken as error:
        raise InfrastructureError(
            f"{error}\nIf BOOT0 is high, release it, take the power away and give it back: flash is in order now."
        ) from error
    _say("Both cores start. The board can be used again.")


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()
