"""The virtual ST-LINK for pyOCD: pyOCD's own ST-LINK probe with a virtual USB device."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from pyocd.core.exceptions import ProbeError
from pyocd.probe.stlink_probe import StlinkProbe

if TYPE_CHECKING:
    from pytest_h7.chip.boards import BoardDescription
    from pytest_h7.twin.board import VirtualBoard

LOG = logging.getLogger(__name__)

LISTED_BOARDS = "H7_TWIN"
"""Environment variable: the boards that are listed unasked, ``twin`` or names, with commas."""

_UNNAMED = "twin"
_SERIAL = "H7TWIN"
"""Serial number of the unnamed board, and what that of a named one begins with."""


class TwinProbe(StlinkProbe):
    """An ST-LINK with a virtual board behind it.

    Attributes:
        virtual_board: The board.
    """

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__(board.stlink.interface())
        self.virtual_board = board

    @classmethod
    def for_board(cls, name: str | None, description: BoardDescription | None = None) -> TwinProbe:
        """Return a probe at the virtual board called `name`, None for the unnamed one.

        Raises:
            BoardNameError, BoardInUse: As `pytest_h7.twin.board.virtual_board`.
        """
        from pytest_h7.twin.board import virtual_board

        return cls(virtual_board(name, description))

    @classmethod
    def get_all_connected_probes(
        cls,
        unique_id: str | None = None,  # noqa: ARG003
        is_explicit: bool = False,
    ) -> list[Any]:
        """Return the boards named in ``H7_TWIN``; the unnamed one if virtual boards are asked for as such."""
        names = _listed_names()
        if is_explicit and not names:
            names = [None]
        probes = []
        for name in names:
            try:
                probes.append(cls._found(name))
            except ProbeError as error:
                LOG.warning("%s", error)
        return probes

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> Any:
        """Return the board whose serial number, or whose name after ``h7twin:``, is `unique_id`."""
        if is_explicit:
            name = None if unique_id in ("", _SERIAL) else unique_id.removeprefix(f"{_SERIAL}-")
            return cls._found(name)
        probes = cls.get_all_connected_probes()
        return next((probe for probe in probes if probe.unique_id == unique_id), None)

    @classmethod
    def _found(cls, name: str | None) -> TwinProbe:
        """Return a probe for pyOCD's tools, which report only their own errors as a message."""
        from pytest_h7.twin.board_store import BoardInUse, BoardNameError

        try:
            return cls.for_board(name)
        except (BoardInUse, BoardNameError) as error:
            raise ProbeError(str(error)) from None

    def sleep(self, seconds: float) -> None:
        """Wait in board time, while no other thread of pyOCD's servers uses the probe."""
        with self._link._lock:
            self.virtual_board.sleep(seconds)

    def reset(self) -> None:
        """Pulse NRST, in board time."""
        assert self.session is not None
        self.assert_reset(True)
        self.sleep(self.session.options.get("reset.hold_time"))
        self.assert_reset(False)
        self.sleep(self.session.options.get("reset.post_delay"))


def _listed_names() -> list[str | None]:
    entries = [entry.strip() for entry in os.environ.get(LISTED_BOARDS, "").split(",")]
    return [None if entry == _UNNAMED else entry.removeprefix(f"{_UNNAMED}:") for entry in entries if entry]
