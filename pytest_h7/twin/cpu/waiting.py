"""WFI, WFE and events: how a core falls asleep and what wakes it (Arm DDI0403E B1.5.18, B1.5.19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.cpu.host import Sleep
from pytest_h7.twin.cpu.scb import SEVONPEND, SLEEPDEEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.nvic import Nvic
    from pytest_h7.twin.cpu.processor import Processor
    from pytest_h7.twin.cpu.scb import Scb


class Waiting:
    """Whether a core waits, and for what; `on_sleep` and `on_wake` are called when that changes."""

    def __init__(
        self,
        processor: Processor,
        nvic: Nvic,
        scb: Scb,
        on_sleep: Callable[[], None],
        on_wake: Callable[[], None],
    ) -> None:
        self._processor = processor
        self._nvic = nvic
        self._scb = scb
        self._on_sleep = on_sleep
        self._on_wake = on_wake
        self._for_event = False
        self.sleep = Sleep.RUN

    def wait_for_interrupt(self) -> None:
        """Carry out WFI."""
        if not self._interrupted(with_primask=False):
            self._fall_asleep(for_event=False)

    def wait_for_event(self) -> None:
        """Carry out WFE."""
        if self._processor.event:
            self._processor.event = False
        else:
            self._fall_asleep(for_event=True)

    def _fall_asleep(self, *, for_event: bool) -> None:
        self._for_event = for_event
        self.sleep = Sleep.DEEP if self._scb.scr & SLEEPDEEP else Sleep.SLEEP
        self._on_sleep()

    def wake_pending(self) -> bool:
        """Return whether the core is asleep and something would wake it."""
        if self.sleep is Sleep.RUN:
            return False
        if self._for_event and self._processor.event:
            return True
        return self._interrupted(with_primask=self._for_event)

    def wake_if_pending(self) -> None:
        """Wake up if `wake_pending`."""
        if self.wake_pending():
            if self._for_event:
                self._processor.event = False
            self.wake()

    def wake(self) -> None:
        """Wake up, whatever the reason."""
        if self.sleep is not Sleep.RUN:
            self.sleep = Sleep.RUN
            self._on_wake()

    def notice(self) -> None:
        """Look for a reason to wake up, unless the clock that would be needed for it is stopped."""
        if self.sleep is Sleep.SLEEP:
            self.wake_if_pending()

    def set_event(self) -> None:
        """Set the event register."""
        self._processor.event = True
        self.notice()

    def pended(self) -> None:
        """Follow an exception that became pending, which SCR.SEVONPEND makes an event."""
        if self._scb.scr & SEVONPEND:
            self.set_event()

    def _interrupted(self, *, with_primask: bool) -> bool:
        nvic = self._nvic
        return nvic.attention and nvic.candidate_priority < self._processor.execution_priority(
            with_primask=with_primask
        )
