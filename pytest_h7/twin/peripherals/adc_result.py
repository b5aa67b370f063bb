"""From a voltage to what an ADC writes into its data registers (RM0399 26.4.27, 26.4.30, 26.4.31)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_h7.chip.analog_inputs import ADC_INPUTS, ADC_NEGATIVE_INPUTS

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.peripheral import Peripheral

_RESOLUTIONS = (16, 14, 12, 10, 16, 14, 12, 8)
"""Bits by RES, as from revision V on; code 4 is reserved."""

_INTERNAL_ENABLES = {"VREFINT": "VREFEN", "VSENSE": "TSEN", "VBAT/4": "VBATEN"}
_SAMPLING_HALF_CYCLES = (3, 5, 17, 33, 65, 129, 775, 1621)
_WORD = 0xFFFF_FFFF
AWD1, AWD2, AWD3 = 1 << 7, 1 << 8, 1 << 9


class Result(NamedTuple):
    """A conversion: the data, and the flags of the watchdogs that it has woken."""

    data: int
    flags: int


class Converter:
    """The converter of one ADC, its oversampler, offset correction and watchdogs.

    Args:
        adc: The ADC.
        common: The registers it shares with others.
    """

    def __init__(self, adc: Peripheral, common: Peripheral) -> None:
        self._adc = adc
        self._common = common

    @property
    def _bits(self) -> int:
        return _RESOLUTIONS[self._adc.field("CFGR", "RES")]

    def _oversampled(self, *, injected: bool) -> bool:
        return bool(self._adc.field("CFGR2", "JOVSE" if injected else "ROVSE"))

    def half_cycles(self, channel: int, *, injected: bool) -> int:
        """Return how long a conversion takes, oversampling included, in halves of an ADC clock (26.4.17)."""
        register = "SMPR1" if channel < 10 else "SMPR2"
        sampling = self._adc[register] >> 3 * (channel % 10) & 7
        half_cycles = _SAMPLING_HALF_CYCLES[sampling] + self._bits + 1
        if self._oversampled(injected=injected):
            half_cycles *= self._adc.field("CFGR2", "OVSR") + 1
        return half_cycles

    # -- voltage --------------------------------------------------------------------------------

    def _code(self, channel: int) -> int:
        """Return what the converter makes of a channel; one that is not preselected in PCSEL gives 0."""
        inputs = ADC_INPUTS[self._adc.name]
        full_scale = (1 << self._bits) - 1
        reference = self._adc.mcu.analog.reference
        if channel >= len(inputs) or reference <= 0:
            return 0
        share = self._voltage(inputs[channel], channel) / reference
        if self._adc["DIFSEL"] >> channel & 1:
            negative = ADC_NEGATIVE_INPUTS[self._adc.name].get(channel)
            below = 0.0 if negative is None else self._adc.mcu.analog.voltage(negative)
            share = (1 + share - below / reference) / 2
        return min(max(round(share * full_scale), 0), full_scale)

    def _voltage(self, name: str, channel: int) -> float:
        if name in _INTERNAL_ENABLES:
            connected = self._common.field("CCR", _INTERNAL_ENABLES[name])
        else:
            connected = not name.startswith("P") or self._adc["PCSEL"] >> channel & 1
        return self._adc.mcu.analog.voltage(name) if connected else 0.0

    # -- data -----------------------------------------------------------------------------------

    def convert(self, channel: int, *, injected: bool) -> Result:
        """Convert a channel and return what comes of it."""
        code = self._code(channel)
        if self._oversampled(injected=injected):
            total = code * (self._adc.field("CFGR2", "OVSR") + 1)
            flags = self._watchdogs(total, channel, injected=injected)
            total -= self._offset(channel)[0]
            shift = self._adc.field("CFGR2", "OVSS")
            if shift:
                total = total + (1 << shift - 1) >> shift
            return Result(total & _WORD, flags)
        flags = self._watchdogs(code << 16 - self._bits, channel, injected=injected)
        return Result(self._aligned(code, channel), flags)

    def _aligned(self, code: int, channel: int) -> int:
        offset, number, saturates = self._offset(channel)
        data = code
        if offset:
            data -= offset >> 16 - self._bits
            if saturates and self._bits in (8, 16):
                half = 1 << self._bits - 1
                data = min(max(data, -half), half - 1)
            elif self._adc.field("CFGR2", f"RSHIFT{number}"):
                data >>= 1
        return data << self._adc.field("CFGR2", "LSHIFT") & _WORD

    def _offset(self, channel: int) -> tuple[int, int, bool]:
        """Return the offset of a channel, the number of its register and whether the result saturates."""
        for number in (1, 2, 3, 4):
            register = f"OFR{number}"
            offset = self._adc.field(register, f"OFFSET{number}")
            if offset and self._adc.field(register, f"OFFSET{number}_CH") == channel:
                return offset, number, bool(self._adc.field(register, "SSATE"))
        return 0, 0, False

    # -- watchdogs ------------------------------------------------------------------------------

    def _watchdogs(self, value: int, channel: int, *, injected: bool) -> int:
        flags = 0
        for flag, number in ((AWD1, 1), (AWD2, 2), (AWD3, 3)):
            low, high = self._adc[f"LTR{number}"], self._adc[f"HTR{number}"]
            if self._guards(number, channel, injected=injected) and not low <= value <= high:
                flags |= flag
        return flags

    def _guards(self, number: int, channel: int, *, injected: bool) -> bool:
        if number > 1:
            return bool(self._adc[f"AWD{number}CR"] >> channel & 1)
        if not self._adc.field("CFGR", "JAWD1EN" if injected else "AWD1EN"):
            return False
        return not self._adc.field("CFGR", "AWD1SGL") or self._adc.field("CFGR", "AWD1CH") == channel

    @property
    def guarded(self) -> bool:
        """Whether a watchdog looks at regular conversions."""
        return bool(self._adc.field("CFGR", "AWD1EN") or self._adc["AWD2CR"] or self._adc["AWD3CR"])
