"""The board of a pytest run: opened when first needed, closed at the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_h7.bench.interruption import make_impatient, make_patient, uninterrupted
from pytest_h7.bench.settings import EvidencePolicy
from pytest_h7.errors import BoardInUse, H7Error, ImageError, InfrastructureError, add_note
from pytest_h7.fidelity import FidelityLog
from pytest_h7.markers import image_paths, required_services

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import Settings
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import Image, ImagePair
    from pytest_h7.pool import BoardPool

_SHOWN = 3
"""Images of a core that the header shows."""


class BoardSession:
    """What the tests of a run share: settings, bench and board.

    Args:
        settings: What the user asked for.
        announce: Tells the user what the run waits for.

    Attributes:
        settings: What the user asked for.
        fidelity: What the firmware has touched that the virtual board only stores.
        leave_halted: Whether cores that are halted at the end stay so, because a test has timed out there.
    """

    def __init__(self, settings: Settings, announce: Callable[[str], None]) -> None:
        self.settings = settings
        self._announce = announce
        self.leave_halted = False
        self.fidelity = FidelityLog()
        self._bench: Bench | None = None
        self._board: Board | None = None
        self._failure: H7Error | None = None
        self._images: dict[tuple[str, str | None], Image] = {}
        self._pool: BoardPool | None = None

    def use_boards(self, pool: BoardPool) -> None:
        """Have the board be one of several."""
        self._pool = pool

    @property
    def boards_set_aside(self) -> dict[str, str]:
        """Why boards were set aside, by their names."""
        return self._pool.set_aside if self._pool is not None else {}

    def set_board_aside(self) -> None:
        """Let go of the board for good, because it has failed; another one is connected when it is needed."""
        assert self._pool is not None
        if self._board is not None:
            trouble = self._board.bench.trouble()
            self._pool.set_aside[self.settings.probe] = str(trouble)
        self.close()
        self._failure = None

    def try_again(self) -> None:
        """Have a board looked for once more, if there was none."""
        self._failure = None

    @property
    def is_open(self) -> bool:
        """Whether a board is connected."""
        return self._board is not None

    @property
    def keeps_all_evidence(self) -> bool:
        """Whether evidence is kept of tests that pass, too."""
        return self.settings.evidence is EvidencePolicy.ON

    @property
    def board(self) -> Board:
        """The board, connected now if it was not.

        Raises:
            H7Error: it cannot be connected; after one attempt that has failed there is no other.
        """
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)
        if self._board is None:
            try:
                self._board = self._open()
            except H7Error as error:
                self._failure = error
                raise
            make_patient(signal.SIGINT)
        return self._board

    def _open(self) -> Board:
        from pytest_h7.bench.bench import Bench
        from pytest_h7.board.board import Board

        if self._pool is not None:
            self._bench = self._open_any(self._pool)
        else:
            self._bench = Bench(self.settings, self._announce)
        with uninterrupted():
            board = Board(self._bench)
            self._bench.insist(board.option_ledger.open)
        return board

    def _open_any(self, pool: BoardPool) -> Bench:
        """Open the first board of several that is free and can be used."""
        from pytest_h7.bench.bench import Bench

        for settings in pool.settings():
            try:
                bench = Bench(settings, self._announce)
            except BoardInUse:
                continue
            except InfrastructureError as error:
                pool.set_aside[settings.probe] = str(error)
            else:
                self.settings = settings
                return bench
        raise pool.none_left()

    def begin_evidence(self, item: pytest.Item) -> None:
        """Begin to keep in mind what happens to the board, in case the test fails."""
        board = self.board
        item.stash[began_key] = board.time()
        if board.bench.history is not None:
            board.bench.history.begin()
        if self.settings.evidence is not EvidencePolicy.OFF:
            from pytest_h7.evidence.store import store_of

            store_of(item.config, self.settings).prepare()
        if item.config.pluginmanager.has_plugin("allure_listener"):
            from pytest_h7.evidence import allure_report

            allure_report.begin(item, board)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what a test does on the virtual board: registers that are only stored, and the trace."""
        self.fidelity.begin(self.board)
        try:
            yield
        finally:
            self.fidelity.end(self.board)
            self.board.bench.write_trace()

    def check_incidents(self) -> None:
        """Raise what has happened to the cores during this test without being expected, all in one error."""
        with self.board.bench.probe.usage.purpose("watch"):
            incidents = self.board.bench.insist(self.board.watch.end)
        if incidents:
            raise type(incidents[0])("\n".join(map(str, incidents)))

    def add_incidents(self, error: BaseException) -> None:
        """Note in the error of a test what has happened to the cores meanwhile; nothing if they do not answer."""
        with self.board.bench.probe.usage.purpose("watch"), suppress(H7Error):
            for incident in self.board.watch.end():
                add_note(error, str(incident))

    def check_fidelity(self) -> None:
        """With ``--h7-twin-strict``, raise UnmodelledRegister for what has been touched during this test."""
        if self.settings.twin_strict:
            self.fidelity.check(self.board)

    def close(self) -> None:
        """Disconnect, with DBGMCU as configured, and the option bytes put back if the last test could not."""
        if self._bench is not None:
            if self._board is not None:
                with suppress(H7Error):
                    # The next run finds a board without power and says so.
                    self._bench.connection.restore_debug_configuration()
                try:
                    self._board.option_ledger.put_back()
                except H7Error as error:
                    self._announce(str(error))
            self._bench.close(resume=not self.leave_halted)
            self._bench = self._board = None
            make_impatient(signal.SIGINT)

    def images(self, item: pytest.Item) -> ImagePair:
        """Return the images for a test: those of its marker, else those of the options.

        Raises:
            ImageError: one is missing or does not fit.
            H7Error: the marker is not used as it must be.
        """
        from pytest_h7.board.images import ImagePair

        marked = image_paths(item)
        cm7, cm4 = (
            self._image(core, _resolve(item, marked[core]) if core in marked else self._path(core))
            for core in ("cm7", "cm4")
        )
        return ImagePair(cm7, cm4)

    def _path(self, core: str) -> str | None:
        return self.settings.cm7_image if core == "cm7" else self.settings.cm4_image

    def _image(self, core: str, path: str | None) -> Image:
        """Load an image, once in a run; None stands for the reference firmware."""
        from pytest_h7.board.images import Image, reference_image

        if (core, path) not in self._images:
            self._images[core, path] = Image(core, reference_image(core) if path is None else path)
        return self._images[core, path]

    def header(self, items: Sequence[pytest.Item]) -> list[str]:
        """Return the lines that tell what is connected, and what will be flashed unless a test says otherwise.

        If each test says otherwise, as those in C do, these are the images of the tests.

        Raises:
            H7Error: the board cannot be connected, or an image that a test needs is unusable.
        """
        from pytest_h7.header import describe_connection, describe_image

        needed, lines = _cores_without_marker(items), []
        for core in ("cm7", "cm4"):
            path = self._path(core)
            marked = _marked(items, core) if core not in needed and path is None else []
            shown: list[str | None] = [*marked[:_SHOWN]] or [path]
            try:
                lines += [describe_image(self._image(core, name)) for name in shown]
            except ImageError:
                if core in needed or path is not None:
                    raise
            if len(marked) > _SHOWN:
                lines.append(f"{len(marked) - _SHOWN} more for {core}")
        board = self.board
        first, *others = board.bench.insist(lambda: describe_connection(board))
        return [f"h7: {line}" for line in (first, ", ".join(lines) or "no images", *others)]

    def why_skip(self, item: pytest.Item) -> str | None:
        """Return why a test cannot run on the selected board, None if it can.

        Raises:
            H7Error: a marker is not used as it must be, or the board cannot be connected.
        """
        names = {marker.name for marker in item.iter_markers()}
        if "h7_hardware" in names and self._is_virtual():
            return "needs a real board (--h7-probe=SERIAL)"
        if "h7_virtual" in names and not self._is_virtual():
            return "needs the virtual board (--h7-probe=twin)"
        for service in required_services(item) if "h7_requires" in names else ():
            if not self.board.bench.has(service):
                return f"this bench has no {service}"
        return None

    def _is_virtual(self) -> bool:
        """A probe given by its serial number can be that of a virtual board, too."""
        return (self._pool is None and self.settings.is_twin) or self.board.bench.is_virtual

    @property
    def is_virtual(self) -> bool:
        """Whether the board is a virtual one, as far as is known without connecting it."""
        return self.settings.is_twin if self._bench is None else self._bench.is_virtual

    def describe_images(self) -> dict[str, str]:
        """Return file name and hash of the images of the options, by core, without those that cannot be used."""
        described = {}
        for core in ("cm7", "cm4"):
            with suppress(ImageError):
                image = self._image(core, self._path(core))
                described[core] = f"{image.path.name} sha256 {image.sha256}"
        return described


