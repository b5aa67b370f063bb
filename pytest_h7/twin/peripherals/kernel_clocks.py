"""Kernel clocks: what a peripheral's own logic runs on, apart from its bus (RM0399 section 9.5.8, table 56).

Software selects them in RCC_D1CCIPR, D2CCIP1R, D2CCIP2R and D3CCIPR (9.7.18 to 9.7.21). A source that does not
run gives no clock, 0 Hz, and so does a reserved code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.rcc import Rcc


class _Selection(NamedTuple):
    register: str
    field: str
    sources: tuple[str, ...]
    """The clock of each code of the field; ``-`` is none."""


def _selection(register: str, field: str, sources: str) -> _Selection:
    return _Selection(register, field, tuple(sources.split()))


_USART16 = _selection("D2CCIP2R", "USART16SEL", "pclk2 pll2_q pll3_q hsi csi lse")
_USART28 = _selection("D2CCIP2R", "USART28SEL", "pclk1 pll2_q pll3_q hsi csi lse")
_SPI123 = _selection("D2CCIP1R", "SPI123SEL", "pll1_q pll2_p pll3_p - per")  # code 3: pin I2S_CKIN
_SPI45 = _selection("D2CCIP1R", "SPI45SEL", "pclk2 pll2_q pll3_q hsi csi hse")
_SAI23 = _selection("D2CCIP1R", "SAI23SEL", "pll1_q pll2_p pll3_p - per")
_I2C123 = _selection("D2CCIP2R", "I2C123SEL", "pclk1 pll3_r hsi csi")
_LPTIM345 = _selection("D3CCIPR", "LPTIM345SEL", "pclk4 pll2_p pll3_r lse lsi per")
_FDCAN = _selection("D2CCIP1R", "FDCANSEL", "hse pll1_q pll2_q")
_USB = _selection("D2CCIP2R", "USBSEL", "- pll1_q pll3_q hsi48")
_SDMMC = _selection("D1CCIPR", "SDMMCSEL", "pll1_q pll2_r")
_ADC = _selection("D3CCIPR", "ADCSEL", "pll2_p pll3_r per")
_MEMORY_SOURCES = "hclk pll1_q pll2_r per"

_PER = _selection("D1CCIPR", "CKPERSEL", "hsi csi hse")

_SELECTIONS = {
    **dict.fromkeys(("USART1", "USART6"), _USART16),
    **dict.fromkeys(("USART2", "USART3", "UART4", "UART5", "UART7", "UART8"), _USART28),
    "LPUART1": _selection("D3CCIPR", "LPUART1SEL", "pclk4 pll2_q pll3_q hsi csi lse"),
    **dict.fromkeys(("SPI1", "SPI2", "SPI3"), _SPI123),
    **dict.fromkeys(("SPI4", "SPI5"), _SPI45),
    "SPI6": _selection("D3CCIPR", "SPI6SEL", "pclk4 pll2_q pll3_q hsi csi hse"),
    "SAI1": _selection("D2CCIP1R", "SAI1SEL", "pll1_q pll2_p pll3_p - per"),
    **dict.fromkeys(("SAI2", "SAI3"), _SAI23),
    "SAI4": _selection("D3CCIPR", "SAI4ASEL", "pll1_q pll2_p pll3_p - per"),
    **dict.fromkeys(("I2C1", "I2C2", "I2C3"), _I2C123),
    "I2C4": _selection("D3CCIPR", "I2C4SEL", "pclk4 pll3_r hsi csi"),
    "LPTIM1": _selection("D2CCIP2R", "LPTIM1SEL", "pclk1 pll2_p pll3_r lse lsi per"),
    "LPTIM2": _selection("D3CCIPR", "LPTIM2SEL", "pclk4 pll2_p pll3_r lse lsi per"),
    **dict.fromkeys(("LPTIM3", "LPTIM4", "LPTIM5"), _LPTIM345),
    **dict.fromkeys(("ADC1", "ADC2", "ADC3"), _ADC),
    **dict.fromkeys(("FDCAN1", "FDCAN2"), _FDCAN),
    **dict.fromkeys(("USB1_OTG_HS", "USB2_OTG_FS"), _USB),
    **dict.fromkeys(("SDMMC1", "SDMMC2"), _SDMMC),
    "QUADSPI": _selection("D1CCIPR", "QSPISEL", _MEMORY_SOURCES),
    "FMC": _selection("D1CCIPR", "FMCSEL", _MEMORY_SOURCES),
    "RNG": _selection("D2CCIP2R", "RNGSEL", "hsi48 pll1_q lse lsi"),
}

_READY = {
    "hsi": ("CR", "HSIRDY"),
    "csi": ("CR", "CSIRDY"),
    "hsi48": ("CR", "HSI48RDY"),
    "hse": ("CR", "HSERDY"),
    "lse": ("BDCR", "LSERDY"),
    "lsi": ("CSR", "LSIRDY"),
}


def kernel_clock_hz(rcc: Rcc, name: str) -> int:
    """Return the kernel clock of a peripheral in Hz, 0 while its source does not run.

    Raises:
        KeyError: the peripheral has no selectable kernel clock.
    """
    return _selected_hz(rcc, _SELECTIONS[name])


def kernel_clock_source(rcc: Rcc, name: str) -> str:
    """Return what the kernel clock of a peripheral is taken from, ``"hsi"`` or ``"pll2_q"``; ``"-"`` is nothing.

    Raises:
        KeyError: the peripheral has no selectable kernel clock.
    """
    selection = _SELECTIONS[name]
    code = rcc.field(selection.register, selection.field)
    return selection.sources[code] if code < len(selection.sources) else "-"


def _selected_hz(rcc: Rcc, selection: _Selection) -> int:
    code = rcc.field(selection.register, selection.field)
    return _source_hz(rcc, selection.sources[code]) if code < len(selection.sources) else 0


def _source_hz(rcc: Rcc, source: str) -> int:
    if source == "-":
        return 0
    if source == "per":
        return _selected_hz(rcc, _PER)
    if source.startswith("pll"):
        pll, output = int(source[3]), source[-1].upper()
        running = rcc.field("CR", f"PLL{pll}RDY") and rcc.field("PLLCFGR", f"DIV{output}{pll}EN")
        return rcc.pll_hz(pll, output) if running else 0
    if source in _READY and not rcc.field(*_READY[source]):
        return 0
    return rcc.clock_hz(source)
