"""The board's serial console, through pyserial: its lines, and waiting for a pattern in board time."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.errors import ConsoleUnavailable, WaitTimeout

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock

BAUD_RATE = 115_200
_POLL = 0.002
_LINES_IN_MESSAGE = 8

ConsoleState = tuple[str, int, tuple[bytes, int]]
"""Received text, how far it is matched, and half a character."""


class Console:
    """What the firmware says over USART3, and what is said to it.

    Args:
        port: A pyserial port or URL.
        clock: Board time, which time-outs are in.
        opened: The port if it is open already.
    """

    def __init__(self, port: str, clock: Clock, opened: Any = None) -> None:
        import serial

        self.port = port
        self._clock = clock
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._log = ""
        self._position = 0
        self._serial: Any = opened
        if opened is not None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of pyserial's RFC 2217
                self._serial = serial.serial_for_url(port, BAUD_RATE, timeout=0, exclusive=_exclusive(port))
        except (serial.SerialException, ValueError, OSError) as error:
            raise ConsoleUnavailable(
                f"The console port {port} cannot be opened ({_reason(error)}): is it in use by a terminal "
                "program, or the wrong one? Choose with --h7-console=PORT."
            ) from error

    @contextmanager
    def _open_port(self) -> Iterator[Any]:
        import serial

        with uninterrupted():
            try:
                yield self._serial
            except (serial.SerialException, OSError) as error:
                raise ConsoleUnavailable(
                    f"The console port {self.port} is gone ({_reason(error)}): is its cable still plugged in?"
                ) from error

    def _receive(self) -> None:
        with self._open_port() as port:
            waiting = port.in_waiting
            if waiting:
                self._log += self._decoder.decode(port.read(waiting))

    @property
    def log(self) -> str:
        """Everything received since the test began."""
        self._receive()
        return self._log

    @property
    def lines(self) -> list[str]:
        """The complete lines received since the test began, without line ends."""
        return self.log.rpartition("\n")[0].splitlines()

    def expect(self, pattern: str | re.Pattern[str], timeout: float = 1.0) -> re.Match[str]:
        """Wait until `pattern` matches in what follows the last match; return the match.

        Args:
            pattern: A regular expression; ``.`` and ``$`` see lines as in `re.MULTILINE`.
            timeout: Board time in seconds.

        Raises:
            WaitTimeout: it did not come in time; the message shows the last lines.
        """
        __tracebackhide__ = True
        expression = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern
        deadline = self._clock.time() + timeout
        while True:
            self._receive()
            match = expression.search(self._log.replace("\r", ""), self._position)
            if match is not None:
                self._position = match.end()
                return match
            if self._clock.time() >= deadline:
                raise WaitTimeout(
                    f"The console did not show {expression.pattern!r} within {timeout:g} s; {self._tail()}"
                )
            self._clock.sleep(min(_POLL, max(deadline - self._clock.time(), 1e-6)))

    def _tail(self) -> str:
        lines = self._log.splitlines()[-_LINES_IN_MESSAGE:]
        if not lines:
            return "it has been silent."
        return "its last lines:\n" + "\n".join(f"  {line}" for line in lines)

    def write(self, text: str) -> None:
        """Send text to the board; raise ConsoleUnavailable if the port is gone."""
        with self._open_port() as port:
            port.write(text.encode())

    def clear(self) -> None:
        """Forget what has been received, so that a test sees only its own lines."""
        self._receive()
        self._log = ""
        self._position = 0

    def save(self) -> ConsoleState:
        """Return what has been received and matched so far, for `restore`."""
        return self._log, self._position, self._decoder.getstate()

    def restore(self, state: ConsoleState) -> None:
        """Go back to what had been received and matched at `save`."""
        self._log, self._position, decoder = state
        self._decoder.setstate(decoder)

    def close(self) -> None:
        """Close the port."""
        self._serial.close()


def _exclusive(port: str) -> bool | None:
    """Ask for the port alone where pyserial can: for device files, not for URLs."""
    return None if "://" in port else True


def _reason(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return str(reason).rstrip(".")
