"""What the analog peripherals are connected to, and what the factory measured (RM0399 26.4.4, DS12919).

Inputs are named by pin (``"PA3"``; ``"PC2_C"`` is the direct pad beside the switch of PC2) or by the signal inside
the chip (``"VREFINT"``).
"""

from __future__ import annotations

ADC_INPUTS = {
    "ADC1": (
        *("PA0_C", "PA1_C", "PF11", "PA6", "PC4", "PB1", "PF12", "PA7", "PC5", "PB0"),
        *("PC0", "PC1", "PC2", "PC3", "PA2", "PA3", "PA0", "PA1", "PA4", "PA5"),
    ),
    "ADC2": (
        *("PA0_C", "PA1_C", "PF13", "PA6", "PC4", "PB1", "PF14", "PA7", "PC5", "PB0"),
        *("PC0", "PC1", "PC2", "PC3", "PA2", "PA3", "DAC1_OUT1", "DAC1_OUT2", "PA4", "PA5"),
    ),
    "ADC3": (
        *("PC2_C", "PC3_C", "PF9", "PF7", "PF5", "PF3", "PF10", "PF8", "PF6", "PF4"),
        *("PC0", "PC1", "PC2", "PH2", "PH3", "PH4", "PH5", "VBAT/4", "VSENSE", "VREFINT"),
    ),
}
"""Positive inputs INP0 to INP19."""

_ADC12_NEGATIVE = {1: "PA0_C", 3: "PA7", 4: "PC5", 5: "PB0", 10: "PC1", 11: "PC2", 12: "PC3", 18: "PA5"}
_ADC3_NEGATIVE = {10: "PC1", 11: "PC2", 13: "PH3", 14: "PH4", 15: "PH5"}
ADC_NEGATIVE_INPUTS = {
    "ADC1": {**_ADC12_NEGATIVE, 2: "PF12", 16: "PA1"},
    "ADC2": {**_ADC12_NEGATIVE, 2: "PF14"},
    "ADC3": {1: "PC2_C", 2: "PF10", 3: "PF8", 4: "PF6", 5: "PF4", **_ADC3_NEGATIVE},
}
"""Negative inputs of the channels that can be differential; those of the others are ground."""

DAC_PINS = {1: "PA4", 2: "PA5"}
COMPARATOR_INPUTS = {1: ("PB0", "PB2"), 2: ("PE9", "PE11")}
"""Pins that INPSEL chooses from (RM0399 chapter 29)."""

COMPARATOR_NEGATIVE_INPUTS = {1: ("PB1", "PC4"), 2: ("PE10", "PE7")}
"""Pins of the codes 6 and 7 of INMSEL."""

AMPLIFIER_PINS = {1: ("PB0", ("PC5", "PA7"), "PC4"), 2: ("PE9", ("PE8", "PG1"), "PE7")}
"""VINP, VINM0 and VINM1, VOUT of the operational amplifiers (RM0399 chapter 30)."""

VREFINT_V = 1.216
"""Typical internal reference voltage (DS12919, embedded reference voltage)."""

SENSOR_V_AT_30 = 0.62
SENSOR_V_PER_DEGREE = 0.002
"""Typical temperature sensor (DS12919)."""

_CALIBRATION_V = 3.3


def _calibration(volts: float) -> bytes:
    return round(volts / _CALIBRATION_V * 0xFFFF).to_bytes(2, "little")


FACTORY_CALIBRATION = {
    0x1FF1_E820: _calibration(SENSOR_V_AT_30),
    0x1FF1_E840: _calibration(SENSOR_V_AT_30 + 80 * SENSOR_V_PER_DEGREE),
    0x1FF1_E860: _calibration(VREFINT_V),
}
"""16-bit conversions made at 3.3 V in the factory: TS_CAL1 at 30 degrees Celsius, TS_CAL2 at 110, VREFINT_CAL; the
addresses are those of ST's stm32h7xx_ll_adc.h, the values those of a typical chip."""
