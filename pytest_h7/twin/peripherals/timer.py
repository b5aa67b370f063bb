"""Timers TIM1 to TIM8 and TIM12 to TIM17 (RM0399 chapters 40 to 44).

Update events take effect at the clock edge that makes the counter turn, matches at the one that brings the
counter to the compare value; none of it takes extra clock periods. A match needs the counter to come to the value
by counting, not by being written or restarted: not known of the hardware.

Not modelled, and counted when firmware switches it on: preloaded control bits with COM events (CCPC), clearing
of an output by ETR (OCxCE), retriggerable one-pulse modes, inputs from elsewhere than pins (TIMx_TISEL, ETRSEL,
break inputs of comparators), and what TRGO2 makes of the edges of OC4REF to OC6REF (MMS2 from 10 on).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.timer_channel import RETRIGGERABLE, Channel
from pytest_h7.twin.peripherals.timer_core import TimerCore
from pytest_h7.twin.peripherals.timer_lock import TimerLock

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_CEN, _DIR, _ARPE, _UIFREMAP = (1 << bit for bit in (0, 4, 7, 11))
_CMS = 3 << 5
_UIF = 1 << 0
_UG, _COMG, _TG, _BG, _B2G = (1 << bit for bit in (0, 5, 6, 7, 8))
_CCPC = 1 << 0
_OCXCE = 1 << 7
_UNMODELLED = {"AF1": ~0x201, "AF2": ~0x201, "TISEL": ~0, "CR2": _CCPC}
"""Bits that do something on the chip and nothing here."""


class Timer(TimerCore):
    """One timer.

    Args:
        mcu: The chip.
        name: ``"TIM1"`` to ``"TIM8"``, ``"TIM12"`` to ``"TIM17"``.
    """

    def __init__(self, mcu: Mcu, name: str) -> None:
        super().__init__(mcu, name)
        self._lock = TimerLock(self)
        self._burst = 0
        self._model_registers()

    def _model_registers(self) -> None:
        for channel in self.channels:
            name = f"CCR{channel.number}"
            self.model(name, partial(self._read_compare, channel), partial(self._write_compare, channel))
        for number in (1, 2, 3):
            name = f"CCMR{number}_Output"
            if name in self.map.registers:
                self.model(name, writer=partial(self._write_mode, number))
        for name in ("DIER", "RCR", "AF1", "AF2", "TISEL"):
            if name in self.map.registers:
                self.model(name, writer=partial(self._write_plain, name))

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        self._clock.advance(self.mcu.now)
        super().reset()
        self.counter.reset()
        for channel in self.channels:
            channel.reset()
        self._burst = 0
        self._lock.reset()
        self.inputs.reset()
        self.outputs.reset()
        self.settle()

    # -- registers: those that change while the counter counts catch up first -------------------

    def _store(self, register: str, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)
        if self[register] & _UNMODELLED.get(register, 0):
            self._count_write(register, master)

    def _count_write(self, register: str, master: Master) -> None:
        if master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def _write_plain(self, register: str, value: int, master: Master) -> None:
        self._store(register, value, master)
        self.inputs.configure()

    def read_CR1(self, master: Master) -> int:
        self.advance()
        return self["CR1"] | (_DIR if self.counter.down else 0)

    def write_CR1(self, value: int, master: Master) -> None:
        """Start, stop, and choose how to count; DIR is the counter's own in centre-aligned and encoder mode."""
        value &= self.implemented("CR1")
        self["CR1"] = value & ~_DIR
        self.take_clock()
        self.counter.centre = bool(value & _CMS) and not self.inputs.is_encoder
        if not self.counter.centre and not self.inputs.is_encoder:
            self.counter.down = bool(value & _DIR)
        if not value & _ARPE:
            self.counter.reload = self["ARR"]

    def write_CR2(self, value: int, master: Master) -> None:
        self._store("CR2", self._lock.keep("CR2", value), master)
        if self.outputs.pulses_from_references:
            self._count_write("CR2", master)
        self.inputs.configure()
        self.outputs.observe()

    def write_SMCR(self, value: int, master: Master) -> None:
        self["SMCR"] = value & self.implemented("SMCR")
        self.counter.centre = bool(self["CR1"] & _CMS) and not self.inputs.is_encoder
        self.inputs.configure()

    def read_SR(self, master: Master) -> int:
        self.advance()
        return self["SR"]

    def write_SR(self, value: int, master: Master) -> None:
        """Clear flags where a 0 is written; those of a break stay while its input is active."""
        self["SR"] &= value
        self.inputs.check_breaks()

    def write_EGR(self, value: int, master: Master) -> None:
        if value & _UG:
            self.restart(software=True)
        value &= self.implemented("EGR")
        for channel in self.channels:
            if channel.number <= 4 and value & 1 << channel.number:
                if channel.selection:
                    self.capture(channel)
                else:
                    self.compared(channel)
        if value & _COMG:
            self.commutate()
        if value & _TG:
            self.triggered()
        for index, generate in enumerate((_BG, _B2G)):
            if value & generate:
                self.broken(index)

    def _write_mode(self, number: int, value: int, master: Master) -> None:
        """Write CCMRx; the direction of a channel can only be changed while it is off."""
        register = f"CCMR{number}_Output"
        channels = [channel for channel in self.channels if channel.mode_register == register]
        value = self._lock.keep(register, value)
        implemented = self.implemented(register)
        for channel in channels:
            channel.keep()
            if channel.number <= 4:
                implemented |= 0xFF << channel.mode_shift
                if channel.enable & 1:
                    selection = 3 << channel.mode_shift
                    value = value & ~selection | self[register] & selection
        self[register] = value & implemented
        for channel in channels:
            channel.configure()
            if not channel.preload:
                channel.compare = self.compare_value(channel)
            cleared = value >> channel.mode_shift & _OCXCE
            if not channel.selection and (cleared or channel.mode in RETRIGGERABLE):
                self._count_write(register, master)
        self.inputs.configure()
        self.outputs.observe()

    def write_CCER(self, value: int, master: Master) -> None:
        self["CCER"] = self._lock.keep("CCER", value) & self.implemented("CCER")
        for channel in self.channels:
            channel.configure()
        self.inputs.configure()
        self.outputs.observe()

    def read_CNT(self, master: Master) -> int:
        self.advance()
        if self["CR1"] & _UIFREMAP:
            return self.counter.count & 0x7FFF_FFFF | (self["SR"] & _UIF) << 31
        return self.counter.count

    def write_CNT(self, value: int, master: Master) -> None:
        self.counter.count = value & self.features.largest

    def write_PSC(self, value: int, master: Master) -> None:
        self["PSC"] = value & 0xFFFF

    def write_ARR(self, value: int, master: Master) -> None:
        self["ARR"] = value & self.features.largest
        if not self["CR1"] & _ARPE:
            self.counter.reload = self["ARR"]

    def _read_compare(self, channel: Channel, master: Master) -> int:
        """Return CCRx; of an input this clears its flag."""
        self.advance()
        if channel.selection and self["SR"] & channel.flag:
            self["SR"] &= ~channel.flag
            self.settle()
        return self[f"CCR{channel.number}"]

    def _write_compare(self, channel: Channel, value: int, master: Master) -> None:
        """Set CCRx; that of an input is read only."""
        if channel.selection:
            return
        self[f"CCR{channel.number}"] = value & self.implemented(f"CCR{channel.number}")
        if not channel.preload:
            channel.compare = self.compare_value(channel)

    def read_BDTR(self, master: Master) -> int:
        self.advance()
        return self["BDTR"]

    def write_BDTR(self, value: int, master: Master) -> None:
        self["BDTR"] = self._lock.keep("BDTR", value) & self.implemented("BDTR")
        self._lock.close()
        self.inputs.configure()
        self.outputs.observe()

    # -- DMA bursts -----------------------------------------------------------------------------

    def write_DCR(self, value: int, master: Master) -> None:
        self["DCR"] = value & self.implemented("DCR")
        self._burst = 0

    def _burst_offset(self) -> int | None:
        """Return the offset of the register that DMAR stands for, and go on to the next (RM0399 40.4.22).

        None where that is DMAR itself.
        """
        offset = 4 * (self.field("DCR", "DBA") + self._burst)
        self._burst = 0 if self._burst == self.field("DCR", "DBL") else self._burst + 1
        return None if offset == self.map.registers["DMAR"].offset else offset

    def read_DMAR(self, master: Master) -> int:
        offset = self._burst_offset()
        return 0 if offset is None else self.reader(offset)(master)

    def write_DMAR(self, value: int, master: Master) -> None:
        offset = self._burst_offset()
        if offset is not None:
            self.writer(offset)(value, master)
