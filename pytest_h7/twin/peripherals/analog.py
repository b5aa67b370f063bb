"""Voltages at the pins and in the chip: what ADC, comparators and amplifiers see.

A wire has, in this order, the voltage set from outside, that of an analog output of the chip, and what its digital
level is worth: the supply or ground. A pin that nothing drives or pulls is at 0 V; not known of the hardware.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.chip.analog_inputs import SENSOR_V_AT_30, SENSOR_V_PER_DEGREE, VREFINT_V

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

_SWITCHES = {"PA0": "PA0SO", "PA1": "PA1SO", "PC2": "PC2SO", "PC3": "PC3SO"}
"""Pins with a direct pad beside them, and the bit of SYSCFG_PMCR that opens the switch between the two."""


class Analog:
    """The analog side of the chip and of its board.

    Attributes:
        supply: VDDA in volts.
        battery: VBAT in volts.
        temperature: Of the die, in degrees Celsius.
        external_reference: What the board puts on VREF+, in volts; None leaves it to VREFBUF. The NUCLEO connects
            it to VDDA.
    """

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._external: dict[str, float] = {}
        self._outputs: dict[str, float] = {}
        self._inside: dict[str, float] = {}
        self._watchers: list[Callable[[], None]] = []
        self.supply = 3.3
        self.battery = 3.3
        self.temperature = 25.0
        self.external_reference: float | None = 3.3
        self.internal_reference = 0.0

    # -- from outside the chip ------------------------------------------------------------------

    def set(self, pin: str, volts: float) -> None:
        """Put a voltage on a pin until `release`; of several on one wire the lowest wins.

        Args:
            pin: ``"PA3"``, or ``"PC2_C"`` for a direct pad.
            volts: 0 V is ground.

        Raises:
            ValueError: there is no such pin.
        """
        self._joined(pin)
        self._external[pin] = volts
        self._changed()

    def release(self, pin: str) -> None:
        """Take the voltage from a pin."""
        self._external.pop(pin, None)
        self._changed()

    def voltage(self, name: str) -> float:
        """Return the voltage of a pin or of a signal inside the chip, in volts.

        Args:
            name: A pin, ``"VREFINT"``, ``"VSENSE"``, ``"VBAT/4"``, ``"DAC1_OUT1"`` or ``"DAC1_OUT2"``.

        Raises:
            ValueError: there is no such pin.
        """
        match name:
            case "VREFINT":
                return VREFINT_V
            case "VSENSE":
                return SENSOR_V_AT_30 + SENSOR_V_PER_DEGREE * (self.temperature - 30)
            case "VBAT/4":
                return self.battery / 4
            case "DAC1_OUT1" | "DAC1_OUT2":
                return self._inside.get(name, 0.0)
        wire = self._joined(name)
        for voltages in (self._external, self._outputs):
            present = [voltages[pin] for pin in wire if pin in voltages]
            if present:
                return min(present)
        pins = [pin for pin in wire if not pin.endswith("_C")]
        return self.supply if pins and self._mcu.pins.level(pins[0]) else 0.0

    @property
    def reference(self) -> float:
        """VREF+ in volts."""
        return self.internal_reference if self.external_reference is None else self.external_reference

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever a voltage has been set, from outside or by an analog output of the chip."""
        self._watchers.append(watcher)

    # -- from inside the chip -------------------------------------------------------------------

    def drive(self, pin: str, volts: float | None) -> None:
        """Let an analog output of the chip drive a pin; None lets go of it."""
        self._put(self._outputs, pin, volts)

    def drive_inside(self, signal: str, volts: float | None) -> None:
        """Give a signal inside the chip a voltage."""
        self._put(self._inside, signal, volts)

    def _put(self, voltages: dict[str, float], name: str, volts: float | None) -> None:
        if voltages.get(name) == volts:
            return
        if volts is None:
            voltages.pop(name, None)
        else:
            voltages[name] = volts
        self._changed()

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _joined(self, name: str) -> list[str]:
        """Return the pins and pads that are on one wire with one of them."""
        base = name.removesuffix("_C")
        if name != base and base not in _SWITCHES:
            raise ValueError(
                f"there is no pad {name}: the pads are {', '.join(f'{pin}_C' for pin in _SWITCHES)}"
            )
        if name != base and self._is_open(base):
            return [name]
        joined = list(self._mcu.pins.joined(base))
        pads = [f"{pin}_C" for pin in joined if pin in _SWITCHES and not self._is_open(pin)]
        return joined + pads

    def _is_open(self, pin: str) -> bool:
        return bool(self._mcu.syscfg.field("PMCR", _SWITCHES[pin]))
