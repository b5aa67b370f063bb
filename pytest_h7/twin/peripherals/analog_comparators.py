"""COMP1 and COMP2 (RM0399 chapter 29). Hysteresis, blanking and delays are not modelled.

Outputs are found when they are read, and whenever a voltage is set (`Analog.watch`); the interrupt is that of EXTI
line 20 or 21.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.analog_inputs import COMPARATOR_INPUTS, COMPARATOR_NEGATIVE_INPUTS, VREFINT_V
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_COMPARATORS = (1, 2)
_EXTI_LINES = {1: 20, 2: 21}
_DAC_OUTPUTS = {4: "DAC1_OUT1", 5: "DAC1_OUT2"}
_FIRST_PIN_CODE = 6
_FLAGS = 1 << 16


class Comparators(Peripheral):
    """Both comparators."""

    def __init__(self, mcu: Mcu) -> None:
        self._outputs = dict.fromkeys(_COMPARATORS, False)
        self._flags = 0
        super().__init__(mcu, "COMP12")
        for number in _COMPARATORS:
            self.model(f"CFGR{number}", writer=partial(self._write_configuration, number))
        mcu.analog.watch(self._update)

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"OR"})

    def reset(self) -> None:
        """Reset by a system reset or by RCC: off."""
        super().reset()
        self._outputs = dict.fromkeys(_COMPARATORS, False)
        self._flags = 0

    def _write_configuration(self, number: int, value: int, master: Master) -> None:
        """Write CFGR, unless it is locked until the next reset."""
        register = f"CFGR{number}"
        if not self.field(register, "LOCK"):
            self[register] = value & self.implemented(register)
        self._update()

    def read_SR(self, master: Master) -> int:
        self._update()
        return self._flags | sum(self._outputs[number] << number - 1 for number in _COMPARATORS)

    def write_ICFR(self, value: int, master: Master) -> None:
        self._flags &= ~value

    def _update(self) -> None:
        """Find the outputs again; an edge goes to EXTI, a rising one sets the flag, too."""
        for number in _COMPARATORS:
            before, output = self._outputs[number], self._compare(number)
            self._outputs[number] = output
            if output and not before:
                self._flags |= _FLAGS << number - 1
            if output is not before:
                self.mcu.exti.edge(_EXTI_LINES[number], output)

    def _compare(self, number: int) -> bool:
        register = f"CFGR{number}"
        if not self.field(register, "EN"):
            return False
        analog = self.mcu.analog
        window = number == 2 and self.field(register, "WINMODE")
        source = 1 if window else number
        positive = COMPARATOR_INPUTS[source][self.field(f"CFGR{source}", "INPSEL")]
        higher = analog.voltage(positive) > self._threshold(number)
        return higher is not bool(self.field(register, "POLARITY"))

    def _threshold(self, number: int) -> float:
        """Return the voltage at the negative input, by INMSEL."""
        code = self.field(f"CFGR{number}", "INMSEL")
        if code in _DAC_OUTPUTS:
            return self.mcu.analog.voltage(_DAC_OUTPUTS[code])
        if code >= _FIRST_PIN_CODE:
            return self.mcu.analog.voltage(COMPARATOR_NEGATIVE_INPUTS[number][code - _FIRST_PIN_CODE])
        return VREFINT_V * (code + 1) / 4
