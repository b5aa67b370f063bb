"""What goes over USB to the probe: counted by purpose, and brought back into step after an error.

After a time-out the answer may still come, and the next command would take it for its own. So the USB interface is
closed and opened again first, which throws away what lies there.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

_DEFAULT_PURPOSE = "test"
_KEPT = 4096
_LONGEST_KEPT = 128
"""Bytes of an answer that are kept: those of an image tell nobody anything."""


class Transfer(NamedTuple):
    """A command to the probe: board time in seconds, what it was for, its bytes, and those of data and answer.

    `answer` is None where none came.
    """

    time: float
    purpose: str
    command: Sequence[int]
    data: Sequence[int]
    answer: Sequence[int] | None


class Transfers:
    """The commands that a probe has got over USB.

    Attributes:
        by_purpose: How many, by what they were for.
        has_failed: Whether one has failed over USB, and nobody has connected anew since.
        recent: The last ones.
        now: Board time in seconds.
    """

    def __init__(self) -> None:
        self.by_purpose: Counter[str] = Counter()
        self.has_failed = False
        self.recent: deque[Transfer] = deque(maxlen=_KEPT)
        self.now: Callable[[], float] = time.monotonic
        self._purpose: str | None = None
        self._out_of_step = False
        self._reopens = False

    @property
    def count(self) -> int:
        """How many commands there were."""
        return self.by_purpose.total()

    @contextmanager
    def purpose(self, name: str) -> Iterator[None]:
        """Count commands as being for something while the context lasts, unless they are for something already."""
        before = self._purpose
        self._purpose = before or name
        try:
            yield
        finally:
            self._purpose = before

    def watch(self, device: Any) -> None:
        """Count what goes to a USB interface of pyOCD's ST-LINK driver."""
        self.has_failed = self._out_of_step = self._reopens = False
        send: Callable[..., Any] = device.transfer

        def transfer(*args: Any, **kwargs: Any) -> Any:
            from pyocd.core.exceptions import ProbeError

            self._get_into_step(device)
            purpose = self._purpose or _DEFAULT_PURPOSE
            self.by_purpose[purpose] += 1
            answer: Any = None
            try:
                answer = send(*args, **kwargs)
                return answer
            except (ProbeError, AssertionError) as error:
                self.has_failed = self._out_of_step = True
                if isinstance(error, ProbeError):
                    raise
                # The driver asserts that a command has been taken whole.
                raise ProbeError("USB Error: the probe has taken only a part of a command") from error
            finally:
                self._keep(purpose, answer, *args, **kwargs)

        device.transfer = transfer

    def _keep(self, purpose: str, answer: Any, command: Any, data: Any = None, *_: Any, **named: Any) -> None:
        """Note a transfer, with the names of arguments that pyOCD's USB interface has."""
        data = data or named.get("writeData") or ()
        if answer is not None and len(answer) > _LONGEST_KEPT:
            answer = answer[:_LONGEST_KEPT]
        self.recent.append(Transfer(self.now(), purpose, command, data[:_LONGEST_KEPT], answer))

    def _get_into_step(self, device: Any) -> None:
        import usb.core
        from pyocd.core.exceptions import ProbeError

        if not device.is_open and not self._reopens:
            raise ProbeError("USB Error: the connection to the probe has been closed")
        if not self._out_of_step:
            return
        try:
            self._reopens = True
            if device.is_open:
                device.close()
            device.open()
        except usb.core.USBError as error:
            raise ProbeError(f"USB Error: {error}") from error
        self._out_of_step = self._reopens = False
