"""States of the board that many tests begin with: reached once, then given back.

On a real board the way there is gone each time. On the virtual one the state is kept, and later put back in a
millisecond. That is visible in nothing but the wall clock: board time goes on by what the way takes, its
transfers are counted, and what happens afterwards is the same to the cycle.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_h7.bench.interruption import uninterrupted

if TYPE_CHECKING:
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.console import ConsoleState
    from pytest_h7.twin.board import BoardSnapshot, VirtualBoard
    from pytest_h7.twin.fidelity import UnmodelledAccess
    from pytest_h7.twin.history import Past

_KEPT = 16
"""States that are kept at most; one takes up to 4 MB, mostly far less."""


class Checkpoints(Protocol):
    """Brings the board into states."""

    def reach(self, name: Hashable, steps: Callable[[], None], *, anew: bool = False) -> None:
        """Bring the board where `steps` bring it.

        Args:
            name: What this way is called; the same name always stands for the same steps.
            steps: The way, which may only do something to the board, and not to objects of the test.
            anew: Whether the way leads there from anywhere; else it begins where the last one has ended.
        """
        ...


class RealCheckpoints:
    """The way is gone each time."""

    def reach(self, name: Hashable, steps: Callable[[], None], *, anew: bool = False) -> None:  # noqa: ARG002
        """Go the way."""
        steps()


@dataclass(frozen=True)
class _Checkpoint:
    snapshot: BoardSnapshot
    console: ConsoleState | None
    breakpoint_units: dict[int, bool]
    duration: float
    transfers: Counter[str]
    past: Past | None
    unmodelled: Counter[UnmodelledAccess]
    warnings: Counter[str]


class TwinCheckpoints:
    """The way is gone once."""

    def __init__(self, board: VirtualBoard, bench: Bench) -> None:
        self._board = board
        self._bench = bench
        self._kept: OrderedDict[Hashable, _Checkpoint] = OrderedDict()
        self._way: tuple[Hashable, ...] = ()
        self._end: tuple[float, int] | None = None

    def reach(self, name: Hashable, steps: Callable[[], None], *, anew: bool = False) -> None:
        """Put the state back that the way has led to before, else go it and keep where it has led."""
        if not anew and self._end != self._moment():
            steps()  # something has happened since the last way
            return
        way = (name,) if anew else (*self._way, name)
        self._end = None
        if self._is_quiet():
            kept = self._kept.get((way, self._surroundings()))
            if kept is not None:
                self._put_back(kept)
            else:
                self._go(way, steps)
            self._way, self._end = way, self._moment()
        else:
            steps()

    def _moment(self) -> tuple[float, int]:
        return self._bench.clock.time(), self._bench.probe.transfers

    def _is_quiet(self) -> bool:
        surroundings = self._bench.surroundings
        return self._bench.connection.is_quiet and (surroundings is None or surroundings.at_rest)

    def _surroundings(self) -> Hashable:
        """Return what must be the same for a kept state to be right: what a reset would not change."""
        mcu = self._board.mcu
        return (
            mcu.memories.flash_content,
            tuple(mcu.flash.save().items()),
            mcu.pins.outside(),
            mcu.boot0,
            mcu.powered,
            mcu.nrst_asserted,
        )

    def _go(self, way: tuple[Hashable, ...], steps: Callable[[], None]) -> None:
        start, transfers = self._bench.clock.time(), self._bench.probe.usage.by_purpose.copy()
        surroundings = self._surroundings()
        unmodelled, warnings = self._bench.unmodelled_accesses(), self._bench.chip_warnings()
        picoseconds, history = self._board.picoseconds(), self._bench.history
        steps()
        if not self._is_quiet() or self._surroundings() != surroundings:
            return  # from where it has led the way is another one: the next time nothing needs flashing
        console = self._bench.opened_console
        end = self._bench.clock.time()
        with uninterrupted():
            self._kept[way, surroundings] = _Checkpoint(
                self._board.take_snapshot(),
                console.save() if console is not None else None,
                self._bench.connection.target.breakpoint_units_enabled(),
                end - start,
                self._bench.probe.usage.by_purpose - transfers,
                history.since(picoseconds) if history is not None else None,
                self._bench.unmodelled_accesses() - unmodelled,
                self._bench.chip_warnings() - warnings,
            )
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def _reset_flags(self) -> list[str]:
        """Return the flags that are set in RCC_RSR: they are of resets on the way, or before it."""
        bank = self._board.mcu.rcc.banks["cm7"]
        return [
            name for name, field in bank.map.registers["RSR"].fields.items() if field.extract(bank["RSR"])
        ]

    def _put_back(self, kept: _Checkpoint) -> None:
        with uninterrupted():
            if self._bench.history is not None and kept.past is not None:
                self._bench.history.append(kept.past, self._board.picoseconds())
            self._board.restore(kept.snapshot, after=kept.duration)
            self._bench.probe.usage.by_purpose += kept.transfers
            self._board.mcu.unmodelled_accesses += kept.unmodelled
            self._board.mcu.warnings += kept.warnings
            self._bench.connection.target.set_breakpoint_units_enabled(kept.breakpoint_units)
            self._bench.connection.target.resets.note_own(*self._reset_flags())
            console = self._bench.opened_console
            if console is not None and kept.console is not None:
                console.restore(kept.console)
