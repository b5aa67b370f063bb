"""How a timer counts, and what happens when (RM0399 40.3.1 to 40.3.5); its registers are in `timer`.

The counter is computed from board time when somebody looks at it. Events are scheduled only for what somebody
notices: an interrupt or a DMA request that is enabled and not pending yet, an edge of an observed pin, a trigger
that another peripheral hears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.timer_base import TimeBase
from pytest_h7.twin.peripherals.timer_channel import Channel
from pytest_h7.twin.peripherals.timer_clock import TickCounter, timer_clock_hz
from pytest_h7.twin.peripherals.timer_features import FEATURES
from pytest_h7.twin.peripherals.timer_inputs import TimerInputs
from pytest_h7.twin.peripherals.timer_outputs import TimerOutputs

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_CEN, _UDIS, _URS, _OPM = (1 << bit for bit in range(4))
_DOWN_FLAGS, _UP_FLAGS = 1, 2
"""Bits of CMS that let compare flags be set while counting down, or up."""
_CCDS = 1 << 3
_UIF, _COMIF, _TIF, _BIF, _B2IF = (1 << bit for bit in (0, 5, 6, 7, 8))
_CHANNEL_FLAGS = 0x1E
_LINE_FLAGS = _UIF, _TIF | _COMIF, _CHANNEL_FLAGS, _BIF | _B2IF
"""Flags behind the four interrupt lines, in the order of `TimerFeatures.lines`."""
_UDE, _COMDE, _TDE = 1 << 8, 1 << 13, 1 << 14
_MOE, _AOE = 1 << 15, 1 << 14
_CC5G = 1 << 29


class TimerCore(Peripheral):
    """A timer without its registers: counter, channels, events, interrupts and requests.

    Args:
        mcu: The chip.
        name: ``"TIM1"`` to ``"TIM8"``, ``"TIM12"`` to ``"TIM17"``.
    """

    unsaved = frozenset({"features", "_lines"})

    def __init__(self, mcu: Mcu, name: str) -> None:
        super().__init__(mcu, name)
        self.features = FEATURES[name]
        self.counter = TimeBase(self.features.largest)
        numbers = [*range(1, self.features.channels + 1), *((5, 6) if self.features.internal else ())]
        self.channels = [Channel(self, self.counter, number) for number in numbers]
        for channel in self.channels:
            index = channel.number - 1 ^ 1
            channel.neighbour = self.channels[index] if index < len(self.channels) else None
        self.frozen = False
        """Whether the debugger holds the counter, and with it the outputs, because a core is halted."""
        self._clock = TickCounter()
        self._counting = False
        self._event: Event | None = None
        self._active_lines: set[str] = set()
        self._lines = dict.fromkeys(self.features.lines, 0)
        for line, flags in zip(self.features.lines, _LINE_FLAGS, strict=True):
            self._lines[line] |= flags
        self.inputs = TimerInputs(self)
        self.outputs = TimerOutputs(self)

    # -- time -----------------------------------------------------------------------------------

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        self.advance()
        self["CNT"] = self.counter.count
        super().write(offset, size, value, master)
        self.settle()

    def clock_changed(self) -> None:
        """Go on with another frequency, or stand still."""
        if self["CR1"] & _CEN:
            self.advance()
            if self.take_clock():
                self.settle()

    def take_clock(self) -> bool:
        """Learn the frequency of the clock from here on; return whether it is another one than before."""
        before = self._clock.hz
        self.frozen = self.mcu.dbgmcu.frozen(self.name)
        clocked = self.mcu.clocked(self.name) and not self.frozen
        self._clock.hz = timer_clock_hz(self.mcu.rcc, self.features.bus) if clocked else 0
        return self._clock.hz != before

    @property
    def clock_hz(self) -> int:
        """Frequency of the timer's clock in Hz; 0 while it has none."""
        return self._clock.hz

    def time_of(self, ticks: int) -> int:
        """Return the board time that is `ticks` periods of the timer's clock from now, in picoseconds."""
        return self._clock.time_of(ticks)

    def advance(self) -> None:
        """Do everything that was to happen until now."""
        now = self.mcu.now
        ticks = self._clock.advance(now)
        if not self._counting:
            self._clock.begin(now)
        elif ticks:
            self._count(ticks)

    def _count(self, ticks: int) -> None:
        """Let the counter see some periods of its clock."""
        counter = self.counter
        while ticks and self["CR1"] & _CEN and not counter.blocked:
            ticks -= self._skip(ticks)
            to_turn = counter.ticks_to_turn()
            if ticks < to_turn:
                self._visit(counter.move(ticks))
                return
            ticks -= to_turn
            self._visit(counter.finish_run())
            self._turn()

    def _skip(self, ticks: int) -> int:
        """Let whole periods of the counter pass at once where each is like the one before; return their length."""
        counter = self.counter
        periods = counter.periods_in(ticks)
        if periods < 2 or self["CR1"] & _OPM or self._update_pending:
            return 0
        for channel in self.channels:
            visits = counter.visits_in_period(channel.compare)
            if not channel.selection:
                if visits:
                    channel.match(visits * periods)
                if self._flags_compare(channel.compare, visits):
                    self["SR"] |= channel.flag
        turns = periods * counter.turns_in_period
        if not self["CR1"] & _UDIS and counter.repeat(turns, self._repetitions):
            self["SR"] |= _UIF
            self._enable_outputs_again()
        return periods * counter.period_ticks

    def _flags_compare(self, compare: int, visits: int) -> bool:
        """Return whether a period of the counter sets a compare flag."""
        if visits == 1 and self._centre_mode == _DOWN_FLAGS:
            return compare != 0
        if visits == 1 and self._centre_mode == _UP_FLAGS:
            return compare != self.counter.reload
        return True

    @property
    def _centre_mode(self) -> int:
        """CMS: which matches set flags, 0 for all because the counter goes in one direction only."""
        return self["CR1"] >> 5 & 3

    @property
    def _update_pending(self) -> bool:
        """Whether the next update event changes what the counter does."""
        if self["CR1"] & _UDIS:
            return False
        return (
            self["PSC"] != self.counter.prescaler
            or self["ARR"] != self.counter.reload
            or any(self.compare_value(channel) != channel.compare for channel in self.channels)
        )

    # -- events ---------------------------------------------------------------------------------

    def _visit(self, counts: range) -> None:
        """The counter has come to some counts, in the direction it has now."""
        if counts:
            for channel in self.channels:
                if channel.compare in counts:
                    self._match(channel)

    def _match(self, channel: Channel) -> None:
        if channel.selection:
            return
        channel.match()
        flags = _DOWN_FLAGS if self.counter.down else _UP_FLAGS
        if not self._centre_mode or self._centre_mode & flags:
            self.compared(channel)

    def compared(self, channel: Channel) -> None:
        """A channel has matched or captured: set its flag, and do what comes with it."""
        self["SR"] |= channel.flag
        if not self._channel_requests_at_update:
            self._request_channel(channel)
        if channel.number == 1:
            self.outputs.compared()

    @property
    def _channel_requests_at_update(self) -> bool:
        return "CR2" in self.map.registers and bool(self["CR2"] & _CCDS)

    def _request_channel(self, channel: Channel) -> None:
        if channel.number <= 4 and self["DIER"] & channel.flag << 8:
            self.mcu.dma_request(f"{self.name}_CH{channel.number}")

    def _turn(self) -> None:
        """The counter overflows or underflows."""
        counter = self.counter
        for channel in self.channels:
            if channel.compare > counter.reload and not channel.selection:
                self.compared(channel)
        if counter.repeat(1, self._repetitions):
            self._update(flag=True)
        counter.turn()
        self._visit(range(counter.count, counter.count + 1))

    @property
    def _repetitions(self) -> int:
        return self["RCR"] if "RCR" in self.map.registers else 0

    def _update(self, *, flag: bool) -> None:
        """Make an update event, unless UDIS forbids it."""
        if self["CR1"] & _UDIS:
            return
        self.counter.prescaler = self["PSC"]
        self.counter.reload = self["ARR"]
        for channel in self.channels:
            channel.compare = self.compare_value(channel)
        if self["CR1"] & _OPM:
            self["CR1"] &= ~_CEN
        self._enable_outputs_again()
        if flag:
            self["SR"] |= _UIF
            if self["DIER"] & _UDE:
                self.mcu.dma_request(f"{self.name}_UP")
            if self._channel_requests_at_update:
                for channel in self.channels:
                    self._request_channel(channel)
        self.outputs.updated()

    def restart(self, *, software: bool) -> None:
        """Restart the counter with an update event: by UG, or by the trigger."""
        self._update(flag=not self["CR1"] & _URS)
        self.counter.repetition = self._repetitions
        self.counter.restart()
        self._clock.begin(self.mcu.now)
        if software:
            self.outputs.restarted()

    def start(self) -> None:
        """Set CEN: the trigger mode of a slave."""
        self["CR1"] |= _CEN
        self.take_clock()

    def triggered(self) -> None:
        """Set TIF: there was an edge of the trigger that counts."""
        self["SR"] |= _TIF
        if self["DIER"] & _TDE:
            self.mcu.dma_request(f"{self.name}_TRIG")

    def commutate(self) -> None:
        """Set COMIF: there was a COM event."""
        self["SR"] |= _COMIF
        if self["DIER"] & _COMDE:
            self.mcu.dma_request(f"{self.name}_COM")

    def capture(self, channel: Channel) -> None:
        """Store the count of now in CCRx of an input."""
        if self["SR"] & channel.flag:
            self["SR"] |= channel.flag << 8
        channel.compare = self[f"CCR{channel.number}"] = self.counter.count
        self.compared(channel)

    def count_edge(self) -> None:
        """Count an edge of an external clock."""
        self.take_clock()
        if self._clock.hz:
            self._count(1)

    def count_encoder(self, *, down: bool) -> None:
        """Count an edge of an encoder."""
        self.counter.down = down
        self.count_edge()

    def broken(self, index: int) -> None:
        """A break input, 0 or 1, is active: take the outputs away."""
        self["SR"] |= (_BIF, _B2IF)[index]
        self["BDTR"] &= ~_MOE

    def _enable_outputs_again(self) -> None:
        if self.features.breaks and self["BDTR"] & _AOE and not any(self.inputs.break_inputs()):
            self["BDTR"] |= _MOE

    def compare_value(self, channel: Channel) -> int:
        """Return what CCRx holds, which an update makes the active value."""
        return self[f"CCR{channel.number}"] & self.features.largest

    # -- what follows from it all ---------------------------------------------------------------

    def settle(self) -> None:
        """After anything has changed: drive interrupts and outputs, and wait for what is noticed next."""
        self._counting = bool(self["CR1"] & _CEN) and self.inputs.counts_by_itself
        self._drive_interrupts()
        self._schedule()
        self.outputs.drive()

    def _drive_interrupts(self) -> None:
        pending = self["SR"] & self["DIER"] & 0xFF
        if self["DIER"] & _BIF:
            pending |= self["SR"] & _B2IF
        active = {line for line, flags in self._lines.items() if pending & flags}
        if active != self._active_lines:
            changed, self._active_lines = active ^ self._active_lines, active
            for line in sorted(changed):
                self.mcu.drive_interrupt(line, self.name, line in active)

    def _schedule(self) -> None:
        ticks = self._ticks_to_notice()
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if ticks is not None:
            delay = max(0, self._clock.time_of(ticks) - self.mcu.now)
            self._event = self.mcu.schedule(delay, self._happen)

    def _happen(self) -> None:
        self._event = None
        self.catch_up()

    def _ticks_to_notice(self) -> int | None:
        """Return after how many clock periods something happens that somebody notices."""
        if not self._counting or not self._clock.hz or self.counter.blocked:
            return None
        asked = (self["DIER"] & ~self["SR"] | self["DIER"] >> 8) & _CHANNEL_FLAGS
        channels = self.outputs.watched
        if asked:
            channels += tuple(one for one in self.channels if one.flag & asked and not one.selection)
        if not channels:
            return self.counter.ticks_to_update() if self._notices_update else None
        ticks = [self.counter.ticks_to_turn()]
        ticks += [away for channel in channels if (away := self.counter.ticks_to(channel.compare))]
        return min(ticks)

    @property
    def _notices_update(self) -> bool:
        if self["CR1"] & _UDIS:
            return False
        interrupt = self["DIER"] & _UIF and not self["SR"] & _UIF
        return bool(interrupt or self["DIER"] & _UDE) or self.outputs.hears_update()

    def catch_up(self) -> None:
        """Bring counter and outputs up to date."""
        self.advance()
        self.settle()

    def observation_changed(self) -> None:
        """Other outputs are observed than before."""
        self.advance()
        self.outputs.observe()
        self.settle()

    # -- what the outputs want to know ----------------------------------------------------------

    @property
    def counter_enabled(self) -> bool:
        """CNT_EN: CEN, and the trigger in gated mode."""
        return bool(self["CR1"] & _CEN) and self.inputs.gate_open

    @property
    def stops_at_update(self) -> bool:
        """Whether the counter stops at the next update event: one-pulse mode."""
        return bool(self["CR1"] & _OPM)

    @property
    def groups(self) -> int:
        """GC5C1 to GC5C3 as bits 0 to 2: channels whose output is combined with OC5REF."""
        return self["CCR5"] // _CC5G if self.features.internal else 0

    def reference(self, channel: Channel) -> bool:
        """Return OCxREFC of a channel."""
        level = channel.reference
        if channel.number <= 3 and self.groups >> channel.number - 1 & 1:
            return level and self.channels[4].raw_reference
        return level

    def idle_levels(self, channel: Channel) -> tuple[bool, bool]:
        """Return OISx and OISxN: what a channel's outputs are without MOE."""
        idle = self["CR2"] >> 8 + 2 * (channel.number - 1)
        return bool(idle & 1), bool(idle & 2)
