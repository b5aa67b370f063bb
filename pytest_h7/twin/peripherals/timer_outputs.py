"""What leaves a timer: its outputs on pins, and its signals to other peripherals.

Source: RM0399 40.3.14 to 40.3.17, 40.4.11 with table 354 (outputs, MOE, dead time), 40.4.2 (TRGO). An output
that a break or a write of MOE takes away goes to its idle state at once, not after the dead time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.timer_channel import Channel
    from pytest_h7.twin.peripherals.timer_core import TimerCore
    from pytest_h7.twin.timeline import Event

_E, _P, _NE, _NP = 1, 2, 4, 8
_OSSI, _OSSR, _MOE = 1 << 10, 1 << 11, 1 << 15
_NONE = -1
_RESET, _ENABLE, _UPDATE, _COMPARE_PULSE, _FIRST_REFERENCE = range(5)


def dead_time(generator: int) -> int:
    """Return the dead time of a value of DTG, in periods of the dead-time clock (RM0399 40.4.20)."""
    if generator < 0x80:
        return generator
    if generator < 0xC0:
        return (64 + (generator & 0x3F)) * 2
    return (32 + (generator & 0x1F)) * (8 if generator < 0xE0 else 16)


class TimerOutputs:
    """Drives the pins and the triggers of a timer, as far as anybody notices.

    Args:
        timer: The timer.
    """

    unsaved = frozenset({"_pins", "_channel_of", "_masters"})

    def __init__(self, timer: TimerCore) -> None:
        self._timer = timer
        features = timer.features
        mcu = timer.mcu
        self._pins = {
            channel.number: f"{timer.name}_CH{channel.number}"
            for channel in timer.channels[: features.channels]
        }
        self._channel_of = {f"{timer.name}_OC{channel.number}": channel.number for channel in timer.channels}
        self._masters = {f"{timer.name}_TRGO": ("MMS", 7)}
        if features.internal:
            self._masters[f"{timer.name}_TRGO2"] = ("MMS2", 9)
        self._driven: dict[str, bool | None] = {}
        self.watched: tuple[Channel, ...] = ()
        """The channels of which somebody notices an edge of the output reference when it happens."""
        self.busy = False
        """Whether a signal is just being given a level."""
        self._driving: tuple[tuple[Channel, str], ...] = ()
        self._heard: tuple[str, ...] = ()
        self._references: dict[int, bool] = {}
        self._quiet_until: dict[int, int] = {}
        self._dead_time_event: Event | None = None
        signals = [*self._pins.values(), *(f"{name}N" for name in self._pins.values())]
        mcu.pins.add_source(timer, signals)
        for name in (*self._channel_of, *self._masters):
            mcu.triggers.make(name, timer.observation_changed)

    def reset(self) -> None:
        """Release all pins."""
        self._references.clear()
        self._quiet_until.clear()
        if self._dead_time_event is not None:
            self._dead_time_event.cancel()
        self.drive()

    # -- who notices ----------------------------------------------------------------------------

    def observe(self) -> None:
        """Find out again what is noticed; to be called when pins, hearers or registers have changed."""
        pins, triggers = self._timer.mcu.pins, self._timer.mcu.triggers
        names = (*self._channel_of, *self._masters)
        self._heard = tuple(name for name in names if triggers.heard(name))
        numbers = {number for name, number in self._channel_of.items() if name in self._heard}
        for name in self._heard:
            mode = self._master_mode(name)
            if mode >= _FIRST_REFERENCE:
                numbers.add(mode - _FIRST_REFERENCE + 1)
            elif mode == _COMPARE_PULSE:
                numbers.add(1)
        self._driving = tuple(
            (self._timer.channels[number - 1], name)
            for number, name in self._pins.items()
            if pins.switched(name) or pins.switched(f"{name}N")
        )
        numbers |= {channel.number for channel, name in self._driving if self._noticed(channel, name)}
        chosen = [channel for channel in self._timer.channels if channel.number in numbers]
        if any(channel.depends_on_others for channel in chosen) or (chosen and self._timer.groups):
            chosen = self._timer.channels
        self.watched = tuple(chosen)

    def _noticed(self, channel: Channel, name: str) -> bool:
        """Return whether edges of a channel's pins have to be made when they are due."""
        pins = self._timer.mcu.pins
        # The dead time counts from an edge, which therefore must not be computed later.
        return pins.observed(name) or pins.observed(f"{name}N") or self._dead_time(channel) > 0

    def hears_update(self) -> bool:
        """Return whether somebody notices an update event through TRGO."""
        modes = {self._master_mode(name) for name in self._heard}
        return _UPDATE in modes or (_ENABLE in modes and self._timer.stops_at_update)

    def _master_mode(self, name: str) -> int:
        """Return what TRGO or TRGO2 stands for; of another signal, as for a reserved code, none."""
        if name not in self._masters or "CR2" not in self._timer.map.registers:
            return _NONE
        field, largest = self._masters[name]
        mode = self._timer.field("CR2", field)
        return mode if mode <= largest else _NONE

    @property
    def pulses_from_references(self) -> bool:
        """Whether TRGO2 is to make pulses of edges of OC4REF to OC6REF, which it does not here."""
        field, largest = self._masters.get(f"{self._timer.name}_TRGO2", ("", 0))
        return bool(field) and self._timer.field("CR2", field) > largest

    # -- events ---------------------------------------------------------------------------------

    def _pulse(self, mode: int) -> None:
        before, self.busy = self.busy, True
        try:
            for name in self._heard:
                if self._master_mode(name) == mode:
                    self._timer.mcu.triggers.pulse(name)
        finally:
            self.busy = before

    def restarted(self) -> None:
        """UG or a reset by the trigger has restarted the counter."""
        self._pulse(_RESET)

    def updated(self) -> None:
        """There was an update event."""
        self._pulse(_UPDATE)

    def compared(self) -> None:
        """Channel 1 has captured, or its counter has come to the compare value."""
        self._pulse(_COMPARE_PULSE)

    # -- levels ---------------------------------------------------------------------------------

    def drive(self) -> None:
        """Give every signal that leads anywhere the level it has now."""
        timer = self._timer
        changes: list[tuple[str, bool | None]] = []
        for channel, name in self._driving:
            output, complement = self._levels(channel, timer.reference(channel))
            changes += [(name, output), (f"{name}N", complement)]
        before, self.busy = self.busy, True
        try:
            for name, level in changes:
                if self._driven.get(name) is not level:
                    self._driven[name] = level
                    timer.mcu.pins.set_signal(name, level)
            for name in self._heard:
                timer.mcu.triggers.set(name, self._trigger_level(name))
        finally:  # a pin may be held at the other level
            self.busy = before

    def _trigger_level(self, name: str) -> bool:
        mode = self._master_mode(name)
        if mode == _ENABLE:
            return self._timer.counter_enabled
        number = self._channel_of.get(name, mode - _FIRST_REFERENCE + 1)
        channels = self._timer.channels
        return 0 < number <= len(channels) and self._timer.reference(channels[number - 1])

    def _levels(self, channel: Channel, reference: bool) -> tuple[bool | None, bool | None]:
        """Return the levels of OCx and OCxN; None is not driven (RM0399 table 354)."""
        timer = self._timer
        if channel.selection:
            return None, None
        enable = channel.enable
        output_on, complement_on = bool(enable & _E), bool(enable & _NE)
        inactive, complement_inactive = bool(enable & _P), bool(enable & _NP)
        if not timer.features.breaks:
            return (reference is not inactive if output_on and not timer.frozen else None), None
        complementary = channel.number <= timer.features.complementary
        breaking = timer["BDTR"]
        if not output_on and not complement_on:
            return None, None
        if not breaking & _MOE or timer.frozen:
            if not breaking & _OSSI:
                return None, None
            idle, complement_idle = timer.idle_levels(channel)
            return idle, complement_idle if complementary else None
        off = bool(breaking & _OSSR)
        if not output_on:
            return (inactive if off else None), reference is not complement_inactive
        if not complement_on:
            complement = complement_inactive if off and complementary else None
            return reference is not inactive, complement
        quiet = self._quiet(channel, reference)
        return (
            (reference and not quiet) is not inactive,
            (not reference and not quiet) is not complement_inactive,
        )

    # -- dead time ------------------------------------------------------------------------------

    def _dead_time(self, channel: Channel) -> int:
        """Return the dead time of a channel in periods of the timer's clock, 0 if it has none now."""
        timer = self._timer
        if not timer.features.breaks or channel.enable & (_E | _NE) != _E | _NE:
            return 0
        return dead_time(timer.field("BDTR", "DTG")) << timer.field("CR1", "CKD")

    def _quiet(self, channel: Channel, reference: bool) -> bool:
        """Return whether neither of two complementary outputs is active yet after an edge."""
        timer = self._timer
        before = self._references.get(channel.number)
        self._references[channel.number] = reference
        now = timer.mcu.now
        ticks = self._dead_time(channel)
        if before is not None and before is not reference and ticks and timer.clock_hz:
            self._quiet_until[channel.number] = timer.time_of(ticks)
            self._schedule_end_of_dead_time()
        return now < self._quiet_until.get(channel.number, 0)

    def _schedule_end_of_dead_time(self) -> None:
        if self._dead_time_event is not None:
            self._dead_time_event.cancel()
        now = self._timer.mcu.now
        ends = [time for time in self._quiet_until.values() if time > now]
        if ends:
            self._dead_time_event = self._timer.mcu.schedule(min(ends) - now, self._end_dead_time)

    def _end_dead_time(self) -> None:
        self._dead_time_event = None
        self._schedule_end_of_dead_time()
        self._timer.catch_up()
