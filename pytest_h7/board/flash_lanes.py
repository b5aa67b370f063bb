"""Changes both banks at the same time: while one erases, the other is programmed, and data is sent for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_h7.board.flash_plan import SECTOR_ERASE_TIME, WORD_TIME, FlashPlan, SectorPlan, Words
from pytest_h7.chip.memory import AXI_SRAM, FLASH_SECTOR_SIZE, FLASH_WORD_SIZE
from pytest_h7.errors import FlashError

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.flash_agent import FlashAgent
    from pytest_h7.target.flash_banks import FlashBank

_GAP = 2048
"""Bytes between flash words that are sent as ones: they take less time than another run of the agent."""

_CHUNK = 6144
"""Bytes that one command to the probe writes."""

_SLOTS = 2
"""Buffers of a bank, of a sector each; with those of the other one they are AXI SRAM."""

_ERASE_POLL = 0.005
_WORD_POLL = 0.001
_FIRST_LOOK = 0.98 * SECTOR_ERASE_TIME
_SLOWEST_ERASE = 4.0
"""Seconds that a sector may take (DS12110 table 140, with the narrowest parallelism)."""

_SLOWEST_WORD = 600e-6
_SHORTEST_SLEEP = 1e-6
_STEP = 0.1
"""Seconds between reports of progress."""


def runs_of(words: Words) -> list[tuple[int, bytes]]:
    """Return flash words as runs of address and content, which bridge small gaps with ones."""
    runs: list[tuple[int, bytearray]] = []
    for address, word in sorted(words.items()):
        end = runs[-1][0] + len(runs[-1][1]) if runs else 0
        if runs and address - end <= _GAP:
            runs[-1][1].extend(b"\xff" * (address - end) + word)
        else:
            runs.append((address, bytearray(word)))
    return [(address, bytes(content)) for address, content in runs]


class Lanes:
    """Carries out a plan.

    The CM7 runs the agent while a bank is programmed, and is halted while there are only erases: they need no
    code, and a watchdog that is counting stands still.

    Args:
        connection: The way to the chip.
        clock: Board time.
        agent: The agent, started and halted, with both banks unlocked.
        banks: Both banks by number.
        report: Is told from time to time.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        agent: FlashAgent,
        banks: Mapping[int, FlashBank],
        report: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._agent = agent
        self._banks = banks
        self._report = report
        self._programming = 0

    def carry_out(self, plan: FlashPlan) -> None:
        """Erase and program; the agent is halted then.

        Raises:
            FlashError: it failed in a bank; the other one has come to its end.
            TargetAccessError: the board does not answer any more.
        """
        failures = []
        lanes = {self._lane(number, plan.of_bank(number)): self._clock.time() for number in self._banks}
        while lanes:
            lane = min(lanes, key=lambda lane: lanes[lane])
            self._sleep_until(lanes[lane])
            try:
                lanes[lane] = self._clock.time() + next(lane)
            except StopIteration:
                del lanes[lane]
            except FlashError as error:
                failures.append(error)
                del lanes[lane]
        if failures:
            raise failures[0]

    def _sleep_until(self, time: float) -> None:
        while (left := time - self._clock.time()) > _SHORTEST_SLEEP:
            self._clock.sleep(min(left, _STEP))
            self._report()

    def _lane(self, number: int, sectors: tuple[SectorPlan, ...]) -> Iterator[float]:
        """Work on a bank; yield the seconds until it is worth to go on."""
        sending = _Sending(self._connection, number, [run for s in sectors for run in runs_of(s.words)])
        for sector in sectors:
            if sector.erase:
                yield from self._erase(number, sector.address, sending)
        for index, (address, content) in enumerate(sending.runs):
            yield from sending.finish(index)
            yield from self._program(number, address, content, sending)

    def _erase(self, number: int, address: int, sending: _Sending) -> Iterator[float]:
        from pyocd.core.exceptions import FlashFailure

        bank = self._banks[number]
        bank.start_sector_erase(address)
        begin = self._clock.time()
        yield from self._meanwhile(sending, begin + _FIRST_LOOK)
        try:
            while not bank.poll():
                if self._clock.time() - begin > _SLOWEST_ERASE:
                    raise FlashError(f"The erase of the sector at 0x{address:08X} does not end.")
                yield _ERASE_POLL
        except FlashFailure as error:
            reason = error.args[0]
            raise FlashError(f"Erasing the sector at 0x{address:08X} failed: {reason}.") from error

    def _program(self, number: int, address: int, content: bytes, sending: _Sending) -> Iterator[float]:
        blank = b"\xff" * FLASH_WORD_SIZE
        words = range(0, len(content), FLASH_WORD_SIZE)
        used = sum(content[at : at + FLASH_WORD_SIZE] != blank for at in words)
        self._agent.program(number, address, sending.buffer(address), len(content))
        if not self._programming:
            self._agent.resume()
        self._programming += 1
        begin = self._clock.time()
        yield from self._meanwhile(sending, begin + used * WORD_TIME)
        while (progress := self._agent.progress(number))[0]:
            if self._clock.time() - begin > used * _SLOWEST_WORD + 1.0:
                raise FlashError(f"Programming the flash from 0x{address:08X} on does not end.")
            yield _WORD_POLL
        self._programming -= 1
        if not self._programming:
            self._agent.halt()
        sending.done += 1
        if progress[1]:
            from pytest_h7.target.flash_banks import describe_errors

            raise FlashError(
                f"Flash bank {number} was not programmed from 0x{address:08X} on: {describe_errors(progress[1])}."
            )

    def _meanwhile(self, sending: _Sending, end: float) -> Iterator[float]:
        """Let the other bank begin, then send what there is to be sent until it is time to go on."""
        yield 0.0
        while self._clock.time() < end and sending.send():
            yield 0.0
        yield max(end - self._clock.time(), 0.0)


class _Sending:
    """Sends the data for a bank into RAM, ahead of its use."""

    def __init__(self, connection: Connection, number: int, runs: list[tuple[int, bytes]]) -> None:
        self._connection = connection
        self._start = AXI_SRAM.start + (number - 1) * _SLOTS * FLASH_SECTOR_SIZE
        self.runs = runs
        self.done = 0
        self._next = 0
        self._sent = 0

    def buffer(self, address: int) -> int:
        """Return where the data for an address of the flash goes: each sector has its slot."""
        return self._start + address % (_SLOTS * FLASH_SECTOR_SIZE)

    def send(self) -> bool:
        """Send the next chunk; return False if there is none, or no room for it yet."""
        if self._next == len(self.runs) or self._occupied():
            return False
        address, content = self.runs[self._next]
        chunk = content[self._sent : self._sent + _CHUNK]
        self._connection.write_bytes(0, self.buffer(address) + self._sent, chunk)
        self._sent += len(chunk)
        if self._sent == len(content):
            self._next, self._sent = self._next + 1, 0
        return True

    def finish(self, index: int) -> Iterator[float]:
        """Send all of a run whose predecessors are in flash."""
        while self._next <= index:
            self.send()
            yield 0.0

    def _occupied(self) -> bool:
        """Return whether the next run's slot holds what another sector still needs."""
        sector = self.runs[self._next][0] // FLASH_SECTOR_SIZE
        return any(
            sector != (waiting := address // FLASH_SECTOR_SIZE) and (sector - waiting) % _SLOTS == 0
            for address, _ in self.runs[self.done : self._next]
        )
