"""Keeps a time-out or Ctrl-C from striking while something at the board is half done.

Both come as signals, and Python calls their handlers, which raise, between any two instructions: within a
command to the probe, a reset pulse, or a step of the virtual board. Inside `uninterrupted` they wait until
its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]

_depth = 0
_waiting: Callable[[], object] | None = None


class _PatientHandler:
    """A signal handler that is called at the end of the `uninterrupted` block in which its signal came."""

    def __init__(self, handler: _Handler) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        global _waiting
        __tracebackhide__ = True
        if _depth:
            _waiting = partial(self.handler, number, frame)
        else:
            self.handler(number, frame)


def _on_main_thread() -> bool:
    """Python delivers signals to the main thread only."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Have the signals made patient wait while the context lasts, which must end by itself."""
    global _depth, _waiting
    if not _on_main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth and _waiting is not None:
            handler, _waiting = _waiting, None
            handler()


def make_patient(number: signal.Signals) -> None:
    """Have the present handler of a signal wait for the end of `uninterrupted` blocks."""
    handler = signal.getsignal(number)
    if callable(handler) and not isinstance(handler, _PatientHandler) and _on_main_thread():
        signal.signal(number, _PatientHandler(handler))


def make_impatient(number: signal.Signals) -> None:
    """Put the handler back that `make_patient` has found, if it is still that one."""
    handler = signal.getsignal(number)
    if isinstance(handler, _PatientHandler) and _on_main_thread():
        signal.signal(number, handler.handler)
