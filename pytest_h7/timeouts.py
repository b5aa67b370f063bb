"""pytest-timeout's method ``thread``, for tests that have a board.

It ends the whole process, which leaves a board in the middle of something, and nobody to say where its cores were.
Here the timer's thread interrupts the main one with a signal instead, so that the test fails, and only that.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import pytest

from pytest_h7.bench.interruption import make_patient

GRACE = 10.0
"""Seconds of wall time that a test gets to notice the signal, before pytest-timeout ends the process after all."""

_SIGNAL: signal.Signals | None = getattr(signal, "SIGRTMIN", None) or getattr(signal, "SIGUSR2", None)
"""None on Windows, which has no signal that interrupts a thread."""


def set_timer(item: pytest.Item, settings: Any) -> bool:
    """Start a timer for a test as pytest-timeout's method ``thread`` does; return False where this cannot be done.

    Args:
        item: The test, which gets `cancel_timeout`.
        settings: pytest-timeout's settings for it.
    """
    if _SIGNAL is None or threading.current_thread() is not threading.main_thread():
        return False
    from pytest_timeout import PYTEST_FAILURE_MESSAGE, is_debugging, timeout_timer

    has_struck = threading.Event()
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def handler(_number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        has_struck.set()
        if settings.disable_debugger_detection or not is_debugging():
            pytest.fail(PYTEST_FAILURE_MESSAGE % settings.timeout)

    def strike() -> None:
        signal.pthread_kill(main_thread, _SIGNAL)
        if not has_struck.wait(GRACE):
            timeout_timer(item, settings)

    before = signal.signal(_SIGNAL, handler)
    make_patient(_SIGNAL)
    timer = threading.Timer(settings.timeout, strike)
    timer.name = f"timeout of {item.nodeid}"
    timer.daemon = True

    def cancel() -> None:
        timer.cancel()
        has_struck.set()
        timer.join()
        signal.signal(_SIGNAL, before)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    timer.start()
    return True


class ThreadTimers:
    """The hooks of pytest-timeout that have its method ``thread`` leave the run alive."""

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> bool | None:
        """Set the timer of a test that has a board."""
        if settings.method == "thread" and "_h7_session" in getattr(item, "fixturenames", ()):
            return set_timer(item, settings) or None
        return None
