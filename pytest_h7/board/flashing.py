"""Getting images into flash: only where they differ, both banks at once, and proven by reading back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.settings import FlashPolicy
from pytest_h7.board.flash_agent import FlashAgent
from pytest_h7.board.flash_journal import FlashJournal, any_journal
from pytest_h7.board.flash_lanes import Lanes
from pytest_h7.board.flash_plan import FlashPlan, SectorPlan, Words, pieces_of, plan_flash, sector_of
from pytest_h7.chip.memory import FLASH_WORD_SIZE, UNIQUE_ID_ADDRESS
from pytest_h7.errors import FlashError, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import Image, ImagePair, Segment
    from pytest_h7.target.flash_banks import FlashBank

Progress = Callable[[FlashPlan, float], None]
"""Is told from time to time what is being done, and how far it is, from 0 to 1."""

_READ_AT_MOST = 16 * 1024
"""Bytes up to which images are compared by reading, while the firmware runs; of more, a digest is faster."""

_BRIDGED = 256
"""Bytes between two places that are read as well: they take less time than another command."""


@dataclass(frozen=True)
class FlashResult:
    """What was done: the images that were not there, and how many sectors were erased."""

    programmed: tuple[Image, ...]
    sectors: int


class _Ap0:
    """AP0 as `FlashBank` needs it, with every write checked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write32(self, address: int, value: int) -> None:
        self._connection.write_word(0, address, value)

    def read_memory_block32(self, address: int, count: int) -> list[int]:
        return self._connection.read_words(0, address, count)


