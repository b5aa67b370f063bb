"""DMAMUX1 and DMAMUX2: which request reaches which stream or channel (RM0399 chapter 18).

A request that comes while no enabled stream takes it is lost if it is an event (a timer's), and waits if it is a
state (a full data register); the manual leaves the first open.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.dma_requests import request_number, synchronization_name, trigger_name
from pytest_h7.twin.peripherals.dma_channel import CHANNELS, DmaController
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_GENERATORS = 8
_REQUEST_ID = 0x7F
_SOIE, _EGE, _SE = 1 << 8, 1 << 9, 1 << 16
_OIE, _GE = 1 << 8, 1 << 16
_RISING, _FALLING = 1, 2
_D3_EVENTS = (6, 7)
"""Channels of DMAMUX2 whose events clear requests of EXTI for D3 (RM0399 table 100)."""


def _count(control: int) -> int:
    """NBREQ and GNBREQ: requests less one."""
    return control >> 19 & 0x1F


def _selected(control: int, *, rising: bool) -> bool:
    """SPOL and GPOL: whether an edge counts."""
    return bool(control >> 17 & (_RISING if rising else _FALLING))


class Dmamux(Peripheral):
    """A multiplexer: each output asks its stream or channel for what one input wants.

    Args:
        mcu: The chip.
        name: ``"DMAMUX1"`` or ``"DMAMUX2"``.
        controllers: Those at its outputs, eight each.
    """

    def __init__(self, mcu: Mcu, name: str, controllers: Iterable[DmaController]) -> None:
        self._controllers = tuple(controllers)
        self._outputs = CHANNELS * len(self._controllers)
        self._held: set[int] = set()
        self._pulsed = [False] * self._outputs
        self._connected = [False] * self._outputs
        self._left = [0] * self._outputs
        self._generated = [0] * _GENERATORS
        self._overruns = 0
        self._generator_overruns = 0
        super().__init__(mcu, name)
        for index, controller in enumerate(self._controllers):
            controller.connect(self, CHANNELS * index)
        for output in range(self._outputs):
            self.model(f"C{output}CR", writer=partial(self._write_channel, output))
        for generator in range(_GENERATORS):
            self.model(f"RG{generator}CR", writer=partial(self._write_generator, generator))

    def reset(self) -> None:
        """Reset by a system reset or by RCC; requests that are held stay, they are the peripherals'."""
        for output in range(self._outputs):
            self._hear_synchronization(output, listening=False)
        for generator in range(_GENERATORS):
            self._hear_trigger(generator, listening=False)
        super().reset()
        self._pulsed = [False] * self._outputs
        self._connected = [False] * self._outputs
        self._left = [0] * self._outputs
        self._generated = [0] * _GENERATORS
        self._overruns = self._generator_overruns = 0
        self._update_interrupt()

    # -- requests of peripherals ------------------------------------------------------------------

    def pulse(self, request: str) -> None:
        """Take a request for one transfer; one that is not routed to an enabled stream is lost."""
        number = request_number(self.name, request)
        for output in self._routed(number):
            self._pulsed[output] = self._stream_enabled(output)
            self._ask(output)

    def hold(self, request: str, *, level: bool) -> None:
        """Take the level of a request line: transfers go on while it is high."""
        number = request_number(self.name, request)
        if number is not None:
            self._hold(number, level=level)

    def listens(self, request: str) -> bool:
        """Return whether a stream or channel with items left takes a request."""
        routed = self._routed(request_number(self.name, request))
        channels = (self._controllers[output // CHANNELS].channels[output % CHANNELS] for output in routed)
        return any(channel.enabled and channel.remaining for channel in channels)

    def _hold(self, number: int, *, level: bool) -> None:
        if not level:
            self._held.discard(number)
            return
        self._held.add(number)
        for output in self._routed(number):
            self._ask(output)

    def _routed(self, number: int | None) -> list[int]:
        """Outputs that have an input selected."""
        if not number:
            return []
        return [output for output in range(self._outputs) if self._request_id(output) == number]

    def _request_id(self, output: int) -> int:
        return self[f"C{output}CR"] & _REQUEST_ID

    def _stream_enabled(self, output: int) -> bool:
        return self._controllers[output // CHANNELS].channels[output % CHANNELS].enabled

    def _ask(self, output: int) -> None:
        if self.requested(output):
            self._controllers[output // CHANNELS].channels[output % CHANNELS].go_on()

    def requested(self, output: int) -> bool:
        """Return whether an output asks for a transfer."""
        if self[f"C{output}CR"] & _SE and not self._connected[output]:
            return False
        return self._pulsed[output] or self._request_id(output) in self._held

    def acknowledge(self, output: int) -> None:
        """Take note that an output's request is served: count it, and disconnect or make an event at the end."""
        control = self[f"C{output}CR"]
        self._pulsed[output] = False
        number = control & _REQUEST_ID
        if 1 <= number <= _GENERATORS:
            self._generated[number - 1] -= 1
            self._hold(number, level=self._generated[number - 1] > 0)
        if self._left[output]:
            self._left[output] -= 1
            return
        self._left[output] = _count(control)
        self._connected[output] = False
        if control & _EGE:
            self.mcu.triggers.pulse(f"{self.name}_CH{output}_EVT")
            if self.name == "DMAMUX2" and output in _D3_EVENTS:
                self.mcu.exti.clear_d3_pending(_D3_EVENTS.index(output))

    # -- triggers and synchronization -------------------------------------------------------------

    def _hear_synchronization(self, output: int, *, listening: bool) -> None:
        control = self[f"C{output}CR"]
        name = synchronization_name(self.name, control >> 24 & 0x1F)
        if control & _SE and name is not None:
            hearer = partial(self._synchronize, output) if listening else None
            self.mcu.triggers.hear(name, f"{self.name} channel {output}", hearer)

    def _hear_trigger(self, generator: int, *, listening: bool) -> None:
        control = self[f"RG{generator}CR"]
        name = trigger_name(self.name, control & 0x1F)
        if control & _GE and name is not None:
            hearer = partial(self._generate, generator) if listening else None
            self.mcu.triggers.hear(name, f"{self.name} generator {generator}", hearer)

    def _synchronize(self, output: int, rising: bool) -> None:
        if not _selected(self[f"C{output}CR"], rising=rising):
            return
        if self._connected[output]:
            self._overruns |= 1 << output
            self._update_interrupt()
        self._connected[output] = True
        self._ask(output)

    def _generate(self, generator: int, rising: bool) -> None:
        control = self[f"RG{generator}CR"]
        if not _selected(control, rising=rising):
            return
        if self._generated[generator]:
            self._generator_overruns |= 1 << generator
            self._update_interrupt()
            return
        self._generated[generator] = _count(control) + 1
        self._hold(generator + 1, level=True)

    # -- registers ------------------------------------------------------------------------------

    def _write_channel(self, output: int, value: int, master: Master) -> None:
        name = f"C{output}CR"
        self._hear_synchronization(output, listening=False)
        before, self[name] = self[name], value & self.implemented(name)
        if (before ^ self[name]) & ~(_SOIE | _EGE):
            self._left[output] = _count(value)
            self._connected[output] = self._pulsed[output] = False
        self._hear_synchronization(output, listening=True)
        self._update_interrupt()
        self._ask(output)

    def _write_generator(self, generator: int, value: int, master: Master) -> None:
        name = f"RG{generator}CR"
        self._hear_trigger(generator, listening=False)
        self[name] = value & self.implemented(name)
        self._hear_trigger(generator, listening=True)
        if not value & _GE:
            self._generated[generator] = 0
            self._hold(generator + 1, level=False)
        self._update_interrupt()

    def read_CSR(self, master: Master) -> int:
        return self._overruns

    def write_CFR(self, value: int, master: Master) -> None:
        self._overruns &= ~value
        self._update_interrupt()

    def read_RGSR(self, master: Master) -> int:
        return self._generator_overruns

    def write_RGCFR(self, value: int, master: Master) -> None:
        self._generator_overruns &= ~value
        self._update_interrupt()

    def _update_interrupt(self) -> None:
        level = any(
            self._overruns >> output & 1 and self[f"C{output}CR"] & _SOIE for output in range(self._outputs)
        ) or any(
            self._generator_overruns >> generator & 1 and self[f"RG{generator}CR"] & _OIE
            for generator in range(_GENERATORS)
        )
        self.mcu.drive_interrupt(f"{self.name}_OVR", self.name, level)
