"""The bench: everything that stands on the desk, real or virtual, behind one set of services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_h7.bench.checkpoints import Checkpoints, RealCheckpoints, TwinCheckpoints
from pytest_h7.bench.clock import Clock, HostClock
from pytest_h7.bench.connection import Connection
from pytest_h7.bench.console import Console
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.journal import Journal
from pytest_h7.bench.opening import abandon, open_session
from pytest_h7.bench.probes import Probe, board_behind, find_again, link_to, reserve_probe
from pytest_h7.bench.serial_ports import console_of
from pytest_h7.bench.settings import EvidencePolicy
from pytest_h7.bench.stimulus import DebuggerDrive, Loopback, SoftwareTrigger, Stimulus
from pytest_h7.errors import (
    ConnectionLost,
    ConsoleUnavailable,
    H7Error,
    InfrastructureError,
    TargetAccessError,
)

if TYPE_CHECKING:
    from pyocd.core.session import Session

    from pytest_h7.bench.settings import Settings
    from pytest_h7.bench.trace import VcdTrace
    from pytest_h7.bench.virtual import TwinSurroundings
    from pytest_h7.labgrid.place import Place
    from pytest_h7.twin.board import VirtualBoard
    from pytest_h7.twin.fidelity import UnmodelledAccess
    from pytest_h7.twin.history import History

Result = TypeVar("Result")

RETURN_TIME = 1.5
"""Seconds after which a probe that was plugged in again, or has started anew, can be used."""


class Power(Protocol):
    """A switch in the board's supply."""

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch off for a time in seconds, and on again."""
        ...


def _keep_silent(message: str) -> None:
    """Tell nobody."""


class Bench:
    """An open bench. Close it when done.

    Args:
        settings: What the user asked for.
        announce: Tells the user what this waits for.

    Attributes:
        settings: What the user asked for.
        probe: The debug probe.
        connection: The debug connection through it.
        clock: Board time.
        power: The power switch, None where the bench has none: an on-board ST-LINK shares the board's supply.
        stimulus: What moves pins.
        surroundings: What can be joined to the board's pins, None where nothing can but by hand.
        checkpoints: What brings the board into states that many tests begin with.
        history: What has happened on the virtual board lately, None on a real one and without evidence.
    """

    def __init__(self, settings: Settings, announce: Callable[[str], None] = _keep_silent) -> None:
        self.settings = settings
        self._console: Console | None = None
        self._silence: str | None = None
        self._loss: InfrastructureError | None = None
        driver, self._lease = reserve_probe(settings, announce)
        board = board_behind(driver)
        self._virtual_board = board
        self._link = link_to(driver)
        self._place: Place | None = getattr(self._lease, "place", None)
        self.clock: Clock = HostClock()
        self.power: Power | None = None
        self.surroundings: TwinSurroundings | None = None
        self.history: History | None = None
        try:
            with uninterrupted():
                self._open(driver, board)
        except BaseException:
            self._leave()
            raise

    def _open(self, driver: Any, board: VirtualBoard | None) -> None:
        if board is not None:
            from pytest_h7.bench.virtual import TwinClock, TwinPower, TwinSurroundings

            board.set_closed_policy(self.settings.twin_ap3.value)
            self.clock = TwinClock(board)
            self.power = TwinPower(board)
            self.surroundings = TwinSurroundings(board)
            if self.settings.evidence is not EvidencePolicy.OFF:
                self.history = board.keep_history()
        if self._link is not None and self._link.is_virtual:
            from pytest_h7.remote.services import RemoteClock, RemotePower, choose_closed_policy

            if self.settings.twin_strict:
                raise H7Error("--h7-twin-strict needs the virtual board in this process: --h7-probe=twin.")
            choose_closed_policy(self._link, self.settings.twin_ap3.value)
            self.clock = RemoteClock(self._link)
            self.power = RemotePower(self._link)
        if self._place is not None and self._place.has_power:
            self.power = self._place
        self._trace = self._open_trace(board)
        self.probe = Probe(driver)
        link = self._link
        self.probe.usage.now = (
            self.clock.time if link is None or not link.is_virtual else lambda: link.time  # without asking
        )
        self.connection = Connection(self._open_session())
        self.connection.actions.now = self.clock.time
        self.checkpoints: Checkpoints = (
            TwinCheckpoints(board, self) if board is not None else RealCheckpoints()
        )
        try:
            self.stimulus = self._choose_stimulus(board)
        except BaseException:
            self.close()
            raise

    def _open_session(self) -> Session:
        """Open the connection; once more if something has failed that may be over."""
        with self.probe.usage.purpose("connect"):
            try:
                return open_session(self.probe, self.settings)
            except ConnectionLost:
                return self._open_anew()

    def _open_anew(self) -> Session:
        """Look for the probe again, for it may be a new USB device by now, and connect.

        The first time it is given time to come back.
        """
        if self._loss is None:
            self.clock.sleep(RETURN_TIME)
        try:
            self.probe.use(find_again(self.probe.driver, self.settings))
            session = open_session(self.probe, self.settings)
        except InfrastructureError as error:
            self._loss = error
            raise
        self._loss = None
        return session

    def reconnect(self) -> None:
        """Connect again after the chip was without power, or the link to it has failed.

        Raises:
            InfrastructureError: the board has no power, or it or its probe does not answer.
        """
        with uninterrupted(), self.probe.usage.purpose("connect"):
            if self._loss is None and not self.probe.usage.has_failed:
                try:
                    self.probe.require_power()
                    self.connection.reconnect()
                    return
                except H7Error:
                    pass  # even a firmware that keeps the debugger out cannot do so under reset
            abandon(self.connection.session)
            self._close_console()
            self._silence = None
            self.connection.use(self._open_anew())
            self.listen()

    def insist(self, action: Callable[[], Result]) -> Result:
        """Return what an action at the board returns, done again if board or probe was away for a moment.

        Raises:
            InfrastructureError: they are away for longer.
            H7Error: the action raises it, and the bench is not to blame.
        """
        if self._place is not None:
            self._place.check()
        if self.probe.usage.has_failed:
            self.reconnect()
        try:
            return action()
        except (TargetAccessError, InfrastructureError):
            self.reconnect()
        try:
            return action()
        except TargetAccessError as error:
            raise self.trouble() or error from error

    def trouble(self) -> InfrastructureError | None:
        """Return what is wrong with the bench now, None if nothing is; to be asked before firmware is blamed."""
        if self._loss is not None:
            return self._loss
        try:
            if self._place is not None:
                self._place.check()
            self.probe.require_power()
            self.connection.require_debug_port()
            self.connection.require_free_nrst()
        except InfrastructureError as error:
            return error
        return None

    def option_journal(self) -> Journal:
        """Return the journal of this board's option bytes; in memory alone for a board of this process."""
        return Journal(self.notes / "option-bytes-before.json" if self.notes is not None else None)

    def _leave(self) -> None:
        """Let others have the board."""
        if self._virtual_board is not None:
            from pytest_h7.twin.board import give_up

            give_up(self._virtual_board)
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def _open_trace(self, board: VirtualBoard | None) -> VcdTrace | None:
        if self.settings.trace is None:
            return None
        if board is None:
            raise H7Error(
                "--h7-trace needs the virtual board: a real one, or one at another machine, does not show its "
                "signals."
            )
        from pytest_h7.bench.trace import VcdTrace

        return VcdTrace(board, Path(self.settings.trace))

    def write_trace(self) -> None:
        """Write what has been recorded so far to the trace, if there is one."""
        if self._trace is not None:
            self._trace.write()

    def _choose_stimulus(self, board: VirtualBoard | None) -> Stimulus:
        wanted = self.settings.stimulus or ("twin" if self.is_virtual else "drive")
        if wanted == "twin":
            if self._link is not None and self._link.is_virtual:
                from pytest_h7.remote.services import RemoteStimulus

                return RemoteStimulus(self._link)
            if board is None:
                raise H7Error(
                    "The stimulus twin needs the virtual board; a real one has swier, drive and loopback:PIN."
                )
            from pytest_h7.bench.virtual import TwinStimulus

            return TwinStimulus(board)
        if wanted == "swier":
            return SoftwareTrigger(self.connection)
        if wanted == "drive":
            return DebuggerDrive(self.connection)
        driver = wanted.removeprefix("loopback:")
        if board is None:
            return Loopback(self.connection, driver)
        from pytest_h7.bench.virtual import TwinLoopback

        return TwinLoopback(board, self.connection, driver)

    @property
    def is_virtual(self) -> bool:
        """Whether this is the virtual board."""
        return self.probe.is_virtual

    @property
    def notes(self) -> Path | None:
        """Folder of what is remembered of this board; None for one that ends with this process."""
        return self._lease.folder if self._lease is not None else None

    def has(self, service: str) -> bool:
        """Return whether the bench has ``"power"``, ``"loopback"`` and so on."""
        match service:
            case "power":
                return self.power is not None
            case "simulation":
                return self._virtual_board is not None
            case "surroundings":
                return self.surroundings is not None
            case "loopback":
                return self.stimulus.name.startswith("loopback")
            case "pin":
                # Anything that puts a level on a pin, not only a software trigger.
                return self.stimulus.name != "swier"
        return False

    @property
    def console(self) -> Console:
        """The serial console, opened when first asked for.

        Raises:
            ConsoleUnavailable: the port cannot be found or opened.
        """
        if self._console is None:
            self._console = self._open_console()
            self._silence = None
        return self._console

    def unmodelled_accesses(self) -> Counter[UnmodelledAccess]:
        """Return what firmware has touched so far that the virtual board only stores; empty on a real one."""
        if self._virtual_board is None:
            return Counter()
        return self._virtual_board.mcu.unmodelled_accesses.copy()

    def chip_warnings(self) -> Counter[str]:
        """Return what the virtual chip has stood so far and a real one may not; empty on a real one."""
        return Counter() if self._virtual_board is None else self._virtual_board.mcu.warnings.copy()

    def require_surroundings(self) -> TwinSurroundings:
        """Return what can join things to the board's pins; raise H7Error if nothing can but a hand."""
        if self.surroundings is None:
            raise H7Error(
                "This bench cannot change what is wired to the board: mark the test h7_requires('surroundings')."
            )
        return self.surroundings

    @property
    def opened_console(self) -> Console | None:
        """The serial console if it is open."""
        return self._console

    def listen(self) -> None:
        """Have the console, if there is one, receive from now on what the board says."""
        if self._silence is not None:
            return
        try:
            self.console.clear()
        except ConsoleUnavailable as error:
            self._close_console()
            self._silence = str(error)

    def heard(self) -> str:
        """Return what the board has said since `listen`; raise ConsoleUnavailable if nobody listened."""
        if self._silence is not None:
            raise ConsoleUnavailable(self._silence)
        return self.console.log

    def _close_console(self) -> None:
        if self._console is not None:
            self._console.close()
            self._console = None

    def _open_console(self) -> Console:
        if self.settings.console is not None or self._link is None:
            return Console(self._console_port(), self.clock)
        if self._link.is_virtual:
            from pytest_h7.remote.services import RemoteConsole

            return Console(str(self._link.address), self.clock, RemoteConsole(self._link))
        if self._place is not None and self._place.console is not None:
            return Console(self._place.console, self.clock)
        return Console(self._link.console_url(), self.clock)

    def _console_port(self) -> str:
        if self.settings.console is not None:
            if self.settings.console.startswith("h7twin:"):
                import pytest_h7.twin.serial_port
            return self.settings.console
        if self._virtual_board is not None:
            import pytest_h7.twin.serial_port  # noqa: F401 - makes the URL known

            return f"h7twin://{self._virtual_board.name or ''}"
        return console_of(self.probe.serial, self.probe.usb_location)

    def release_pins(self) -> None:
        """Let go of every pin that a test drives, and take away what it has joined."""
        self.stimulus.release_all()
        if self.surroundings is not None:
            self.surroundings.clear()

    def close(self, *, resume: bool = True) -> None:
        """Let go of probe and console; without `resume`, halted cores stay halted."""
        with uninterrupted():
            self.connection.session.options["resume_on_disconnect"] = resume
            try:
                self._close_console()
                if self._trace is not None:
                    self._trace.close()
                with suppress(H7Error):
                    self.connection.clear_debug_units()
            finally:
                abandon(self.connection.session)
                self._leave()
