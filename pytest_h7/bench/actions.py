"""What a test does to the board, in words and in board time: for the timeline, and as steps in Allure's report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

_KEPT = 2000


class Action(NamedTuple):
    """Something a test did: begin and end in seconds of board time, what it was, and what became of it."""

    start: float
    end: float
    text: str
    error: str | None


class Actions:
    """The last actions, without those that are part of another one.

    Attributes:
        done: The last ones, oldest first.
        now: Board time in seconds.
        as_step: Gives the context in which an action takes place; for a report that shows it.
    """

    def __init__(self) -> None:
        self.done: deque[Action] = deque(maxlen=_KEPT)
        self.now: Callable[[], float] = lambda: 0.0
        self.as_step: Callable[[str], AbstractContextManager[object]] = nullcontext
        self._is_busy = False

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Note what the context does."""
        if self._is_busy:
            yield
            return
        self._is_busy = True
        start, error = self.now(), None
        try:
            with self.as_step(text):
                yield
        except BaseException as raised:
            error = str(raised).partition("\n")[0] or type(raised).__name__
            raise
        finally:
            self._is_busy = False
            self.done.append(Action(start, self.now(), text, error))

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Note nothing: for what the plugin does itself between the actions of a test."""
        before, self._is_busy = self._is_busy, True
        try:
            yield
        finally:
            self._is_busy = before
