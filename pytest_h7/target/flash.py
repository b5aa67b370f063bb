"""Both flash banks for pyOCD: erased together by register writes, programmed by an algorithm in RAM."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.core.exceptions import FlashFailure, FlashProgramFailure
from pyocd.core.target import Target
from pyocd.flash.builder import FlashBuilder
from pyocd.flash.flash import Flash

from pytest_h7.chip.memory import DTCM, FLASH_BANKS
from pytest_h7.target.flash_banks import FlashBank, Waiting, describe_errors

if TYPE_CHECKING:
    from collections.abc import Callable

_RETURN = 0xE7FD_BE00
"""BKPT and a branch back to it: where the functions of the algorithm return to."""

_STACK_TOP = DTCM.start + 0x1000
_BUFFERS = DTCM.start + 0x2000
_POLL_INTERVAL = 0.005


@cache
def load_algorithm() -> dict[str, Any]:
    """Return the flash algorithm as pyOCD describes one, in DTCM with two page buffers.

    ``flash_algorithm.json`` is built from ``firmware/flash_algorithm``.
    """
    source = resources.files(__package__).joinpath("flash_algorithm.json")
    data = json.loads(source.read_text("utf-8"))
    code = bytes.fromhex("".join(data["code"]))
    code += bytes(-len(code) % 4)
    words = [int.from_bytes(code[index : index + 4], "little") for index in range(0, len(code), 4)]
    first = DTCM.start + 4

    def entry(name: str) -> int:
        return first + int(data["symbols"][name]) | 1

    return {
        "load_address": DTCM.start,
        "instructions": [_RETURN, *words],
        "pc_init": entry("Init"),
        "pc_unInit": entry("UnInit"),
        "pc_erase_sector": entry("EraseSector"),
        "pc_program_page": entry("ProgramPage"),
        "static_base": first,
        "begin_stack": _STACK_TOP,
        "end_stack": _STACK_TOP - data["stack_size"],
        "page_buffers": [_BUFFERS, _BUFFERS + data["page_size"]],
        "min_program_length": data["min_program_length"],
        "page_size": data["page_size"],
        "analyzer_supported": False,
    }


class DualBankBuilder(FlashBuilder):
    """Erases the sectors of both banks in turn, so that the banks work at the same time."""

    def _erase_sectors(self, progress_cb: Callable[[float], None] = lambda _: None) -> None:
        by_bank = [[sector for sector in self.sector_list if sector.addr in bank] for bank in FLASH_BANKS]
        in_turn = [sector for pair in zip_longest(*by_bank) for sector in pair if sector is not None]
        self.sector_list: list[Any] = in_turn
        super()._erase_sectors(progress_cb)


class DualBankFlash(Flash):
    """The 2 MB of flash of the STM32H755.

    Erasing needs no code on the chip: the host starts an operation in a bank and waits in board time, with
    both cores stopped after a reset. Programming runs the algorithm on CM7, while the next page is sent.
    """

    def __init__(self, target: Any, flash_algo: dict[str, Any]) -> None:
        super().__init__(target, flash_algo)
        port = target.access_port(0)
        waiting = Waiting(target.sleep)
        self._banks = [FlashBank(number, port, waiting) for number in (1, 2)]
        self._lengths: dict[int, int] = {}
        self._stopped = False
        self._active_operation: Any = None
        self._address: int | None = None

    @property
    def is_erase_all_supported(self) -> bool:
        """Whole banks can be erased."""
        return True

    def init(self, operation: Any, address: int | None = None, clock: int = 0, reset: bool = False) -> None:
        """Get ready to erase or to program; nothing is needed to read."""
        if operation is self.Operation.VERIFY:
            return
        if operation is not self.Operation.ERASE:
            super().init(operation, address, clock, reset)
            return
        if self._active_operation is operation:
            return
        self.uninit()
        self.prepare_target()
        for bank in self._banks:
            bank.unlock()
        self._active_operation = operation

    def uninit(self) -> None:
        """End erasing or programming, and lock the banks."""
        if self._active_operation is not self.Operation.ERASE:
            super().uninit()
            return
        self._active_operation = None
        for bank in self._banks:
            bank.wait()
            bank.lock()

    def prepare_target(self) -> None:
        """Stop both cores in the state after a reset: no caches, no MPU, no watchdog, 64 MHz.

        Raises:
            FlashFailure: CM7 did not stop.
        """
        if self._stopped:
            return
        caught = self.target.reset_chip(catch=("cm7", "cm4"))
        if "cm7" not in caught:
            raise FlashFailure("CM7 does not stop after a reset, and no other core can program the flash")
        if "cm4" not in caught:
            core = self.target.attach_cm4()
            if core is not None:
                core.halt()
        self._stopped = True

    def restore_target(self) -> None:
        """Whoever flashes resets the chip afterwards; until then nothing runs."""
        self._stopped = False

    def erase_sector(self, address: int) -> None:
        """Start erasing a sector; wait only for the bank it is in."""
        bank = next(bank for bank in self._banks if address in bank.memory)
        bank.start_sector_erase(address)

    def erase_all(self) -> None:
        """Erase both banks at the same time."""
        for bank in self._banks:
            bank.start_bank_erase()
        for bank in self._banks:
            bank.wait()

    def program_page(self, address: int, bytes: Any) -> None:  # noqa: A002
        """Program a page and wait for it."""
        self._address = address
        super().program_page(address, self._without_erased_end(bytes))

    def program_phrase(self, address: int, bytes: Any) -> None:  # noqa: A002
        """Program some flash words and wait for them."""
        self._address = address
        super().program_phrase(address, bytes)

    def load_page_buffer(self, buffer_number: int, address: int, bytes: Any) -> None:  # noqa: A002
        """Send a page into one of the buffers, while another one may be programmed."""
        data = self._without_erased_end(bytes)
        self._lengths[buffer_number] = len(data)
        super().load_page_buffer(buffer_number, address, data)

    def start_program_page_with_buffer(self, buffer_number: int, address: int) -> None:
        """Start programming a page out of one of the buffers."""
        self._address = address
        self._call_function(
            self.flash_algo["pc_program_page"],
            address,
            self._lengths[buffer_number],
            self.page_buffers[buffer_number],
        )

    def _without_erased_end(self, page: Any) -> Any:
        """Return a page without the flash words at its end that stay erased; at least one word is left."""
        used = len(bytes(page).rstrip(b"\xff"))
        word: int = self.minimum_program_length
        return page[: max(-(-used // word) * word, word)]

    def wait_for_completion(self, timeout: float | None = None) -> Any:
        """Wait in board time until the algorithm returns; return its result.

        Raises:
            FlashProgramFailure: The flash reports errors.
        """
        waited = 0.0
        while not self._returned() and (timeout is None or waited < timeout):
            self.target.sleep(_POLL_INTERVAL)
            waited += _POLL_INTERVAL
        result = super().wait_for_completion(timeout=timeout)
        errors = describe_errors(result) if result > 0 else None
        if errors is not None:
            raise FlashProgramFailure(f"flash was not programmed: {errors}", address=self._address)
        return result

    def get_flash_builder(self) -> FlashBuilder:
        """Return a builder that erases both banks at the same time."""
        return DualBankBuilder(self)

    def _returned(self) -> bool:
        try:
            return bool(self.target.get_state() == Target.State.HALTED)
        except exceptions.TransferError:
            return False
