"""What comes into a timer: edges of pins and triggers, for capture, the slave modes, encoders and break.

Sources: RM0399 40.3.4, 40.3.6, 40.3.7, 40.3.16, 40.3.22, 40.3.26, 40.4.3, 40.4.7. Filters are not modelled and
let everything through, and the delays of synchronization are zero but where an output moves its own input. Of the
inputs that TIMx_TISEL and TIMx_AF1 can select only the pins are connected. A break input that no pin is switched
to is inactive.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.timer_channel import TRC
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.peripherals.timer_core import TimerCore

SYNCHRONIZATION = 2
"""Periods of the clock by which an input is late that the timer's own output moves, by whatever way."""

_ENCODERS = {1: (1,), 2: (2,), 3: (1, 2)}
"""SMS -> inputs whose edges an encoder mode counts."""
_RESET, _GATED, _TRIGGER, _EXTERNAL_CLOCK, _RESET_AND_TRIGGER = range(4, 9)
_TI1_EDGES, _TI1, _TI2, _ETR = range(4, 8)
_INPUTS = 4
_BREAKS = (
    # Pin, bits of BDTR that enable it and set its polarity, register and bits that connect and invert the pin.
    ("BKIN", 1 << 12, 1 << 13, "AF1"),
    ("BKIN2", 1 << 24, 1 << 25, "AF2"),
)
_BKINE, _BKINP = 1 << 0, 1 << 9


