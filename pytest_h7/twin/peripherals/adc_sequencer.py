"""The two groups of an ADC: which channel is converted when (RM0399 26.4.11 to 26.4.21, 26.4.29).

Not modelled: the queue of contexts for injected conversions, triggered oversampling.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.adc import Adc
    from pytest_h7.twin.timeline import Event

EOSMP, EOC, EOS, OVR, JEOC, JEOS = (1 << bit for bit in range(1, 7))
ADSTART, JADSTART = 1 << 2, 1 << 3
_FIFO_SIZE = 8
_ALL_SEEN = EOSMP | EOC | EOS | OVR
_RISING, _FALLING = 1, 2

_REGULAR_TRIGGERS = (
    *("TIM1_OC1", "TIM1_OC2", "TIM1_OC3", "TIM2_OC2", "TIM3_TRGO", "TIM4_OC4", "EXTI11", "TIM8_TRGO"),
    *("TIM8_TRGO2", "TIM1_TRGO", "TIM1_TRGO2", "TIM2_TRGO", "TIM4_TRGO", "TIM6_TRGO", "TIM15_TRGO"),
    *("TIM3_OC4", "HRTIM1_ADCTRG1", "HRTIM1_ADCTRG3", "LPTIM1_OUT", "LPTIM2_OUT", "LPTIM3_OUT"),
)
"""By EXTSEL (RM0399 table 214)."""

_INJECTED_TRIGGERS = (
    *("TIM1_TRGO", "TIM1_OC4", "TIM2_TRGO", "TIM2_OC1", "TIM3_OC4", "TIM4_TRGO", "EXTI15", "TIM8_OC4"),
    *("TIM1_TRGO2", "TIM8_TRGO", "TIM8_TRGO2", "TIM3_OC3", "TIM3_TRGO", "TIM3_OC1", "TIM6_TRGO"),
    *("TIM15_TRGO", "HRTIM1_ADCTRG2", "HRTIM1_ADCTRG4", "LPTIM1_OUT", "LPTIM2_OUT", "LPTIM3_OUT"),
)
"""By JEXTSEL (RM0399 table 215)."""


def _selected(mode: int, level: bool) -> bool:
    return bool(mode & (_RISING if level else _FALLING))


class Sequencer:
    """Runs the regular and the injected sequence.

    Conversions that nobody can notice, those of continuous mode after an overrun, are not made one by one:
    `catch_up` finds out how far they are when somebody looks.
    """

    def __init__(self, adc: Adc) -> None:
        self._adc = adc
        self._event: Event | None = None
        self._fifo: deque[int] = deque()
        self._last = 0
        self._served = False
        self._regular = False
        self._rank = 0
        self._left = 0
        self._injected = False
        self._injected_rank = 0
        self._converting: int | None = None
        self._unseen_since: int | None = None
        self._heard: dict[str, str] = {}

    # -- start and stop -------------------------------------------------------------------------

    def start_regular(self) -> None:
        """ADSTART: convert now, or wait for the trigger."""
        self._adc["CR"] |= ADSTART
        self._served = False
        self._listen()
        if not self._adc.field("CFGR", "EXTEN"):
            self._begin_regular()

    def start_injected(self) -> None:
        """JADSTART: convert now, or wait for the trigger."""
        self._adc["CR"] |= JADSTART
        self._listen()
        if not self._adc.field("JSQR", "JEXTEN"):
            self._begin_injected()

    def stop_regular(self) -> None:
        """ADSTP: discard what is under way; with JAUTO the injected group, too."""
        self._adc["CR"] &= ~ADSTART
        self._unseen_since = None
        self._regular = False
        self._rank = 0
        if self._adc.field("CFGR", "JAUTO"):
            self._injected = False
        self._stopped()

    def stop_injected(self) -> None:
        """JADSTP: discard what is under way."""
        self._adc["CR"] &= ~JADSTART
        self._injected = False
        self._injected_rank = 0
        self._stopped()

    def _stopped(self) -> None:
        self._listen()
        self._cancel()
        self._convert()

    def reset(self) -> None:
        """Forget everything, as a reset or disabling the ADC does."""
        self._cancel()
        self._fifo.clear()
        self._regular = self._injected = False
        self._rank = self._injected_rank = 0
        self._unseen_since = None
        self._adc["CR"] &= ~(ADSTART | JADSTART)
        self._listen()

    def _cancel(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None

    # -- triggers -------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear the triggers that the groups wait for."""
        adc = self._adc
        for group, bit, register, enable, selection, names, hearer in (
            ("regular", ADSTART, "CFGR", "EXTEN", "EXTSEL", _REGULAR_TRIGGERS, self._hear_regular),
            ("injected", JADSTART, "JSQR", "JEXTEN", "JEXTSEL", _INJECTED_TRIGGERS, self._hear_injected),
        ):
            code = adc.field(register, selection)
            waits = adc["CR"] & bit and adc.field(register, enable) and code < len(names)
            wanted = names[code] if waits else ""
            before = self._heard.get(group, "")
            if wanted == before:
                continue
            listener = f"{adc.name} {group}"
            if before:
                adc.mcu.triggers.hear(before, listener, None)
            if wanted:
                adc.mcu.triggers.hear(wanted, listener, hearer)
            self._heard[group] = wanted

    def _hear_regular(self, level: bool) -> None:
        self.catch_up()
        if not self._regular and _selected(self._adc.field("CFGR", "EXTEN"), level):
            self._begin_regular()

    def _hear_injected(self, level: bool) -> None:
        self.catch_up()
        if not self._injected and _selected(self._adc.field("JSQR", "JEXTEN"), level):
            self._begin_injected()

    def _begin_regular(self) -> None:
        self._regular = True
        self._left = self._adc.field("CFGR", "DISCNUM") + 1 if self._discontinuous else 0
        self._convert()

    def _begin_injected(self) -> None:
        """Convert the injected group; a regular conversion under way is made anew behind it."""
        self._injected = True
        self._cancel()
        self._convert()

    @property
    def _continuous(self) -> bool:
        return bool(self._adc.field("CFGR", "CONT"))

    @property
    def _discontinuous(self) -> bool:
        return bool(self._adc.field("CFGR", "DISCEN")) and not self._continuous

    # -- conversions ----------------------------------------------------------------------------

    def _regular_channel(self, rank: int) -> int:
        number = rank + 1
        register = 1 + number // 5
        return self._adc.field(f"SQR{register}", f"SQ{number}")

    def _duration(self, channel: int, *, injected: bool) -> int:
        half_cycles = self._adc.converter.half_cycles(channel, injected=injected)
        return half_cycles * PS_PER_S // (2 * self._adc.clock_hz)

    def _convert(self) -> None:
        """Begin the next conversion, if there is one and a clock for it."""
        if self._event is not None or self._unseen_since is not None or not self._adc.clock_hz:
            return
        if self._injected:
            channel = self._adc.field("JSQR", f"JSQ{self._injected_rank + 1}")
            if not self._must_wait(JEOS, first=self._injected_rank == 0):
                self._schedule(channel, injected=True)
        elif self._regular and not self._must_wait(EOC, first=True):
            self._schedule(self._regular_channel(self._rank), injected=False)

    def _must_wait(self, flag: int, *, first: bool) -> bool:
        """AUTDLY: whether the data of the last conversion have not been treated yet."""
        return first and bool(self._adc.field("CFGR", "AUTDLY") and self._adc.flags & flag)

    def _schedule(self, channel: int, *, injected: bool) -> None:
        self._converting = channel
        action = self._finish_injected if injected else self._finish_regular
        self._event = self._adc.mcu.schedule(self._duration(channel, injected=injected), action)

    def clock_changed(self) -> None:
        """Go on when the clock comes back; without it, a conversion under way is made anew later."""
        if self._adc.clock_hz:
            self._convert()
        else:
            self.catch_up()
            self._cancel()

    def flags_cleared(self) -> None:
        """Go on with conversions that AUTDLY holds back."""
        self._convert()

    def _finish_regular(self) -> None:
        self._event = None
        adc = self._adc
        if self._dma_is_done:
            self._regular = False
            self._rank = 0
            return
        result = adc.converter.convert(self._regular_channel(self._rank), injected=False)
        self._store(result.data)
        flags = EOSMP | EOC | result.flags
        self._rank += 1
        if self._rank > adc.field("SQR1", "L"):
            self._rank = 0
            flags |= EOS
            if adc.field("CFGR", "JAUTO"):
                self._injected = True
            if not self._continuous:
                self._end_regular()
        elif self._left == 1:
            self._end_regular()
        self._left = max(0, self._left - 1)
        adc.raise_flags(flags)
        if self._unnoticed():
            self._unseen_since = adc.mcu.now
        else:
            self._convert()

    def _end_regular(self) -> None:
        self._regular = False
        if not self._adc.field("CFGR", "EXTEN"):
            self._adc["CR"] &= ~ADSTART

    def _finish_injected(self) -> None:
        self._event = None
        adc = self._adc
        rank = self._injected_rank
        result = adc.converter.convert(adc.field("JSQR", f"JSQ{rank + 1}"), injected=True)
        adc[f"JDR{rank + 1}"] = result.data
        flags = JEOC | result.flags
        self._injected_rank += 1
        single = adc.field("CFGR", "JDISCEN")
        if self._injected_rank > adc.field("JSQR", "JL"):
            self._injected_rank = 0
            flags |= JEOS
        if flags & JEOS or single:
            self._injected = False
            if not adc.field("JSQR", "JEXTEN"):
                adc["CR"] &= ~JADSTART
        adc.raise_flags(flags)
        self._convert()

    # -- data -----------------------------------------------------------------------------------

    @property
    def data_waits(self) -> bool:
        """Whether there is data in DR that has not been read."""
        return bool(self._fifo)

    def _store(self, data: int) -> None:
        """Put a result into DR, which has eight stages unless OVRMOD is set (RM0399 26.4.27)."""
        adc = self._adc
        overwrites = adc.field("CFGR", "OVRMOD")
        if len(self._fifo) >= (1 if overwrites else _FIFO_SIZE):
            adc.raise_flags(OVR)
        if overwrites:
            self._fifo.clear()
        elif adc.flags & OVR:
            return
        self._fifo.append(data)

    @property
    def _dma_is_done(self) -> bool:
        """Whether DMA has made its last transfer in one-shot mode, which ends the sequence (RM0399 26.4.27).

        A stream that no longer takes requests has, whatever the reason. ADSTART remains set, and a trigger begins
        a conversion that is discarded, too (not known of the hardware).
        """
        return self._served and self._adc.one_shot and not self._adc.mcu.dma_listens(self._adc.name)

    def read_data(self, *, by_dma: bool) -> int:
        """Take the oldest result out of DR."""
        self._served = self._served or by_dma
        if self._fifo:
            self._last = self._fifo.popleft()
        return self._last

    # -- conversions nobody notices ---------------------------------------------------------------

    def _unnoticed(self) -> bool:
        """Whether going on changes nothing but the data in DR, and that only if it is overwritten."""
        adc = self._adc
        if not self._regular or not self._continuous or self._injected or adc.flags & _ALL_SEEN != _ALL_SEEN:
            return False
        return not (adc.uses_dma or adc.converter.guarded or adc.field("CFGR", "JAUTO"))

    def catch_up(self) -> None:
        """Make the conversions that have not been made one by one."""
        if self._unseen_since is None or not self._adc.clock_hz:
            return
        since, self._unseen_since = self._unseen_since, None
        ranks = self._adc.field("SQR1", "L") + 1
        durations = [self._duration(self._regular_channel(rank), injected=False) for rank in range(ranks)]
        elapsed = (self._adc.mcu.now - since) % sum(durations)
        finished = self._adc.mcu.now - since >= durations[self._rank]
        while elapsed >= durations[self._rank]:
            elapsed -= durations[self._rank]
            self._rank = (self._rank + 1) % ranks
        if finished:
            before = self._regular_channel((self._rank - 1) % ranks)
            self._store(self._adc.converter.convert(before, injected=False).data)
        rest = durations[self._rank] - elapsed
        self._event = self._adc.mcu.schedule(rest, self._finish_regular)
