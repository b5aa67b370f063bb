"""ADC1 to ADC3: power, calibration, flags and registers (RM0399 chapter 26).

Voltages come from `Mcu.analog`. The converters are exact and alike: calibration takes its time and finds
nothing to correct. Not modelled, and counted when firmware switches it on: dual modes, the queue of injected
contexts, triggered oversampling, data for DFSDM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.adc_result import Converter
from pytest_h7.twin.peripherals.adc_sequencer import ADSTART, EOC, JADSTART, OVR, Sequencer
from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S, PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

ADCS = {"ADC1": "ADC12_COMMON", "ADC2": "ADC12_COMMON", "ADC3": "ADC3_COMMON"}
_LINES = {"ADC1": "ADC", "ADC2": "ADC", "ADC3": "ADC3"}

_REGULATOR_START_UP = 10 * PS_PER_US
"""Time to LDORDY (DS12919, tADCVREG_STUP, maximum)."""

_START_UP_CYCLES = 8
"""From ADEN to ADRDY, about a conversion (DS12919, tSTAB)."""

_OFFSET_CYCLES, _LINEARITY_CYCLES = 1_280, 165_010
"""Duration of a calibration without and with linearity, in ADC clocks (DS12919)."""

_ADEN, _ADDIS, _ADSTP, _JADSTP = 1 << 0, 1 << 1, 1 << 4, 1 << 5
_ADVREGEN, _DEEPPWD, _ADCAL = 1 << 28, 1 << 29, 1 << 31
_SETTINGS = 3 << 8 | 1 << 16 | 1 << 30
_LINEARITY_WORDS = 0x3F << 22
_ADRDY, _LDORDY = 1 << 0, 1 << 12
_CLEARABLE = 0x7FF
_ONE_SHOT, _TO_DFSDM, _CIRCULAR = 1, 2, 3
_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
_SYNCHRONOUS_DIVIDERS = (1, 1, 2, 4)
_PLAIN = (
    *(
        "SMPR1",
        "SMPR2",
        "PCSEL",
        "LTR1",
        "HTR1",
        "LTR2",
        "HTR2",
        "LTR3",
        "HTR3",
        "SQR1",
        "SQR2",
        "SQR3",
        "SQR4",
    ),
    *("JSQR", "OFR1", "OFR2", "OFR3", "OFR4", "JDR1", "JDR2", "JDR3", "JDR4", "AWD2CR", "AWD3CR", "DIFSEL"),
    *("CALFACT", "CALFACT2"),
)


class AdcCommon(Peripheral):
    """The registers ADC1 shares with ADC2, and those of ADC3 alone."""

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"CCR"})

    def write_CCR(self, value: int, master: Master) -> None:
        self["CCR"] = value & self.implemented("CCR")
        if self.field("CCR", "DUAL") and master.is_core:
            self.mcu.count_unmodelled(self.name, "CCR", master, write=True)

    def read_CSR(self, master: Master) -> int:
        """Return the flags of the master ADC, and those of the slave above them."""
        adcs = [self.mcu.peripherals[name] for name, common in ADCS.items() if common == self.name]
        flags = [adc.flags & _CLEARABLE for adc in adcs if isinstance(adc, Adc)]
        return sum(value << 16 * place for place, value in enumerate(flags))


class Adc(Peripheral):
    """One ADC.

    Attributes:
        flags: What ISR shows.
    """

    def __init__(self, mcu: Mcu, name: str, common: AdcCommon) -> None:
        self.flags = 0
        self._common = common
        self._power_event: Event | None = None
        self._ready = False
        self._clock_hz = 0
        self._requesting = False
        self.converter = Converter(self, common)
        self.sequencer = Sequencer(self)
        super().__init__(mcu, name)

    def plain_storage(self) -> frozenset[str]:
        return frozenset(_PLAIN)

    def reset(self) -> None:
        """Reset by a system reset or by RCC: into deep power-down."""
        super().reset()
        self._power_down()
        self.flags = 0
        self._update()

    def read(self, offset: int, size: int, master: Master) -> int:
        """Read, as of now."""
        self.sequencer.catch_up()
        return super().read(offset, size, master)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write, from now on."""
        self.sequencer.catch_up()
        super().write(offset, size, value, master)

    # -- clock ----------------------------------------------------------------------------------

    @property
    def clock_hz(self) -> int:
        """Frequency of the converter in Hz: the selected clock, by two (RM0399 26.7.2, CKMODE)."""
        return self._clock_hz

    def _find_clock(self) -> int:
        if not self.mcu.clocked(self.name):
            return 0
        mode = self._common.field("CCR", "CKMODE")
        if mode:
            return self.mcu.rcc.clock_hz("hclk") // _SYNCHRONOUS_DIVIDERS[mode] // 2
        prescaler = self._common.field("CCR", "PRESC")
        divider = _PRESCALERS[prescaler] if prescaler < len(_PRESCALERS) else 1
        return kernel_clock_hz(self.mcu.rcc, self.name) // divider // 2

    def clock_changed(self) -> None:
        """Go on with what waited for the clock, or stop without it."""
        before, self._clock_hz = self._clock_hz, self._find_clock()
        if before == self._clock_hz:
            return
        self.sequencer.clock_changed()
        if not before and not self._ready:
            self._continue_start()

    # -- power, calibration, enable ---------------------------------------------------------------

    def write_CR(self, value: int, master: Master) -> None:
        """Write the settings, and carry out the commands that are set."""
        self.clock_changed()
        before = self["CR"]
        self._set_power(value)
        self["CR"] = self["CR"] & ~_SETTINGS | value & _SETTINGS
        if before & _ADEN:
            self._access_linearity(value)
        if value & _ADCAL and not before & (_ADCAL | _ADEN):
            self["CR"] |= _ADCAL
            self._continue_start()
        if value & _ADEN and not before & (_ADEN | _ADCAL):
            self["CR"] |= _ADEN
            self._continue_start()
        if before & _ADEN:
            self._command(value, before)
        self._update()

    def _set_power(self, value: int) -> None:
        if value & _DEEPPWD:
            self._power_down()
            return
        self["CR"] &= ~_DEEPPWD
        if value & _ADVREGEN and not self["CR"] & _ADVREGEN:
            self["CR"] |= _ADVREGEN
            self._power_event = self.mcu.schedule(_REGULATOR_START_UP, self._regulator_ready)
        elif not value & _ADVREGEN:
            self._power_down()
            self["CR"] &= ~_DEEPPWD

    def _power_down(self) -> None:
        """Switch everything off; the linearity calibration is lost."""
        if self._power_event is not None:
            self._power_event.cancel()
        self._power_event = None
        self._ready = False
        self.flags &= ~_LDORDY
        self.sequencer.reset()
        self["CR"] = self["CR"] & _SETTINGS | _DEEPPWD

    def _regulator_ready(self) -> None:
        self._power_event = None
        self.flags |= _LDORDY
        self._continue_start()

    def _continue_start(self) -> None:
        """Calibrate or start up, once the regulator and the clock are there."""
        if self._power_event is not None or not self.flags & _LDORDY or not self._clock_hz:
            return
        if self["CR"] & _ADCAL:
            cycles = _LINEARITY_CYCLES if self.field("CR", "ADCALLIN") else _OFFSET_CYCLES
            self._power_event = self._after(cycles, self._calibrated)
        elif self["CR"] & _ADEN and not self._ready:
            self._power_event = self._after(_START_UP_CYCLES, self._started)

    def _after(self, cycles: int, action: Callable[[], None]) -> Event:
        return self.mcu.schedule(cycles * PS_PER_S // self._clock_hz, action)

    def _calibrated(self) -> None:
        self._power_event = None
        self["CR"] &= ~_ADCAL
        if self.field("CR", "ADCALLIN"):
            self["CR"] |= _LINEARITY_WORDS

    def _started(self) -> None:
        self._power_event = None
        self._ready = True
        self.raise_flags(_ADRDY)

    def _access_linearity(self, value: int) -> None:
        """Take over a bit that asks for a word of the linearity factor, or has one written: at once."""
        changed = (self["CR"] ^ value) & _LINEARITY_WORDS
        self["CR"] ^= changed
        if changed & ~value:
            self["CALFACT2"] = 0

    def _command(self, value: int, before: int) -> None:
        converting = before & (ADSTART | JADSTART)
        if value & _ADDIS and not converting:
            self._disable()
            return
        if value & ADSTART and not before & ADSTART and self._ready:
            self.sequencer.start_regular()
        if value & JADSTART and not before & JADSTART and self._ready:
            self.sequencer.start_injected()
        if value & _ADSTP and before & ADSTART:
            self.sequencer.stop_regular()
        if value & _JADSTP and before & JADSTART:
            self.sequencer.stop_injected()

    def _disable(self) -> None:
        if self._power_event is not None:
            self._power_event.cancel()
        self._power_event = None
        self._ready = False
        self["CR"] &= ~_ADEN
        self.sequencer.reset()

    # -- other registers --------------------------------------------------------------------------

    def read_ISR(self, master: Master) -> int:
        return self.flags

    def write_ISR(self, value: int, master: Master) -> None:
        self.flags &= ~(value & _CLEARABLE)
        self.sequencer.flags_cleared()
        self._update()

    def write_IER(self, value: int, master: Master) -> None:
        self["IER"] = value & self.implemented("IER")
        self._update()

    def write_CFGR(self, value: int, master: Master) -> None:
        self["CFGR"] = value & self.implemented("CFGR")
        self._count_if(not self.field("CFGR", "JQDIS") or self._data_management == _TO_DFSDM, "CFGR", master)
        self._update()

    def write_CFGR2(self, value: int, master: Master) -> None:
        self["CFGR2"] = value & self.implemented("CFGR2")
        self._count_if(bool(self.field("CFGR2", "TROVS")), "CFGR2", master)

    def _count_if(self, unmodelled: bool, register: str, master: Master) -> None:
        if unmodelled and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def read_DR(self, master: Master) -> int:
        """Return the oldest result; with the last one EOC goes."""
        data = self.sequencer.read_data(by_dma=not (master.is_core or master.is_debugger))
        if not self.sequencer.data_waits:
            self.flags &= ~EOC
        self.sequencer.flags_cleared()
        self._update()
        return data

    # -- flags, interrupt and DMA -----------------------------------------------------------------

    @property
    def _data_management(self) -> int:
        return self.field("CFGR", "DMNGT")

    @property
    def one_shot(self) -> bool:
        """Whether the conversions end with the last transfer of DMA."""
        return self._data_management == _ONE_SHOT

    @property
    def uses_dma(self) -> bool:
        """Whether regular results go to DMA."""
        return self._data_management in (_ONE_SHOT, _CIRCULAR)

    def raise_flags(self, flags: int) -> None:
        """Set flags."""
        self.flags |= flags
        self._update()

    def _update(self) -> None:
        """Drive the interrupt line and the request to DMA, which an overrun blocks."""
        self.mcu.drive_interrupt(_LINES[self.name], self.name, bool(self.flags & self["IER"] & _CLEARABLE))
        requesting = self.uses_dma and self.sequencer.data_waits and not self.flags & OVR
        if requesting != self._requesting:
            self._requesting = requesting
            self.mcu.hold_dma_request(self.name, level=requesting)
