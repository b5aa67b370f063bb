"""The code on the CM7 that looks at flash and programs it: ``firmware/flash_algorithm/flash_agent.c``.

It is told what to do through a mailbox in DTCM, so that a command and its answer cost two accesses each, and it
works on both banks at once while further data is sent.
"""

from __future__ import annotations

import enum
import json
import struct
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.connection import translated_errors
from pytest_h7.board.flash_plan import SectorState, Survey, word_of
from pytest_h7.chip.memory import DTCM, FLASH_BANK1, FLASH_SECTOR_SIZE, FLASH_WORD_SIZE
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.errors import FlashError

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.images import Segment

_PIECES = 64
_STATUS = 8 * _PIECES + 8
"""Offset of the mailbox's `command`, with which everything begins that is read of it."""

_RUNS = _STATUS + 8
_RUN = 20
_RESULTS = _RUNS + 2 * _RUN
_SECTOR_WORDS = FLASH_SECTOR_SIZE // FLASH_WORD_SIZE
_DIGEST = 16

_CLOCK = 64e6
"""The CM7's clock after a reset, in Hz."""
_CYCLES_PER_WORD = 36
"""To see whether a flash word is blank; about, by counting instructions."""
_CYCLES_PER_DIGESTED_WORD = 330

_POLL = 0.001
_PATIENCE = 2.0
"""Seconds after which the agent is given up, beyond what a command takes."""

_DHCSR, _DFSR = (private_peripheral("cm7", "SCS").registers[name] for name in ("DHCSR", "DFSR"))
_DEBUG_KEY = 0xA05F_0000
_THUMB_STATE = 1 << 24


class _Command(enum.IntEnum):
    SURVEY = 1
    UNLOCK = 2
    LOCK = 3


@cache
def _code() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        resources.files("pytest_h7.target").joinpath("flash_agent.json").read_text("ascii")
    )
    return data


class FlashAgent:
    """The agent on the CM7, which has to be halted after a reset when it is started.

    Args:
        connection: The way to the chip.
        clock: Board time.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._mailbox = DTCM.start + int(_code()["symbols"]["mailbox"])

    # -- the core ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the agent and start it."""
        code = bytes.fromhex("".join(_code()["code"]))
        self._connection.write_bytes(0, DTCM.start, code + bytes(_RESULTS))
        with translated_errors("start the flash agent on the CM7"):
            core = self._connection.core(0)
            entry = DTCM.start + int(_code()["symbols"]["Serve"])
            # The reset vector may have been junk, or not readable at all.
            core.write_core_registers_raw(["pc", "xpsr"], [entry, _THUMB_STATE])
        self.resume()

    def resume(self) -> None:
        """Let the CM7 go on."""
        self._connection.write_word(0, _DHCSR.address, _DEBUG_KEY | _DHCSR.fields["C_DEBUGEN"].mask)

    def halt(self) -> None:
        """Stop the CM7, and its watchdog with it, while there is nothing to do."""
        bits = _DHCSR.fields["C_DEBUGEN"].mask | _DHCSR.fields["C_HALT"].mask
        self._connection.write_word(0, _DHCSR.address, _DEBUG_KEY | bits)

    def stop(self) -> None:
        """Halt the CM7 for good, as if the agent had never been there."""
        self.halt()
        self._connection.write_word(0, _DFSR.address, sum(field.mask for field in _DFSR.fields.values()))

    # -- commands ---------------------------------------------------------------------------------

    def survey(self, pieces: Sequence[Segment], sectors: Sequence[int]) -> Survey:
        """Look at flash.

        Args:
            pieces: What is to be compared, by `pieces_of`.
            sectors: Addresses of the sectors whose flash words are looked at.

        Raises:
            FlashError: flash is protected against being read, or the agent does not answer.
        """
        states: dict[int, SectorState] = {}
        digests: dict[int, bytes] = {}
        for start in range(0, max(len(pieces), 1), _PIECES):
            some = pieces[start : start + _PIECES]
            looked_at = sectors if start == 0 else ()
            result = self._command(_Command.SURVEY, some, looked_at)
            for index, piece in enumerate(some):
                digests[piece.address] = result[_DIGEST * index : _DIGEST * (index + 1)]
            position = _DIGEST * len(some)
            for address in sorted(looked_at):
                blank, unreadable = (
                    int.from_bytes(result[at : at + _SECTOR_WORDS // 8], "little")
                    for at in (position, position + _SECTOR_WORDS // 8)
                )
                states[address] = SectorState(address, blank, unreadable)
                position += _SECTOR_WORDS // 4
        return Survey(states, digests)

    def unlock(self) -> None:
        """Make both banks programmable; raise FlashError if one stays locked."""
        self._command(_Command.UNLOCK)

    def lock(self) -> None:
        """Protect both banks again."""
        self._command(_Command.LOCK)

    def _command(
        self, command: _Command, pieces: Sequence[Segment] = (), sectors: Sequence[int] = ()
    ) -> bytes:
        bounds = [bound for piece in pieces for bound in (piece.address, piece.end)]
        mask = sum(1 << (address - FLASH_BANK1.start) // FLASH_SECTOR_SIZE for address in sectors)
        self._connection.write_words(
            0, self._mailbox + 8 * (_PIECES - len(pieces)), [*bounds, len(pieces), mask, command]
        )
        self._clock.sleep(_duration(pieces, sectors))
        length = _DIGEST * len(pieces) + _SECTOR_WORDS // 4 * len(sectors)
        deadline = self._clock.time() + _PATIENCE
        while True:
            status = self._connection.read_bytes(0, self._mailbox + _STATUS, _RESULTS - _STATUS + length)
            pending, errors = struct.unpack_from("<II", status)
            if not pending:
                break
            if self._clock.time() >= deadline:
                raise FlashError(
                    "The flash agent on the CM7 does not answer: has something reset the chip meanwhile?"
                )
            self._clock.sleep(_POLL)
        _check(command, errors)
        return status[_RESULTS - _STATUS :]

    # -- programming ------------------------------------------------------------------------------

    def program(self, bank: int, address: int, buffer: int, length: int) -> None:
        """Begin to program flash words of an idle bank (1 or 2), which are in RAM at `buffer`."""
        self._connection.write_words(0, self._run(bank), [address, buffer, 0, 0, length])

    def progress(self, bank: int) -> tuple[int, int]:
        """Return how many bytes a bank has still to be programmed, and the flags of FLASH_SR that ended it."""
        errors, left = self._connection.read_words(0, self._run(bank) + 12, 2)
        return left, errors

    def _run(self, bank: int) -> int:
        return self._mailbox + _RUNS + _RUN * (bank - 1)


def _duration(pieces: Sequence[Segment], sectors: Sequence[int]) -> float:
    """Return about how many seconds a survey takes."""
    digested = sum(piece.end - word_of(piece.address) for piece in pieces) // FLASH_WORD_SIZE
    cycles = digested * _CYCLES_PER_DIGESTED_WORD + len(sectors) * _SECTOR_WORDS * _CYCLES_PER_WORD
    return cycles / _CLOCK


def _check(command: _Command, errors: int) -> None:
    from pytest_h7.target.flash_banks import describe_errors

    if command is _Command.UNLOCK and errors:
        raise FlashError(
            "The flash stays locked after its keys were written: reset the board and flash again."
        )
    flags = peripheral("FLASH").registers["SR1"].fields
    protection = errors & (flags["RDPERR"].mask | flags["RDSERR"].mask)
    if command is _Command.SURVEY and protection:
        raise FlashError(f"Flash cannot be read: {describe_errors(protection)}.")