class TimerInputs:
    """The input stage and the slave mode controller of a timer.

    Args:
        timer: The timer.
    """

    unsaved = frozenset({"_slave", "_breaks"})

    def __init__(self, timer: TimerCore) -> None:
        self._timer = timer
        self._slave = "SMCR" in timer.map.registers
        self._breaks = [
            entry for entry in _BREAKS if entry[3] in timer.map.registers and timer.features.breaks
        ]
        self.mode = 0
        """SMS: the slave mode, 0 for none."""
        self._levels: dict[str, bool | None] = {}
        self._trigger: str | None = None
        self._external_edges = 0

    def reset(self) -> None:
        """Forget what was counted; listen to nothing."""
        self._external_edges = 0
        self.configure()

    # -- registers ------------------------------------------------------------------------------

    def _slave_mode(self) -> int:
        """SMS, 0 for none."""
        if not self._slave:
            return 0
        return self._timer.field("SMCR", "SMS") | self._timer.field("SMCR", "SMS_3") << 3

    @property
    def _selection(self) -> int:
        """TS: what the trigger is."""
        if not self._slave:
            return 0
        return self._timer.field("SMCR", "TS") | self._timer.field("SMCR", "TS_4_3") << 3

    @property
    def _external_clock(self) -> bool:
        """Whether the edges of ETR clock the counter, whatever the mode."""
        return self._slave and bool(self._timer["SMCR"] & 1 << 14)

    @property
    def counts_by_itself(self) -> bool:
        """Whether the counter counts the timer's own clock, and does so now."""
        if not self.mode:
            return not self._external_clock
        if self._external_clock or self.mode in _ENCODERS or self.mode == _EXTERNAL_CLOCK:
            return False
        return self.gate_open

    @property
    def gate_open(self) -> bool:
        """Whether the trigger lets the counter count: always but in gated mode."""
        return self.mode != _GATED or self.trigger_level

    @property
    def is_encoder(self) -> bool:
        """Whether the counter follows an encoder."""
        return self._timer.features.centre and self.mode in _ENCODERS

    # -- what it listens to -----------------------------------------------------------------------

    def configure(self) -> None:
        """Take over what the registers say: listen to the pins and the trigger that they ask for."""
        timer = self._timer
        self.mode = self._slave_mode()
        wanted = {f"{timer.name}_{pin}" for pin in self._wanted_pins()}
        for signal in sorted(self._levels.keys() - wanted):
            timer.mcu.pins.listen(signal, None)
            del self._levels[signal]
        for signal in sorted(wanted - self._levels.keys()):
            timer.mcu.pins.listen(signal, partial(self._pin_changed, signal))
            self._levels[signal] = timer.mcu.pins.signal_level(signal)
        trigger = self._wanted_trigger()
        if trigger != self._trigger:
            if self._trigger is not None:
                timer.mcu.triggers.hear(self._trigger, timer.name, None)
            self._trigger = trigger
            if trigger is not None:
                timer.mcu.triggers.hear(trigger, timer.name, self._internal_trigger)
        self.check_breaks()

    def _wanted_pins(self) -> set[str]:
        timer = self._timer
        inputs = {
            channel.input
            for channel in timer.channels
            if channel.input is not None and channel.enable & 1 and channel.number <= _INPUTS
        }
        if self.mode in _ENCODERS:
            inputs |= {1, 2}
        if self.mode or any(channel.selection == TRC for channel in timer.channels):
            inputs |= {_TI1_EDGES: {1}, _TI1: {1}, _TI2: {2}}.get(self._selection, set())
        if 1 in inputs and self._xor:
            inputs |= {2, 3}
        pins = {
            f"CH{number}" for number in inputs if number is not None and number <= timer.features.channels
        }
        if timer.features.centre and (self._external_clock or (self.mode and self._selection == _ETR)):
            pins.add("ETR")
        pins |= {pin for pin, enable, _, register in self._breaks if self._break_on(enable, register)}
        return pins

    def _wanted_trigger(self) -> str | None:
        timer = self._timer
        if not self._slave or not (self.mode or any(channel.selection == TRC for channel in timer.channels)):
            return None
        triggers = timer.features.triggers
        return triggers[self._selection] if self._selection < len(triggers) else None

    @property
    def _xor(self) -> bool:
        """TI1S: whether input 1 is the exclusive or of three pins."""
        return "CR2" in self._timer.map.registers and bool(self._timer["CR2"] & 1 << 7)

    # -- levels -----------------------------------------------------------------------------------

    def _pin(self, pin: str) -> bool:
        return bool(self._levels.get(f"{self._timer.name}_{pin}"))

    def _input(self, number: int) -> bool:
        if number == 1 and self._xor:
            return self._pin("CH1") ^ self._pin("CH2") ^ self._pin("CH3")
        return self._pin(f"CH{number}")

    def _filtered(self, number: int) -> bool:
        """TIxFPx: an input as the slave mode controller sees it."""
        return self._input(number) is not self._timer.channels[number - 1].inverted

    @property
    def _external(self) -> bool:
        """ETRP: the external trigger with its polarity."""
        return self._pin("ETR") is not bool(self._timer["SMCR"] & 1 << 15)

    @property
    def trigger_level(self) -> bool:
        """TRGI, the trigger of the slave modes."""
        selection = self._selection
        if self._trigger is not None:
            return self._timer.mcu.triggers.level(self._trigger)
        if selection in (_TI1, _TI2):
            return self._filtered(selection - _TI1 + 1)
        return selection == _ETR and self._external

    # -- edges ------------------------------------------------------------------------------------

    def _pin_changed(self, signal: str, level: bool | None) -> None:
        timer = self._timer
        if timer.outputs.busy:
            self._take_later(partial(self._pin_changed, signal, level))
            return
        if signal not in self._levels:
            return
        timer.advance()
        inputs = [self._input(number) for number in range(1, _INPUTS + 1)]
        external = self._slave and self._external
        self._levels[signal] = level
        for number, before in enumerate(inputs, start=1):
            if self._input(number) is not before:
                self._input_edge(number, rising=not before)
        if self._slave and self._external is not external:
            self._external_edge(rising=not external)
        self.check_breaks()
        timer.settle()

    def _take_later(self, edge: Callable[[], None]) -> None:
        """Let an edge wait that the timer itself has made: a ring of signals without any delay has no end."""
        hz = self._timer.clock_hz
        if hz:
            self._timer.mcu.schedule(SYNCHRONIZATION * PS_PER_S // hz, edge)

    def _input_edge(self, number: int, *, rising: bool) -> None:
        timer = self._timer
        for channel in timer.channels[:_INPUTS]:
            if channel.input == number and channel.enable & 1 and channel.edge_selected(rising):
                channel.captures += 1
                if channel.captures >= channel.capture_prescaler:
                    channel.captures = 0
                    timer.capture(channel)
        if number in _ENCODERS.get(self.mode, ()) and timer.features.centre:
            self._encoder_edge(number, rising=rising)
        selection = self._selection if self._slave else 0
        if number == 1 and selection == _TI1_EDGES:
            self._trigger_edge(active=True)
            self._trigger_edge(active=False)
        elif (number, selection) in ((1, _TI1), (2, _TI2)):
            self._trigger_edge(active=timer.channels[number - 1].edge_selected(rising))

    def _encoder_edge(self, number: int, *, rising: bool) -> None:
        """Count up or down by the level of the other input (RM0399 table 347)."""
        rising = rising is not self._timer.channels[number - 1].inverted
        other = self._filtered(3 - number)
        self._timer.count_encoder(down=rising is (other if number == 1 else not other))

    def _external_edge(self, *, rising: bool) -> None:
        if rising and self._external_clock:
            self._external_edges += 1
            if self._external_edges >= 1 << (self._timer["SMCR"] >> 12 & 3):
                self._external_edges = 0
                self._timer.count_edge()
        if self.mode and self._selection == _ETR:
            self._trigger_edge(active=rising)

    def _internal_trigger(self, level: bool) -> None:
        if self._timer.outputs.busy:
            self._take_later(partial(self._internal_trigger, level))
            return
        self._timer.advance()
        self._trigger_edge(active=level)
        self._timer.settle()

    def _trigger_edge(self, *, active: bool) -> None:
        """TRGI has had an edge, the active one or the other (RM0399 40.3.26)."""
        timer = self._timer
        mode = self.mode
        if mode == _GATED:
            timer.triggered()
            return
        if not active:
            return
        for channel in timer.channels[:_INPUTS]:
            if channel.selection == TRC and channel.enable & 1:
                timer.capture(channel)
        if mode:
            timer.triggered()
        if mode in (_RESET, _RESET_AND_TRIGGER):
            timer.restart(software=False)
        if mode in (_TRIGGER, _RESET_AND_TRIGGER):
            timer.start()
        if mode == _EXTERNAL_CLOCK and not self._external_clock:
            timer.count_edge()

    # -- break ------------------------------------------------------------------------------------

    def _break_on(self, enable: int, register: str) -> bool:
        return bool(self._timer["BDTR"] & enable and self._timer[register] & _BKINE)

    def break_inputs(self) -> list[bool]:
        """Return which of the break inputs are active."""
        active = []
        for pin, enable, polarity, register in self._breaks:
            level = self._levels.get(f"{self._timer.name}_{pin}")
            inverted = bool(self._timer[register] & _BKINP) is bool(self._timer["BDTR"] & polarity)
            active.append(level is not None and self._break_on(enable, register) and level is not inverted)
        return active

    def check_breaks(self) -> None:
        """Take the outputs away while a break input is active."""
        for index, active in enumerate(self.break_inputs()):
            if active:
                self._timer.broken(index)
