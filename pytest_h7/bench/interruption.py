"""Keeps a time-out or Ctrl-C from striking while something at the board is half done.

Both come as signals, and Python calls their handlers, which raise, between any two instructions: within a
command to the probe, a reset pulse, or a step of the virtual board. Inside `uninterrupted` they wait until
its end.

Where Python ignores exceptions, in callbacks of the garbage collector (hypothesis has one) and in ``__del__``, a
signal would be lost; it is sent again a moment later.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]

_MOMENT = 0.005
"""Seconds of wall time until a signal is sent again."""

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
        elif _ignores_exceptions(frame):
            again = threading.Timer(_MOMENT, signal.pthread_kill, (threading.get_ident(), number))
            again.daemon = True
            again.start()
        else:
            self.handler(number, frame)


def _ignores_exceptions(frame: FrameType | None) -> bool:
    """Whether Python would ignore an exception out of this frame."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


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
