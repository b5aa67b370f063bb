"""Where the virtual board is more patient than a real one: for the summary, and for ``--h7-twin-strict``.

Firmware may touch registers that are only stored, and run the chip as silicon would not stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_h7.errors import ChipMisused, UnmodelledRegister

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import ImagePair
    from pytest_h7.twin.fidelity import UnmodelledAccess

_LINES = 30


class Touch(NamedTuple):
    """A place in the firmware that touches a register of which only the bits are kept."""

    register: str
    core: str
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.register} {self.kind} by the {self.core.upper()} in {self.place}"


class FidelityLog:
    """Collects what the tests of a run have touched, and the warnings of the chip."""

    def __init__(self) -> None:
        self._touches: Counter[Touch] = Counter()
        self._before: Counter[UnmodelledAccess] = Counter()
        self._warnings: Counter[str] = Counter()
        """In how many tests the chip has warned of something."""
        self._warned_before: Counter[str] = Counter()

    def begin(self, board: Board) -> None:
        """Start a test."""
        self._before = board.bench.unmodelled_accesses()
        self._warned_before = board.bench.chip_warnings()

    def check(self, board: Board) -> None:
        """Fail if the firmware has relied on the patience of the virtual board since `begin`.

        Raises:
            ChipMisused: it has run the chip beyond its limits; the message is the chip's warnings.
            UnmodelledRegister: it has touched registers that are only stored; the message names the first ones,
                and where.
        """
        warnings = self._warned_since_begin(board)
        if warnings:
            raise ChipMisused(
                f"The virtual board stands what a real one may not (--h7-twin-strict): {' '.join(warnings)}"
            )
        touches = self._since_begin(board)
        if touches:
            first = "; ".join(str(touch) for touch in list(touches)[:3])
            more = f"; and {len(touches) - 3} more" if len(touches) > 3 else ""
            raise UnmodelledRegister(
                f"The firmware relies on what the virtual board only stores (--h7-twin-strict): {first}{more}. "
                "Run this test on a real board, or without --h7-twin-strict."
            )

    def end(self, board: Board) -> None:
        """Count what a test has touched."""
        self._touches += self._since_begin(board)
        self._warnings.update(self._warned_since_begin(board))
        self.begin(board)

    def _warned_since_begin(self, board: Board) -> list[str]:
        return list(board.bench.chip_warnings() - self._warned_before)

    def _since_begin(self, board: Board) -> Counter[Touch]:
        touches: Counter[Touch] = Counter()
        for access, count in (board.bench.unmodelled_accesses() - self._before).items():
            register = f"{access.peripheral}.{access.register}"
            verb = "read" if access.kind == "read" else "written"
            touches[Touch(register, access.core, verb, _place(board.images, access))] += count
        return touches

    def dump(self) -> list[list[Any]]:
        """Return what has been counted as plain lists, for another process."""
        return [[*touch, count] for touch, count in self._touches.items()] + [
            [sentence, count] for sentence, count in self._warnings.items()
        ]

    def merge(self, dumped: Iterable[list[Any]]) -> None:
        """Add what another process has counted."""
        for *what, count in dumped:
            if len(what) == 1:
                self._warnings[what[0]] += count
            else:
                self._touches[Touch(*what)] += count

    def summary(self) -> list[str]:
        """Return lines for the end of the run; none if there is nothing to say."""
        return self._warning_lines() + self._touch_lines()

    def _warning_lines(self) -> list[str]:
        if not self._warnings:
            return []
        lines = ["The virtual board stands what a real one may not:"]
        for sentence, tests in sorted(self._warnings.items()):
            lines.append(f"  {sentence} In {tests} test{'s' if tests > 1 else ''}.")
        return lines

    def _touch_lines(self) -> list[str]:
        if not self._touches:
            return []
        lines = ["The firmware has touched registers that the virtual board only stores:"]
        lines += [f"  {touch}, {count}x" for touch, count in sorted(self._touches.items())[:_LINES]]
        if len(self._touches) > _LINES:
            lines.append(f"  and {len(self._touches) - _LINES} more places")
        return lines


def _place(images: ImagePair | None, access: UnmodelledAccess) -> str:
    if images is None:
        return f"0x{access.pc:08X}"
    image = images.cm7 if access.core == "cm7" else images.cm4
    return image.debug_info.describe(access.pc)
