"""The bench services of a virtual board: its clock, its power switch, and voltages on its pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.safety import check_pin_drive, check_wire, short_circuit
from pytest_h7.bench.stimulus import Loopback, parse_pin
from pytest_h7.twin.pin_clock import PinClock
from pytest_h7.twin.pins import PinContention, Pull
from pytest_h7.twin.resets import NOMINAL_SUPPLY
from pytest_h7.twin.serial_peer import SerialPeer

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.twin.board import VirtualBoard

_STEP = 0.005
"""Board time in seconds after which a sleep can be interrupted: less than a second of simulation, always."""


class TwinClock:
    """Board time of the simulation; sleeping runs the board."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def time(self) -> float:
        """Return seconds since the board's first power-on."""
        return self._board.time()

    def sleep(self, seconds: float) -> None:
        """Let the board run for a time; raise FirmwareError if it drives a pin against the test."""
        steps = int(seconds / _STEP)
        for _ in range(steps):
            self._step(_STEP)
        self._step(max(seconds - steps * _STEP, 0.0))

    def _step(self, seconds: float) -> None:
        with uninterrupted():
            try:
                self._board.sleep(seconds)
            except PinContention as error:
                raise short_circuit(error.pin) from error


class TwinPower:
    """The supply of the virtual board."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch the supply off for a time in seconds, and on again."""
        with uninterrupted():
            self._board.power_cycle(seconds)


class TwinSurroundings:
    """What can be joined to the pins of the virtual board: wires, resistors, clocks, serial lines, a supply."""

    def __init__(self, board: VirtualBoard) -> None:
        self._mcu = board.mcu
        self._wires: set[tuple[str, str]] = set()
        self._peers: list[SerialPeer] = []
        self._clocks: dict[str, PinClock] = {}
        self._pulls: dict[str, Pull] = {}
        """Pins with another resistor than the board has, and that one."""
        self._supply_changed = False

    def connect(self, pin: str, other: str) -> None:
        """Join two pins by a wire; raise SafetyError if both are outputs."""
        check_wire(pin, other, [self._mode(pin), self._mode(other)])
        with uninterrupted():
            self._mcu.pins.connect(pin, other)
            self._wires.add((pin, other))

    def _mode(self, pin: str) -> int:
        port, number = parse_pin(pin)
        return self._mcu.gpio[port]["MODER"] >> 2 * number & 3

    def pull(self, pin: str, high: bool | None) -> None:
        """Fit a pull resistor; None restores what the board has."""
        parse_pin(pin)
        with uninterrupted():
            own = self._pulls.setdefault(pin, self._mcu.pins.external_pull(pin))
            self._mcu.pins.set_external_pull(pin, own if high is None else Pull(high))

    def clock(self, pin: str, hz: float | None) -> None:
        """Put a square wave on a pin; None ends it."""
        mode = self._mode(pin)
        with uninterrupted():
            if pin in self._clocks:
                self._clocks.pop(pin).stop()
            if hz is not None:
                check_pin_drive(pin, mode)
                self._clocks[pin] = PinClock(self._mcu, pin, hz)

    def disconnect(self, pin: str, other: str) -> None:
        """Take a wire away."""
        with uninterrupted():
            self._wires -= {(pin, other), (other, pin)}
            self._mcu.pins.disconnect(pin, other)

    @property
    def at_rest(self) -> bool:
        """Whether nothing that was joined has a state of its own: no clock, no serial line."""
        return not self._clocks and not self._peers

    def serial_peer(self, tx: str, rx: str, baud_rate: int) -> SerialPeer:
        """Return the far end of a serial line at two pins, named as the chip sees them."""
        for pin in (tx, rx):
            parse_pin(pin)
        with uninterrupted():
            peer = SerialPeer(self._mcu, tx, rx, baud_rate)
            self._peers.append(peer)
        return peer

    def set_supply(self, volts: float) -> None:
        """Apply another voltage to VDD."""
        with uninterrupted():
            self._supply_changed = True
            self._mcu.set_supply(round(1000 * volts))

    def set_boot0(self, high: bool) -> None:
        """Hold BOOT0 at a level."""
        self._mcu.boot0 = high

    def clear(self) -> None:
        """Take away everything that was joined, and restore BOOT0 and the supply."""
        self._mcu.boot0 = False
        for pin, other in sorted(self._wires):
            self.disconnect(pin, other)
        while self._peers:
            self._peers.pop().detach()
        for pin in list(self._clocks):
            self.clock(pin, None)
        for pin in list(self._pulls):
            self.pull(pin, None)
            del self._pulls[pin]
        if self._supply_changed:
            self.set_supply(NOMINAL_SUPPLY / 1000)
            self._supply_changed = False


class TwinStimulus:
    """Voltages on the virtual board's pins."""

    name = "twin"

    def __init__(self, board: VirtualBoard) -> None:
        self._pins = board.mcu.pins
        self._gpio = board.mcu.gpio
        self._driven: set[str] = set()

    def drive(self, pin: str, high: bool) -> None:
        """Hold a pin at a level."""
        port, number = parse_pin(pin)
        check_pin_drive(pin, self._gpio[port]["MODER"] >> 2 * number & 3)
        with uninterrupted():
            self._driven.add(pin)
            self._pins.drive(pin, high)

    def release(self, pin: str) -> None:
        """Let a pin go."""
        parse_pin(pin)
        with uninterrupted():
            self._driven.discard(pin)
            self._pins.release(pin)

    def release_all(self) -> None:
        """Let go of every pin that is driven."""
        for pin in sorted(self._driven):
            self.release(pin)


class TwinLoopback(Loopback):
    """A loop back with its wire: it joins the driving pin to the tested one.

    On a board a wire is there all the time. This one follows the driving pin while a test drives.
    """

    def __init__(self, board: VirtualBoard, connection: Connection, driver: str) -> None:
        super().__init__(connection, driver)
        self._pins = board.mcu.pins
        self._far_end: str | None = None
        self._pins.watch(driver, self._follow)

    def drive(self, pin: str, high: bool) -> None:
        """Put the level on the wire."""
        with uninterrupted():
            if self._far_end not in (None, pin):
                self.release_all()
            self._far_end = pin
            super().drive(pin, high)
            self._follow(self._pins.level(self._driver))

    def release_all(self) -> None:
        """Let the driving pin go, and the wire with it."""
        with uninterrupted():
            super().release_all()
            if self._far_end is not None:
                self._pins.release(self._far_end)
                self._far_end = None

    def _follow(self, level: bool) -> None:
        if self._far_end is not None:
            self._pins.drive(self._far_end, level)
