"""The bench: everything that stands on the desk, real or virtual, behind one set of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_h7.bench.clock import Clock, HostClock
from pytest_h7.bench.console import Console, find_console
from pytest_h7.bench.probes import abandon, board_behind, find_probe, open_connection
from pytest_h7.bench.stimulus import DebuggerDrive, Loopback, SoftwareTrigger, Stimulus
from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings
    from pytest_h7.twin.board import VirtualBoard


class Power(Protocol):
    """A switch in the board's supply."""

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch off for a time in seconds, and on again."""
        ...


class Bench:
    """An open bench. Close it when done.

    Attributes:
        settings: What the user asked for.
        probe: The debug probe.
        connection: The debug connection through it.
        clock: Board time.
        power: The power switch, None where the bench has none: an on-board ST-LINK shares the board's supply.
        stimulus: What moves pins.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._console: Console | None = None
        driver = find_probe(settings.probe)
        board = board_behind(driver)
        self._virtual_board = board
        self.clock: Clock = HostClock()
        self.power: Power | None = None
        if board is not None:
            from pytest_h7.bench.virtual import TwinClock, TwinPower

            board.set_closed_policy(settings.twin_ap3.value)
            self.clock = TwinClock(board)
            self.power = TwinPower(board)
        self.connection, self.probe = open_connection(driver, settings)
        try:
            self.stimulus = self._choose_stimulus(board)
        except BaseException:
            self.close()
            raise

    def _choose_stimulus(self, board: VirtualBoard | None) -> Stimulus:
        wanted = self.settings.stimulus or ("twin" if board is not None else "drive")
        if wanted == "twin":
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
        return Loopback(self.connection, wanted.removeprefix("loopback:"))

    @property
    def is_virtual(self) -> bool:
        """Whether this is the virtual board."""
        return self._virtual_board is not None

    def has(self, service: str) -> bool:
        """Return whether the bench has ``"power"``, ``"loopback"`` and so on."""
        match service:
            case "power":
                return self.power is not None
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
            self._console = Console(self._console_port(), self.clock)
        return self._console

    @property
    def open_console(self) -> Console | None:
        """The console if a test has opened it."""
        return self._console

    def _console_port(self) -> str:
        if self.settings.console is not None:
            if self.settings.console.startswith("h7twin:"):
                import pytest_h7.twin.serial_port
            return self.settings.console
        if self._virtual_board is not None:
            import pytest_h7.twin.serial_port  # noqa: F401 - makes the URL known

            return f"h7twin://{self._virtual_board.name or ''}"
        return find_console(self.probe.serial)

    def release_pins(self) -> None:
        """Let go of every pin that a test drives."""
        self.stimulus.release_all()

    def close(self) -> None:
        """Let go of probe and console; the cores run on."""
        if self._console is not None:
            self._console.close()
        abandon(self.connection.session)
