"""The virtual ST-LINK for pyOCD: pyOCD's own ST-LINK probe with a virtual USB device."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from pyocd.core.exceptions import ProbeError
from pyocd.probe.stlink_probe import StlinkProbe

from pytest_h7.twin.board_store import BoardDamaged, BoardInUse, BoardNameError, board_folder, serial_of
from pytest_h7.twin.stlink import VirtualStlink

if TYPE_CHECKING:
    from pytest_h7.chip.boards import BoardDescription
    from pytest_h7.twin.board import VirtualBoard

LOG = logging.getLogger(__name__)

LISTED_BOARDS = "H7_TWIN"
"""Environment variable: the boards that are listed unasked, ``twin`` or names, with commas."""

_UNNAMED = "twin"


class _Unopened:
    """The USB interface of a board that is only listed: what a host reads of a device without opening it."""

    is_open = False

    def __init__(self, serial_number: str) -> None:
        self.serial_number = serial_number
        self.vendor_name = VirtualStlink.vendor_name
        self.product_name = VirtualStlink.product_name
        self.version_name = VirtualStlink.version_name


class TwinProbe(StlinkProbe):
    """An ST-LINK with a virtual board behind it.

    Attributes:
        board_name: The name of the board, None for the one without.
    """

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__(board.stlink.interface())
        self.board_name = board.name
        self._board: VirtualBoard | None = board

    @classmethod
    def listed(cls, name: str | None) -> TwinProbe:
        """Return a probe whose board is opened when it is used, so that a list leaves it to whoever has it."""
        probe = cls.__new__(cls)
        StlinkProbe.__init__(probe, _Unopened(serial_of(name)))
        probe.board_name = name
        probe._board = None
        return probe

    @property
    def virtual_board(self) -> VirtualBoard:
        """The board; raise ProbeError if another process has it."""
        if self._board is None:
            self._board = self._found(self.board_name).virtual_board
            self._link._device = self._board.stlink.interface()
        return self._board

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
        return [cls.listed(name) for name in names]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> Any:
        """Return the board whose serial number, or whose name after ``h7twin:``, is `unique_id`."""
        if is_explicit:
            unnamed = serial_of(None)
            name = None if unique_id in ("", unnamed) else unique_id.removeprefix(f"{unnamed}-")
            return cls._found(name)
        probes = cls.get_all_connected_probes()
        return next((probe for probe in probes if probe.unique_id == unique_id), None)

    @classmethod
    def _found(cls, name: str | None) -> TwinProbe:
        """Return a probe for pyOCD's tools, which report only their own errors as a message."""
        try:
            return cls.for_board(name)
        except (BoardDamaged, BoardInUse, BoardNameError) as error:
            raise ProbeError(str(error)) from None

    def open(self) -> None:
        """Open the board, if it was only listed, and then the probe."""
        assert self.virtual_board
        super().open()

    def _get_board_id(self) -> str | None:
        """Return which board this is, None while another process has it; pyOCD's list asks for it."""
        try:
            assert self.virtual_board
        except ProbeError:
            return None
        board_id: str | None = super()._get_board_id()
        return board_id

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
    names: list[str | None] = []
    for entry in filter(None, map(str.strip, os.environ.get(LISTED_BOARDS, "").split(","))):
        name = None if entry == _UNNAMED else entry.removeprefix(f"{_UNNAMED}:")
        try:
            if name is not None:
                board_folder(name)
            names.append(name)
        except BoardNameError as error:
            LOG.warning("%s: %s", LISTED_BOARDS, error)
    return names
