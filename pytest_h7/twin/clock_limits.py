"""How fast each clock may be, and how many wait states the flash needs for it.

Silicon does not check: it fails, sometimes, and says nothing (RM0399 4.9.1, 7.6.4). The virtual board works on and
warns. Sources: RM0399 tables 16 and 62, sections 9.5.5 and 9.7.11 to 9.7.17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.peripherals.rcc import Rcc

_MHZ = 1_000_000

_LIMITS = {"sys": (480, 400, 300, 200), "hclk": (240, 200, 150, 100)}
_LIMITS |= dict.fromkeys(("pclk1", "pclk2", "pclk3", "pclk4"), (120, 100, 75, 64))
"""Clock -> highest frequency in MHz in VOS0, VOS1, VOS2 and VOS3. For the APBs table 62 has 50 MHz in VOS3; but
there they run at HSI's 64 MHz after each reset."""

_NAMES = {"sys": "sys_ck", "hclk": "The AXI and AHB clock"}

_WAIT_STATES = ((70, 140, 210, 225, 240), (70, 140, 210, 225), (55, 110, 165, 225), (45, 90, 135, 180, 225))
"""By VOS: the highest AXI clock in MHz for 0, 1, 2... wait states."""

_PROGRAMMING_DELAYS = ((70, 185), (70, 185), (55, 165), (45, 135))
"""By VOS: the highest AXI clock in MHz for WRHIGHFREQ 0 and 1; above it is 2."""

_INPUT_RANGES = ((1, 2), (2, 4), (4, 8), (8, 16))
"""PLLxRGE -> range of the reference clock in MHz."""

_VCO_RANGES = ((192, 960), (150, 420))
"""PLLxVCOSEL -> range of the VCO in MHz."""


def violations(mcu: Mcu) -> Iterator[str]:
    """Yield a sentence for each clock that is out of range now, with both figures."""
    scale = mcu.pwr.voltage_scale
    for clock, limits in _LIMITS.items():
        megahertz = mcu.rcc.clock_hz(clock) / _MHZ
        if megahertz > limits[scale]:
            name = _NAMES.get(clock, f"rcc_{clock}")
            yield f"{name} runs at {megahertz:g} MHz; VOS{scale} allows {limits[scale]} MHz (RM0399 table 62)."
    yield from _too_few_wait_states(mcu, scale)
    for pll in (1, 2, 3):
        if mcu.rcc.field("CR", f"PLL{pll}RDY"):
            yield from _pll_out_of_range(mcu.rcc, pll)


def programming_delay(mcu: Mcu) -> int:
    """Return the FLASH_ACR.WRHIGHFREQ that erasing and programming need now."""
    megahertz = mcu.rcc.clock_hz("hclk") / _MHZ
    return sum(megahertz > limit for limit in _PROGRAMMING_DELAYS[mcu.pwr.voltage_scale])


def _too_few_wait_states(mcu: Mcu, scale: int) -> Iterator[str]:
    megahertz = mcu.rcc.clock_hz("hclk") / _MHZ
    needed = sum(megahertz > limit for limit in _WAIT_STATES[scale])
    latency = mcu.flash.field("ACR", "LATENCY")
    if latency < needed <= len(_WAIT_STATES[scale]) - 1:
        yield (
            f"FLASH_ACR.LATENCY is {latency}; the flash needs {needed} wait state{'s' if needed > 1 else ''} at "
            f"{megahertz:g} MHz in VOS{scale} (RM0399 table 16)."
        )


def _pll_out_of_range(rcc: Rcc, pll: int) -> Iterator[str]:
    reference = rcc.pll_reference_hz(pll) / _MHZ
    low, high = _INPUT_RANGES[rcc.field("PLLCFGR", f"PLL{pll}RGE")]
    if not low <= reference <= high:
        yield (
            f"PLL{pll}'s input is {reference:g} MHz; PLL{pll}RGE selects {low} to {high} MHz (RM0399 9.7.11)."
        )
    vco = rcc.pll_vco_hz(pll) / _MHZ
    low, high = _VCO_RANGES[rcc.field("PLLCFGR", f"PLL{pll}VCOSEL")]
    if not low <= vco <= high:
        yield f"PLL{pll}'s VCO runs at {vco:g} MHz; PLL{pll}VCOSEL selects {low} to {high} MHz (RM0399 9.7.12)."
    divider = rcc.field("PLL1DIVR", "P1") + 1
    if pll == 1 and divider > 1 and divider % 2:
        yield f"PLL1's output P is divided by {divider}; only 1 and even numbers are allowed (RM0399 9.7.12)."
