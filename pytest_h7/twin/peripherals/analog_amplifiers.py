"""OPAMP1 and OPAMP2: followers and amplifiers of a programmable gain (RM0399 chapter 30).

Without inner feedback the amplifier compares: what is around it on the board is not known. Outputs follow the
voltages set by `Analog`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.analog_inputs import AMPLIFIER_PINS
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_AMPLIFIERS = (1, 2)
_PGA, _FOLLOWER = 2, 3
_CALON, _CALOUT, _USERTRIM = 1 << 11, 1 << 30, 1 << 18
_FACTORY_TRIM = 16
"""Trimming value at which the offset is compensated: an assumption, the middle of the range."""


class Amplifiers(Peripheral):
    """Both operational amplifiers."""

    def __init__(self, mcu: Mcu) -> None:
        self._settling = False
        super().__init__(mcu, "OPAMP")
        for number in _AMPLIFIERS:
            register = f"OPAMP{number}_CSR"
            self.model(register, partial(self._read_control, number), partial(self._write_control, number))
        mcu.analog.watch(self._update)

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def reset(self) -> None:
        """Reset by a system reset or by RCC: off."""
        super().reset()
        self._update()

    def _read_control(self, number: int, master: Master) -> int:
        """Return CSR; while calibrating, CALOUT is high up to the right trimming value."""
        control = self[f"OPAMP{number}_CSR"] & ~_CALOUT
        pair = "P" if self.field(f"OPAMP{number}_CSR", "CALSEL") & 1 == 0 else "N"
        speed = "HSOTR" if self.field(f"OPAMP{number}_CSR", "OPAHSM") else "OTR"
        trim = self[f"OPAMP{number}_{speed}"] >> (8 if pair == "P" else 0) & 0x1F
        return control | _CALOUT if control & _CALON and trim < _FACTORY_TRIM else control

    def _write_control(self, number: int, value: int, master: Master) -> None:
        self[f"OPAMP{number}_CSR"] = value & self.implemented(f"OPAMP{number}_CSR") & ~_CALOUT
        self._update()

    def _update(self) -> None:
        """Drive the outputs; setting them calls again, until nothing changes."""
        if self._settling:
            return
        self._settling = True
        for number in _AMPLIFIERS:
            self.mcu.analog.drive(AMPLIFIER_PINS[number][2], self._output(number))
        self._settling = False

    def _output(self, number: int) -> float | None:
        register = f"OPAMP{number}_CSR"
        if not self.field(register, "OPAEN") or self[register] & _CALON:
            return None
        analog = self.mcu.analog
        plus, minus, _ = AMPLIFIER_PINS[number]
        internal = number == 1 and self.field(register, "VP_SEL") == 1
        voltage = analog.voltage("DAC1_OUT1" if internal else plus)
        feedback = self.field(register, "VM_SEL")
        if feedback == _PGA:
            voltage *= 2 << (self.field(register, "PGA_GAIN") & 3)
        elif feedback != _FOLLOWER:
            voltage = analog.supply if voltage > analog.voltage(minus[feedback]) else 0.0
        return min(voltage, analog.supply)
