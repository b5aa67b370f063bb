"""DAC1: two channels, whose voltages appear on PA4 and PA5 and inside the chip (RM0399 chapter 27).

A conversion takes no time here. Not modelled, and counted when firmware switches it on: noise and triangle waves,
and sample and hold, which converts as the normal mode does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.analog_inputs import DAC_PINS
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_STEPS = 4096
_CHANNELS = (1, 2)
_TRIGGERS = (
    *(
        "",
        "TIM1_TRGO",
        "TIM2_TRGO",
        "TIM4_TRGO",
        "TIM5_TRGO",
        "TIM6_TRGO",
        "TIM7_TRGO",
        "TIM8_TRGO",
        "TIM15_TRGO",
    ),
    *("HRTIM1_DACTRG1", "HRTIM1_DACTRG2", "LPTIM1_OUT", "LPTIM2_OUT", "EXTI9"),
)
"""By TSEL; 0 is software (RM0399 table 231)."""

_SAMPLE_AND_HOLD = 4
_ON_PIN = (0, 1, 2)
_INSIDE = (1, 3)
"""Values of the lower two bits of MODE in which the output reaches the pin, and other peripherals."""

_FACTORY_TRIM = 16
"""OTRIM at which a calibration finds the offset compensated: an assumption, the middle of the range."""

_DMA_UNDERRUN, _CALIBRATION_FLAG = 1 << 13, 1 << 14


class Dac(Peripheral):
    """The digital-to-analog converter."""

    def __init__(self, mcu: Mcu) -> None:
        self._held = dict.fromkeys(_CHANNELS, 0)
        self._requested = dict.fromkeys(_CHANNELS, False)
        self._heard = dict.fromkeys(_CHANNELS, "")
        self._underruns = 0
        super().__init__(mcu, "DAC1")
        for channel in _CHANNELS:
            for register, shift in (
                (f"DHR12R{channel}", 0),
                (f"DHR12L{channel}", -4),
                (f"DHR8R{channel}", 4),
            ):
                self.model(register, writer=partial(self._write_single, register, channel, shift))
        for register, shift, distance in (("DHR12RD", 0, 16), ("DHR12LD", -4, 16), ("DHR8RD", 4, 8)):
            self.model(register, writer=partial(self._write_both, register, shift, distance))

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"DOR1", "DOR2", "CCR", "SHSR1", "SHSR2", "SHHR", "SHRR"})

    def reset(self) -> None:
        """Reset by a system reset or by RCC: outputs off."""
        super().reset()
        self._held = dict.fromkeys(_CHANNELS, 0)
        self._requested = dict.fromkeys(_CHANNELS, False)
        self._underruns = 0
        self._update()

    def voltage(self, channel: int) -> float | None:
        """Return the output voltage of channel 1 or 2, None while it is off."""
        if not self.field("CR", f"EN{channel}"):
            return None
        return self.mcu.analog.reference * self[f"DOR{channel}"] / _STEPS

    # -- registers ------------------------------------------------------------------------------

    def write_CR(self, value: int, master: Master) -> None:
        self["CR"] = value & self.implemented("CR")
        if master.is_core and any(self.field("CR", f"WAVE{channel}") for channel in _CHANNELS):
            self.mcu.count_unmodelled(self.name, "CR", master, write=True)
        self._update()

    def write_MCR(self, value: int, master: Master) -> None:
        self["MCR"] = value & self.implemented("MCR")
        if master.is_core and any(self._mode(channel) & _SAMPLE_AND_HOLD for channel in _CHANNELS):
            self.mcu.count_unmodelled(self.name, "MCR", master, write=True)
        self._update()

    def _write_single(self, register: str, channel: int, shift: int, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)
        self._hold(channel, self[register], shift)

    def _write_both(self, register: str, shift: int, distance: int, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)
        low = (1 << distance) - 1
        self._hold(1, self[register] & low, shift)
        self._hold(2, self[register] >> distance, shift)

    def _hold(self, channel: int, data: int, shift: int) -> None:
        """Take data for a channel, aligned as the register has it; without a trigger it is converted at once."""
        self._held[channel] = data << shift if shift >= 0 else data >> -shift
        self._requested[channel] = False
        if not self.field("CR", f"TEN{channel}"):
            self._convert(channel)

    def write_SWTRGR(self, value: int, master: Master) -> None:
        for channel in _CHANNELS:
            selected = self.field("CR", f"TEN{channel}") and not self.field("CR", f"TSEL{channel}")
            if value >> channel - 1 & 1 and selected:
                self._convert(channel)

    def read_SR(self, master: Master) -> int:
        status = self._underruns
        for channel in _CHANNELS:
            trimmed = self.field("CCR", f"OTRIM{channel}") >= _FACTORY_TRIM
            if self.field("CR", f"CEN{channel}") and trimmed:
                status |= _CALIBRATION_FLAG << 16 * (channel - 1)
        return status

    def write_SR(self, value: int, master: Master) -> None:
        self._underruns &= ~value
        self._update()

    # -- conversion -----------------------------------------------------------------------------

    def _mode(self, channel: int) -> int:
        return self.field("MCR", f"MODE{channel}")

    def _convert(self, channel: int) -> None:
        self[f"DOR{channel}"] = self._held[channel]
        self._put_out(channel)

    def _put_out(self, channel: int) -> None:
        volts = self.voltage(channel)
        mode = self._mode(channel) & 3
        self.mcu.analog.drive(DAC_PINS[channel], volts if mode in _ON_PIN else None)
        self.mcu.analog.drive_inside(f"DAC1_OUT{channel}", volts if mode in _INSIDE else None)

    def _triggered(self, channel: int, level: bool) -> None:
        if not level:
            return
        self._convert(channel)
        if not self.field("CR", f"DMAEN{channel}"):
            return
        if self._requested[channel]:
            self._underruns |= _DMA_UNDERRUN << 16 * (channel - 1)
            self._update()
        else:
            self._requested[channel] = True
            self.mcu.dma_request(f"DAC1_CH{channel}")

    def _update(self) -> None:
        """Take over what the registers say: triggers, outputs, interrupt."""
        for channel in _CHANNELS:
            code = self.field("CR", f"TSEL{channel}")
            waits = self.field("CR", f"EN{channel}") and self.field("CR", f"TEN{channel}")
            self._listen(channel, _TRIGGERS[code] if waits and code < len(_TRIGGERS) else "")
            self._put_out(channel)
            if not self.field("CR", f"DMAEN{channel}"):
                self._requested[channel] = False
        enabled = _DMA_UNDERRUN * (self.field("CR", "DMAUDRIE1") | self.field("CR", "DMAUDRIE2") << 16)
        self.mcu.drive_interrupt("TIM6_DAC", self.name, bool(self._underruns & enabled))

    def _listen(self, channel: int, wanted: str) -> None:
        before, self._heard[channel] = self._heard[channel], wanted
        if before == wanted:
            return
        listener = f"{self.name} {channel}"
        if before:
            self.mcu.triggers.hear(before, listener, None)
        if wanted:
            self.mcu.triggers.hear(wanted, listener, partial(self._triggered, channel))
