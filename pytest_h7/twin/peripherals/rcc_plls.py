"""The PLLs: what their registers take while they run, and their frequencies (RM0399 9.5.5, 9.7.10 to 9.7.17)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.peripherals.rcc import Rcc

PLLS = (1, 2, 3)
SOURCES = ("HSI", "CSI", "HSE")
"""PLLSRC -> oscillator; code 3 is none."""

_FRACTION = 1 << 13


class Plls:
    """The registers PLLCKSELR, PLLCFGR and PLLxDIVR of RCC.

    What a PLL runs with cannot be changed until it is off; such a write is ignored.
    """

    def __init__(self, rcc: Rcc) -> None:
        self._rcc = rcc
        rcc.model("PLLCKSELR", writer=self._write_source)
        rcc.model("PLLCFGR", writer=self._write_configuration)
        for pll in PLLS:
            rcc.model(f"PLL{pll}DIVR", writer=partial(self._write_dividers, pll))

    def _is_on(self, pll: int) -> bool:
        return bool(self._rcc.field("CR", f"PLL{pll}ON"))

    def _mask(self, register: str, *fields: str) -> int:
        return sum(self._rcc.map.registers[register].fields[field].mask for field in fields)

    def _write_unlocked(self, register: str, value: int, locked: int) -> None:
        rcc = self._rcc
        rcc[register] = value & ~locked | rcc[register] & locked

    def _write_source(self, value: int, master: Master) -> None:
        running = [pll for pll in PLLS if self._is_on(pll)]
        locked = self._mask("PLLCKSELR", *(f"DIVM{pll}" for pll in running))
        if running:
            locked |= self._mask("PLLCKSELR", "PLLSRC")
        self._write_unlocked("PLLCKSELR", value, locked)

    def _write_configuration(self, value: int, master: Master) -> None:
        locked = 0
        for pll in PLLS:
            if self._is_on(pll):
                outputs = (f"DIV{output}{pll}EN" for output in "PQR")
                locked |= self._mask("PLLCFGR", f"PLL{pll}VCOSEL", f"PLL{pll}RGE", *outputs)
        self._write_unlocked("PLLCFGR", value, locked)
        self._rcc.mcu.clocks_changed()

    def _write_dividers(self, pll: int, value: int, master: Master) -> None:
        register = f"PLL{pll}DIVR"
        if not self._is_on(pll):
            self._write_unlocked(register, value, 0)

    @property
    def source(self) -> str | None:
        """The oscillator that feeds all PLLs, None if PLLSRC selects none."""
        code = self._rcc.field("PLLCKSELR", "PLLSRC")
        return SOURCES[code] if code < len(SOURCES) else None

    def reference_hz(self, pll: int) -> int:
        """Return the frequency at the input of a PLL in Hz, 0 without a source."""
        divider = self._rcc.field("PLLCKSELR", f"DIVM{pll}")
        return self._rcc.clock_hz(self.source.lower()) // divider if self.source and divider else 0

    def _multiplier(self, pll: int) -> int:
        """Return by what a PLL multiplies its input, in units of 1/8192."""
        multiplier = _FRACTION * (self._rcc.field(f"PLL{pll}DIVR", f"N{pll}") + 1)
        if self._rcc.field("PLLCFGR", f"PLL{pll}FRACEN"):
            multiplier += self._rcc.field(f"PLL{pll}FRACR", f"FRACN{pll}")
        return multiplier

    def vco_hz(self, pll: int) -> int:
        """Return the frequency of a PLL's oscillator in Hz."""
        return self.reference_hz(pll) * self._multiplier(pll) // _FRACTION

    def output_hz(self, pll: int, output: str) -> int:
        """Return the frequency of output ``P``, ``Q`` or ``R`` in Hz, 0 without a source."""
        divm = self._rcc.field("PLLCKSELR", f"DIVM{pll}")
        if self.source is None or divm == 0:
            return 0
        divider = self._rcc.field(f"PLL{pll}DIVR", f"{output}{pll}") + 1
        source = self._rcc.clock_hz(self.source.lower())
        return source * self._multiplier(pll) // (_FRACTION * divm * divider)
