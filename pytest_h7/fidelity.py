"""What firmware has touched that the virtual board only stores: for the summary, and for ``--h7-twin-strict``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_h7.errors import UnmodelledRegister

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
    """Collects what the tests of a run have touched."""

    def __init__(self) -> None:
        self._touches: Counter[Touch] = Counter()
        self._before: Counter[UnmodelledAccess] = Counter()

    def begin(self, board: Board) -> None:
        """Start a test."""
        self._before = board.bench.unmodelled_accesses()

    def check(self, board: Board) -> None:
        """Fail if the firmware has touched such a register since `begin`.

        Raises:
            UnmodelledRegister: it has; the message names the first registers, and where.
        """
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
        self._before = board.bench.unmodelled_accesses()

    def _since_begin(self, board: Board) -> Counter[Touch]:
        touches: Counter[Touch] = Counter()
        for access, count in (board.bench.unmodelled_accesses() - self._before).items():
            register = f"{access.peripheral}.{access.register}"
            verb = "read" if access.kind == "read" else "written"
            touches[Touch(register, access.core, verb, _place(board.images, access))] += count
        return touches

    def dump(self) -> list[list[Any]]:
        """Return what has been counted as plain lists, for another process."""
        return [[*touch, count] for touch, count in self._touches.items()]

    def merge(self, dumped: Iterable[list[Any]]) -> None:
        """Add what another process has counted."""
        for *touch, count in dumped:
            self._touches[Touch(*touch)] += count

    def summary(self) -> list[str]:
        """Return lines for the end of the run; none if nothing was touched."""
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
