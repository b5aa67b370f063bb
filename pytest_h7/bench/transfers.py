"""What goes over USB to the probe: counted by purpose, and brought back into step after an error.

After a time-out the answer may still come, and the next command would take it for its own. So the USB interface is
closed and opened again first, which throws away what lies there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_DEFAULT_PURPOSE = "test"


class Transfers:
    """The commands that a probe has got over USB.

    Attributes:
        by_purpose: How many, by what they were for.
        has_failed: Whether one has failed over USB, and nobody has connected anew since.
    """

    def __init__(self) -> None:
        self.by_purpose: Counter[str] = Counter()
        self.has_failed = False
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
            self.by_purpose[self._purpose or _DEFAULT_PURPOSE] += 1
            try:
                return send(*args, **kwargs)
            except (ProbeError, AssertionError) as error:
                self.has_failed = self._out_of_step = True
                if isinstance(error, ProbeError):
                    raise
                # The driver asserts that a command has been taken whole.
                raise ProbeError("USB Error: the probe has taken only a part of a command") from error

        device.transfer = transfer

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