class Flasher:
    """Programs a board.

    Args:
        board: The board.
        progress: Is told how far it is.
    """

    def __init__(self, board: Board, progress: Progress | None = None) -> None:
        self._board = board
        self._bench = board.bench
        self._connection = board.bench.connection
        self._clock = board.bench.clock
        self._progress = progress

    # -- what the board offers --------------------------------------------------------------------

    def flash(self, pair: ImagePair, policy: FlashPolicy) -> FlashResult:
        """Have both images in flash; see `Board.flash`."""
        with self._blaming_the_supply():
            if policy is not FlashPolicy.ALWAYS and self._seems_to_hold(pair):
                return FlashResult((), 0)
            with self._agent() as agent:
                pieces = _pieces(pair)
                plan = self._plan(agent, pieces, anew=policy is FlashPolicy.ALWAYS)
                images = tuple(image for image in pair if _changes(plan, image))
                if policy is not FlashPolicy.NEVER:
                    return FlashResult(images, self._realise(agent, plan, pieces))
            if not images:
                return FlashResult((), 0)
            self._board.reset()
        names = " and ".join(f"{image.path.name} for the {image.core}" for image in images)
        raise FlashError(
            f"Flash does not hold {names}, and --h7-flash=never leaves it alone: "
            "program it, or use --h7-flash=auto."
        )

    def plan(self, pair: ImagePair) -> FlashPlan:
        """Return what `flash` would do now, where images differ; both cores are left halted after a reset."""
        with self._blaming_the_supply(), self._agent() as agent:
            return self._plan(agent, _pieces(pair))

    def program(self, segments: Iterable[Segment]) -> None:
        """Have segments in flash, as `flash` has images.

        Raises:
            FlashError: it could not be done.
        """
        pieces = pieces_of(segments)
        with self._blaming_the_supply(), self._agent() as agent:
            self._realise(agent, self._plan(agent, pieces), pieces)

    # -- what is there ----------------------------------------------------------------------------

    def _seems_to_hold(self, pair: ImagePair) -> bool:
        """Compare by reading what is small, which leaves the cores alone."""
        segments = [segment for image in pair for segment in image.segments]
        if sum(len(segment.data) for segment in segments) > _READ_AT_MOST:
            return False
        if any_journal(self._bench.notes):
            return False
        try:
            content = self._read((segment.address, segment.end) for segment in segments)
        except TargetAccessError:
            return False  # a core without a clock, or broken flash words
        return all(content[segment.address, segment.end] == segment.data for segment in segments)

    def _read(
        self, ranges: Iterable[tuple[int, int]], bridged: int = _BRIDGED
    ) -> dict[tuple[int, int], bytes]:
        """Read ranges of addresses, those close to each other in one go, in whole words."""
        content = {}
        for group in _neighbours(ranges, bridged):
            start, end = group[0][0] & ~3, max(end for _, end in group) + 3 & ~3
            data = self._connection.read_bytes(0, start, end - start)
            content.update({(first, last): data[first - start : last - start] for first, last in group})
        return content

    def _read_kept(self, sector: SectorPlan) -> Words:
        ranges = [(address, address + FLASH_WORD_SIZE) for address in sector.kept]
        content = self._read(ranges, bridged=0 if sector.has_broken else _BRIDGED)
        return {address: data for (address, _), data in content.items()}

    def _journal(self) -> FlashJournal | None:
        if self._bench.notes is None:
            return None
        unique_id = self._connection.read_bytes(0, UNIQUE_ID_ADDRESS, 12).hex()
        return FlashJournal(self._bench.notes, unique_id)

    def _plan(self, agent: FlashAgent, pieces: Sequence[Segment], *, anew: bool = False) -> FlashPlan:
        journal = self._journal() if any_journal(self._bench.notes) else None
        unfinished = journal.unfinished() if journal is not None else {}
        sectors = {sector_of(piece.address) for piece in pieces} | unfinished.keys()
        survey = agent.survey(pieces, sorted(sectors))
        return plan_flash(pieces, survey, anew=anew, unfinished=unfinished)

    # -- changes ----------------------------------------------------------------------------------

    def _realise(self, agent: FlashAgent, plan: FlashPlan, pieces: Sequence[Segment]) -> int:
        """Do what is planned until flash holds the pieces; return how many sectors were erased."""
        erased = 0
        while plan.changes:
            plan = FlashPlan(tuple(sector.with_kept(self._read_kept(sector)) for sector in plan.changes))
            wrong = self._carry_out(agent, plan)
            erased += plan.erased
            if not wrong:
                break
            for sector in plan.sectors:
                if sector.erase and sector.address in wrong:
                    raise FlashError(
                        f"Flash does not hold what was programmed into the sector at 0x{sector.address:08X}, "
                        "which was erased before: it may be worn out."
                    )
            # What seemed to be blank is not: it takes an erase.
            remaining = [piece for piece in pieces if sector_of(piece.address) in wrong]
            plan = plan_flash(remaining, agent.survey(remaining, sorted(wrong)), anew=True)
        return erased

    def _carry_out(self, agent: FlashAgent, plan: FlashPlan) -> set[int]:
        """Erase and program; return the sectors that do not hold afterwards what they should."""
        journal = self._journal()
        if journal is not None:
            journal.begin(
                {sector.address: sector.outside if sector.erase else None for sector in plan.sectors}
            )
        begin = self._clock.time()

        def report() -> None:
            if self._progress is not None:
                self._progress(plan, min((self._clock.time() - begin) / plan.seconds, 1.0))

        banks = self._banks()
        agent.unlock()
        agent.halt()
        try:
            Lanes(self._connection, self._clock, agent, banks, report).carry_out(plan)
        except FlashError:
            for bank in banks.values():
                bank.lock()
            raise
        agent.resume()
        written = [piece for sector in plan.sectors for piece in sector.result()]
        survey = agent.survey(written, [sector.address for sector in plan.sectors])
        agent.lock()
        wrong = {sector.address for sector in plan_flash(written, survey).changes}
        if journal is not None and not wrong:
            journal.finish()
        return wrong

    def _banks(self) -> dict[int, FlashBank]:
        from pytest_h7.target.flash_banks import FlashBank, Waiting

        bus, waiting = _Ap0(self._connection), Waiting(self._clock.sleep)
        return {number: FlashBank(number, bus, waiting) for number in (1, 2)}

    # -- around -----------------------------------------------------------------------------------

    @contextmanager
    def _agent(self) -> Iterator[FlashAgent]:
        """Stop both cores after a reset, with no caches, no MPU and 64 MHz, and run the agent on the CM7."""
        with uninterrupted():
            self._stop_cores()
            agent = FlashAgent(self._connection, self._clock)
            agent.start()
            try:
                yield agent
            except FlashError:
                agent.stop()
                raise
            agent.stop()

    def _stop_cores(self) -> None:
        target = self._connection.target
        with translated_errors("stop both cores"):
            caught = target.reset_chip(catch=("cm7", "cm4"))
        if "cm7" not in caught:
            self._board.reset_and_hold()
        if "cm4" not in caught:
            with translated_errors("stop the CM4"):
                core = target.attach_cm4()
                if core is not None:
                    core.halt()

    @contextmanager
    def _blaming_the_supply(self) -> Iterator[None]:
        """Where the board has lost its power, say so, and not which access has failed."""
        try:
            yield
        except TargetAccessError:
            self._bench.probe.require_power()
            raise


def _pieces(pair: ImagePair) -> list[Segment]:
    return pieces_of(segment for image in pair for segment in image.segments)


def _changes(plan: FlashPlan, image: Image) -> bool:
    changed = {sector.address for sector in plan.changes}
    return any(sector_of(piece.address) in changed for piece in pieces_of(image.segments))


def _neighbours(ranges: Iterable[tuple[int, int]], bridged: int) -> list[list[tuple[int, int]]]:
    """Group ranges of addresses that are read in one go, which costs the fewest transfers."""
    groups: list[list[tuple[int, int]]] = []
    for start, end in sorted(ranges):
        if groups and start - groups[-1][-1][1] <= bridged:
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
    return groups