def _cores_without_marker(items: Iterable[pytest.Item]) -> set[str]:
    """Return the cores of which some test needs the image of the options."""
    needed = set()
    for item in items:
        if "h7_images" in getattr(item, "fixturenames", ()):
            marked = {core for marker in item.iter_markers("h7_images") for core in marker.kwargs}
            needed |= {"cm7", "cm4"} - marked
    return needed


def _marked(items: Iterable[pytest.Item], core: str) -> list[str]:
    """Return the images for a core that tests name, each once."""
    named: dict[str, None] = {}
    for item in items:
        with suppress(H7Error):  # a marker that is wrong fails its test
            paths = image_paths(item)
            if core in paths:
                named[_resolve(item, paths[core])] = None
    return list(named)


def _resolve(item: pytest.Item, path: str) -> str:
    """A relative path is meant from the test's file, else from the root of the run."""
    beside, from_root = item.path.parent / path, item.config.rootpath / path
    return str(from_root if _is_there(from_root) and not _is_there(beside) else beside)


def _is_there(path: Path) -> bool:
    return path.is_file() or Path(str(path).rpartition("@")[0]).is_file()


session_key = pytest.StashKey[BoardSession]()
"""Where the run's session is kept in the stash of the configuration."""

began_key = pytest.StashKey[float]()
"""Board time in seconds when a test got the board, in its stash."""

uses_board_key = pytest.StashKey[bool]()
"""Set in the stash of a test that has the board, however it got it."""
