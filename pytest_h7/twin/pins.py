"""The pins of the chip: who drives each wire, what level it has, and what the chip's inputs see.

Sources: RM0399 section 12.3. A wire carries, in this order: the level of a driver, of a pull outside the
chip, of the chip's own pull resistor, else low. The manual leaves a floating input undefined; low keeps runs
repeatable. Wires may join pins.

A pin in alternate mode belongs to the signals of a peripheral. `Pins.set_signal` puts the level of an output
on every pin that is switched to it; `Pins.signal_level` and `Pins.listen` tell a peripheral what its input sees.
Outputs that move by themselves, as those of a timer do, need not be set at each edge while nobody notices: see
`SignalSource`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pytest_h7.chip.alternate_functions import signals

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

PORTS = "ABCDEFGHIJK"
PINS_PER_PORT = 16

Watcher = Callable[[bool], None]
Listener = Callable[["bool | None"], None]


class SignalSource(Protocol):
    """A peripheral whose output signals change with time alone.

    While `Pins.observed` says that nobody notices an edge, it may leave its signals as they are until it is
    told to catch up.
    """

    def catch_up(self) -> None:
        """Set the signals to what they are now."""
        ...

    def observation_changed(self) -> None:
        """Find out again which signals are observed."""
        ...


class Pull(enum.Enum):
    """A pull resistor; the value is the level it pulls to."""

    NONE = None
    DOWN = False
    UP = True


class PinContention(Exception):
    """Two drivers hold a wire at opposite levels, which on a board is a short circuit."""

    def __init__(self, pin: str, output: bool, opponent: str | None = None) -> None:
        levels = ("low", "high")
        other = f"driven {levels[not output]} from outside"
        if opponent is not None:
            other = f"wired to {opponent}, an output at {levels[not output]}"
        super().__init__(f"{pin} is an output at {levels[output]} and is {other}")
        self.pin = pin


@dataclass(eq=False)
class _Pin:
    unsaved = frozenset({"name", "port", "number", "watchers"})

    name: str
    port: str
    number: int
    output: bool | None = None
    function: int | None = None
    signals: tuple[str, ...] = ()
    open_drain: bool = False
    drive: bool | None = None
    pull: Pull = Pull.NONE
    external_pull: Pull = Pull.NONE
    wakes: bool = False
    wake_up_pull: Pull = Pull.NONE
    analog: bool = True
    level: bool = False
    watchers: list[Watcher] = field(default_factory=list)
    wires: tuple[_Pin, ...] = ()


class Pins:
    """All pins, ``"PA0"`` to ``"PK15"``; those the package does not bring out are there all the same."""

    unsaved = frozenset({"_sources"})
    flat = frozenset({"_inputs", "_outputs", "_heard"})

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._pins = {
            f"P{port}{number}": _Pin(f"P{port}{number}", port, number)
            for port in PORTS
            for number in range(PINS_PER_PORT)
        }
        self._inputs = dict.fromkeys(PORTS, 0)
        self._outputs: dict[str, bool] = {}
        self._switched: dict[str, list[_Pin]] = {}
        self._listeners: dict[str, Listener] = {}
        self._heard: dict[str, bool | None] = {}
        self._sources: dict[str, SignalSource] = {}
        self._active: tuple[SignalSource, ...] = ()

    def _pin(self, name: str) -> _Pin:
        try:
            return self._pins[name]
        except KeyError:
            raise ValueError(f"there is no pin {name}: pins are PA0 to PK15") from None

    # -- from outside the chip ------------------------------------------------------------------

    def level(self, name: str) -> bool:
        """Return the level of the wire; raise ValueError if there is no such pin."""
        self.refresh()
        return self._pin(name).level

    def driven(self, name: str) -> bool | None:
        """Return the level that the chip drives a pin to, None where it does not.

        Ask for it only of a pin that somebody watches: outputs that move by themselves may be behind at others.
        """
        return self._driven(self._pin(name))

    def drive(self, name: str, level: bool) -> None:
        """Hold a pin at a level from outside until `release`.

        Raises:
            PinContention: The chip drives the pin to the other level. The level from outside stays.
            ValueError: There is no such pin.
        """
        self._set_drive(self._pin(name), level)

    def release(self, name: str) -> None:
        """Stop driving a pin from outside."""
        self._set_drive(self._pin(name), None)

    def _set_drive(self, pin: _Pin, level: bool | None) -> None:
        self.refresh()
        pin.drive = level
        self.observation_changed()
        self._settle(pin)

    def set_external_pull(self, name: str, pull: Pull) -> None:
        """Fit a pull resistor on the board; it wins over the chip's own, which is weak."""
        pin = self._pin(name)
        pin.external_pull = pull
        self._settle(pin)

    def external_pull(self, name: str) -> Pull:
        """Return the pull resistor on the board."""
        return self._pin(name).external_pull

    def set_wake_up(self, name: str, enabled: bool, pull: Pull) -> None:
        """Make a pin a wake-up pin of PWR, which then learns of its edges and pulls it, in Standby too."""
        pin = self._pin(name)
        pin.wakes = enabled
        pin.wake_up_pull = pull
        self.observation_changed()
        self._settle(pin)

    def watch(self, name: str, watcher: Watcher) -> None:
        """Call `watcher` with the new level whenever the level of the wire changes."""
        self.refresh()
        self._pin(name).watchers.append(watcher)
        self.observation_changed()

    def connect(self, name: str, other: str) -> None:
        """Join two pins by a wire; of two outputs that disagree, low wins.

        Raises:
            PinContention: The two are driven to different levels. The wire stays.
            ValueError: There is no such pin, or both are the same.
        """
        one, two = self._pin(name), self._pin(other)
        if one is two:
            raise ValueError(f"a wire joins {name} to another pin, not to itself")
        self.refresh()
        if two not in one.wires:
            one.wires += (two,)
            two.wires += (one,)
        self.observation_changed()
        self._settle(one)

    def disconnect(self, name: str, other: str) -> None:
        """Take away the wire between two pins, if there is one."""
        one, two = self._pin(name), self._pin(other)
        self.refresh()
        if two in one.wires:
            one.wires = tuple(pin for pin in one.wires if pin is not two)
            two.wires = tuple(pin for pin in two.wires if pin is not one)
        self.observation_changed()
        self._settle(one)
        self._settle(two)

    def joined(self, name: str) -> tuple[str, ...]:
        """Return the pins on the wire of a pin, the pin itself first."""
        return tuple(pin.name for pin in _joined(self._pin(name)))

    def outside(self) -> tuple[tuple[str, bool | None, Pull, tuple[str, ...]], ...]:
        """Return what is connected from outside: pin, level it is driven to, pull resistor, joined pins."""
        return tuple(
            (pin.name, pin.drive, pin.external_pull, self.joined(pin.name))
            for pin in self._pins.values()
            if pin.drive is not None or pin.external_pull is not Pull.NONE or self.joined(pin.name)
        )

    # -- from the port's registers --------------------------------------------------------------

    def inputs(self, port: str) -> int:
        """Return what the input stages of a port see, bit n for pin n; 0 for a pin in analog mode."""
        self.refresh()
        return self._inputs[port]

    def configure(
        self,
        name: str,
        *,
        output: bool | None,
        pull: Pull,
        analog: bool,
        function: int | None = None,
        open_drain: bool = False,
    ) -> None:
        """Take over what the port's registers say.

        Args:
            name: The pin.
            output: The level the output stage drives as a general-purpose output, None while it is off.
            pull: The chip's own pull resistor.
            analog: Whether the input stage is off and reports a constant low (RM0399 12.3.13).
            function: The alternate function the pin is switched to, None in another mode.
            open_drain: Whether a high output is left to the pull resistors.

        Raises:
            PinContention: The pin is held at the other level from outside, which stays.
        """
        pin = self._pin(name)
        pin.output = output
        pin.pull = Pull.NONE if analog else pull
        pin.analog = analog
        pin.open_drain = open_drain
        concerned = pin.signals
        if function != pin.function:
            self._switch(pin, function)
            concerned += pin.signals
        self._settle(pin)
        for signal in concerned:
            self._tell(signal)

    def set_output(self, name: str, output: bool | None) -> None:
        """Take over a new level of the output stage alone: see `configure`."""
        pin = self._pins[name]
        pin.output = output
        if output is None or pin.drive is not None or pin.wires or pin.watchers or pin.wakes:
            self._settle(pin)
        elif output is not pin.level:
            # Nobody else is on the wire; only the input stage sees it.
            pin.level = output
            self._settle_input(pin)

    def _switch(self, pin: _Pin, function: int | None) -> None:
        self.refresh()
        for signal in pin.signals:
            self._switched[signal].remove(pin)
        pin.function = function
        pin.signals = () if function is None else signals(pin.name).get(function, ())
        for signal in pin.signals:
            self._switched.setdefault(signal, []).append(pin)
        before, self._active = self._active, self._active_sources()
        for source in [*self._active, *(source for source in before if source not in self._active)]:
            source.observation_changed()

    # -- signals of peripherals -----------------------------------------------------------------

    def set_signal(self, signal: str, level: bool | None) -> None:
        """Drive an output signal; None leaves the pins to their pull resistors.

        It shows on every pin that is switched to the signal, now or later, until it is set again.

        Raises:
            PinContention: Such a pin is held at the other level, from outside or by another pin. The signal
                has changed all the same.
        """
        if self._outputs.get(signal) is level:
            return
        if level is None:
            del self._outputs[signal]
        else:
            self._outputs[signal] = level
        for pin in self._switched.get(signal, ()):
            self._settle(pin)

    def joined_signals(self, signal: str) -> frozenset[str]:
        """Return the other signals that share a wire with the pins of a signal."""
        return frozenset(
            other
            for switched in self._switched.get(signal, ())
            for pin in _joined(switched)
            for other in pin.signals
            if other != signal
        )

    def signals_of(self, name: str) -> tuple[str, ...]:
        """Return the signals of peripherals that a pin is switched to."""
        return self._pin(name).signals

    def switched_to(self, signal: str) -> tuple[str, ...]:
        """Return the pins that are switched to a signal."""
        return tuple(pin.name for pin in self._switched.get(signal, ()))

    def signal_level(self, signal: str) -> bool | None:
        """Return what an input signal sees on the pin that is switched to it, None if there is no such pin.

        Of several pins one that is high decides: not known of the hardware.
        """
        self.refresh()
        return self._heard_level(signal)

    def _heard_level(self, signal: str) -> bool | None:
        pins = self._switched.get(signal)
        return any(pin.level for pin in pins) if pins else None

    def listen(self, signal: str, listener: Listener | None) -> None:
        """Call `listener` with the new `signal_level` whenever it changes; None ends that."""
        self.refresh()
        if listener is None:
            self._listeners.pop(signal, None)
            self._heard.pop(signal, None)
        else:
            self._listeners[signal] = listener
            self._heard[signal] = self._heard_level(signal)
        self.observation_changed()

    def switched(self, signal: str) -> bool:
        """Return whether any pin is switched to a signal."""
        return bool(self._switched.get(signal))

    def add_source(self, source: SignalSource, names: Iterable[str]) -> None:
        """Let a peripheral drive signals only when it is told to catch up, or while they are observed."""
        for signal in names:
            self._sources[signal] = source
        self._active = self._active_sources()

    def observed(self, signal: str) -> bool:
        """Return whether anybody notices an edge of an output signal when it happens."""
        return any(self.edges_noticed(name) for name in self.switched_to(signal))

    def edges_noticed(self, name: str) -> bool:
        """Return whether anybody notices an edge on the wire of a pin when it happens."""
        return any(self._notices(pin) for pin in _joined(self._pin(name)))

    def _notices(self, pin: _Pin) -> bool:
        return bool(
            pin.watchers
            or pin.wakes
            or pin.drive is not None
            or any(signal in self._listeners for signal in pin.signals)
            or self._mcu.syscfg.detects_edges(pin.port, pin.number)
        )

    def _active_sources(self) -> tuple[SignalSource, ...]:
        """Find the sources with a signal that a pin is switched to."""
        found = {
            id(self._sources[name]): self._sources[name] for name in self._sources if self._switched.get(name)
        }
        return tuple(found.values())

    def refresh(self) -> None:
        """Let the outputs that move by themselves be what they are now."""
        for source in self._active:
            source.catch_up()

    def observation_changed(self) -> None:
        """Tell the outputs that move by themselves that other pins are observed than before."""
        for source in self._active:
            source.observation_changed()

    # -- levels ---------------------------------------------------------------------------------

    def _driven(self, pin: _Pin) -> bool | None:
        """Return the level the chip drives a pin to."""
        if pin.function is None:
            return pin.output
        for signal in pin.signals:
            level = self._outputs.get(signal)
            if level is not None:
                return None if level and pin.open_drain else level
        return None

    def _settle(self, pin: _Pin) -> None:
        """Find the level of a wire again and tell everybody who notices; then complain of a short circuit."""
        net = _joined(pin)
        outputs = [(other, level) for other in net if (level := self._driven(other)) is not None]
        level = _resolve(net, [level for _, level in outputs])
        changed = [other for other in net if other.level != level]
        for other in net:
            other.level = level
            self._settle_input(other)
        for other in changed:
            for signal in other.signals:
                self._tell(signal)
            for watcher in other.watchers:
                watcher(level)
            if other.wakes:
                self._mcu.pwr.wake_up_pin_changed(other.name, level)
        for other, driven in outputs:
            if driven != level:
                raise _contention(other, driven, outputs)

    def _settle_input(self, pin: _Pin) -> None:
        seen = pin.level and not pin.analog
        mask = 1 << pin.number
        if bool(self._inputs[pin.port] & mask) != seen:
            self._inputs[pin.port] ^= mask
            self._mcu.syscfg.input_changed(pin.port, pin.number, seen)

    def _tell(self, signal: str) -> None:
        listener = self._listeners.get(signal)
        if listener is None:
            return
        level = self._heard_level(signal)
        if level is not self._heard[signal]:
            self._heard[signal] = level
            listener(level)


def _joined(pin: _Pin) -> list[_Pin]:
    """Return all pins of a wire, the given one first."""
    net = [pin]
    for member in net:  # grows while it is walked
        net += [other for other in member.wires if other not in net]
    return net


def _resolve(net: list[_Pin], outputs: list[bool]) -> bool:
    """Return the level of a wire; of equals that disagree, low wins."""
    levels = (
        [pin.drive for pin in net if pin.drive is not None]
        or outputs
        or [bool(pin.external_pull.value) for pin in net if pin.external_pull is not Pull.NONE]
        or [bool(pull.value) for pin in net for pull in (pin.pull, pin.wake_up_pull) if pull is not Pull.NONE]
    )
    return all(levels) if levels else False


def _contention(pin: _Pin, driven: bool, outputs: list[tuple[_Pin, bool]]) -> PinContention:
    opponent = next((other.name for other, level in outputs if level != driven), None)
    return PinContention(pin.name, driven, opponent)
