"""RCC: clock tree, per-core enable banks, resets and their flags (RM0399 chapter 9)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.rcc_bank import SHARED_ENABLES, RccBank
from pytest_h7.twin.peripherals.rcc_plls import PLLS, Plls
from pytest_h7.twin.peripherals.rcc_slow_clocks import LSE_HZ, LSI_HZ, SlowClocks
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

HSI_HZ = 64_000_000
CSI_HZ = 4_000_000
HSI48_HZ = 48_000_000

_SHARED_BANK = range(0xD0, 0x120)
_C1_BANK = range(0x130, 0x190)
_C2_BANK = range(0x190, 0x1F0)

_START_UP = {
    # Oscillator or PLL: (bit of ON, bit of RDY, start-up time). The times are assumptions in the order
    # of the data sheet's typical values; firmware only sees that RDY comes later than ON.
    "HSI": (0, 2, 2 * PS_PER_US),
    "CSI": (7, 8, 2 * PS_PER_US),
    "HSI48": (12, 13, 3 * PS_PER_US),
    "HSE": (16, 17, 10 * PS_PER_US),
    "PLL1": (24, 25, 50 * PS_PER_US),
    "PLL2": (26, 27, 50 * PS_PER_US),
    "PLL3": (28, 29, 50 * PS_PER_US),
}
_OFF_IN_STOP = sum(
    1 << ready | (0 if name in ("HSI", "CSI") else 1 << on) for name, (on, ready, _) in _START_UP.items()
)
"""Bits of CR that system Stop clears: what is ready, and what does not start again by itself."""

_HSE_CRYSTAL_START_UP = 2 * PS_PER_MS

_SW_SOURCES = ("HSI", "CSI", "HSE", "PLL1")
_READY_FLAGS = ("LSI", "LSE", "HSI", "HSE", "CSI", "HSI48", "PLL1", "PLL2", "PLL3")
"""Bits of CIER, CIFR and CICR: what has become ready (RM0399 9.7.22 to 9.7.24)."""

_OSCILLATORS = ("hsi", "csi", "hse")

_RCC_LINE = 61
"""EXTI line of the RCC interrupt."""


def _prescaler(code: int, bits: int) -> int:
    """Divider of a prescaler field: HPRE and D1CPRE skip 32 (RM0399 9.7.7), the APB ones do not reach it."""
    half = 1 << bits - 1
    if code < half:
        return 1
    exponent = code - half + 1
    if bits == 4 and exponent >= 5:
        exponent += 1
    return 1 << exponent


class Rcc(Peripheral):
    """The clock controller. Frequencies follow the registers; a change takes effect at once."""

    def __init__(self, mcu: Mcu, hse_hz: int) -> None:
        self.hse_hz = hse_hz
        super().__init__(mcu, "RCC")
        self._starting: dict[str, Event] = {}
        self.slow_clocks = SlowClocks(self)
        self._plls = Plls(self)
        for register in self.map.registers:
            if register.endswith("RSTR"):
                self.model(register, writer=partial(self._reset_peripherals, register))
        for register in ("D1CCIPR", "D2CCIP1R", "D2CCIP2R", "D3CCIPR"):
            self.model(register, writer=partial(self._select_kernel_clocks, register))
        self.banks = {"cm7": RccBank(mcu, "RCC_C1"), "cm4": RccBank(mcu, "RCC_C2")}

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def enabled_by(self, core: str, peripheral: str, *, asleep: bool) -> bool:
        """Return whether a core clocks a peripheral: its enable bit, in CSleep its low-power bit too."""
        return self.banks[core].enables(peripheral, asleep=asleep)

    def autonomous(self, peripheral: str) -> bool:
        """Return whether D3AMR lets a peripheral go on while its core is in CStop (RM0399 9.5.9)."""
        field = self.map.registers["D3AMR"].fields.get(f"{peripheral}AMEN")
        return field is not None and bool(self["D3AMR"] & field.mask)

    def write_D3AMR(self, value: int, master: Master) -> None:
        self["D3AMR"] = value & self.implemented("D3AMR")
        self.mcu.update_kernel_clocks()

    # -- routing of the three views -----------------------------------------------------------

    def view(self, offset: int, master: Master) -> tuple[Peripheral, int] | None:
        """Return a core's bank in three places; a master that belongs to no core finds none in the first."""
        if offset in _SHARED_BANK:
            return (self.banks[master.core], offset - _SHARED_BANK.start) if master.core else None
        if offset in _C1_BANK:
            return self.banks["cm7"], offset - _C1_BANK.start
        if offset in _C2_BANK:
            return self.banks["cm4"], offset - _C2_BANK.start
        return self, offset

    # -- oscillators and PLLs -------------------------------------------------------------------

    def read_CR(self, master: Master) -> int:
        value = self["CR"] | 1 << 5  # HSIDIVF: a change of HSIDIV takes effect at once
        for bit, domain in ((14, "D1"), (15, "D2")):
            if self.mcu.domain_clock_ready(domain):
                value |= 1 << bit
        return value

    def write_CR(self, value: int, master: Master) -> None:
        old = self["CR"]
        ready_mask = sum(1 << ready for _, ready, _ in _START_UP.values())
        value = value & ~ready_mask & ~0xC020 | old & ready_mask
        for source in self._in_use():
            value |= 1 << _START_UP[source][0]
        if old & 1 << 16:
            value = value & ~(1 << 18) | old & 1 << 18  # HSEBYP only while HSE is off
        value |= old & 1 << 19  # CSSHSEON is set only
        if self._plls.source == "HSI" and any(self.field("CR", f"PLL{pll}ON") for pll in PLLS):
            value = value & ~(3 << 3) | old & 3 << 3  # HSIDIV
        self["CR"] = value
        for name, (on, ready, _) in _START_UP.items():
            if not value & 1 << on:
                self["CR"] &= ~(1 << ready)
                self._cancel_start(name)
            elif not old & 1 << on:
                self._start(name)
        self._stop_starved_plls()
        self.mcu.clocks_changed()

    def _stop_starved_plls(self) -> None:
        """Let PLLs lose their lock with their source; they lock again when it is back."""
        if not self._pll_source_ready():
            for pll in PLLS:
                self["CR"] &= ~(1 << _START_UP[f"PLL{pll}"][1])
                self._cancel_start(f"PLL{pll}")

    def _start(self, name: str) -> None:
        """Make an oscillator or PLL ready when its start-up time is over; a PLL needs its source for it."""
        _, ready, delay = _START_UP[name]
        if name == "HSE" and not self.field("CR", "HSEBYP"):
            delay = _HSE_CRYSTAL_START_UP
        elif name == "HSE" and not self.mcu.hse_bypass:
            return  # the oscillator is off, and nothing else drives OSC_IN
        if name.startswith("PLL") and not self._pll_source_ready():
            return

        def set_ready() -> None:
            self["CR"] |= 1 << ready
            self.note_ready(name)
            for pll in ("PLL1", "PLL2", "PLL3"):
                on, locked, _ = _START_UP[pll]
                if self["CR"] & (1 << on | 1 << locked) == 1 << on and not self._is_starting(pll):
                    self._start(pll)
            self._switch_system_clock()

        self._starting[name] = self.mcu.schedule(delay, set_ready)

    def _is_starting(self, name: str) -> bool:
        return name in self._starting and self._starting[name].pending

    def _cancel_start(self, name: str) -> None:
        if self._is_starting(name):
            self._starting[name].cancel()

    def _pll_source_ready(self) -> bool:
        return self._plls.source is not None and self._is_ready(self._plls.source)

    def _is_ready(self, name: str) -> bool:
        return bool(self["CR"] & 1 << _START_UP[name][1])

    def _in_use(self) -> set[str]:
        """Oscillators and PLL that the system clock runs on and that cannot be switched off."""
        source = self.system_clock_source
        in_use = {source}
        if source == "PLL1" and self._plls.source is not None:
            in_use.add(self._plls.source)
        return in_use

    # -- interrupts -----------------------------------------------------------------------------

    def note_ready(self, name: str) -> None:
        """Set the flag of an oscillator or PLL that has become ready, if its interrupt is enabled."""
        self["CIFR"] |= self["CIER"] & 1 << _READY_FLAGS.index(name)
        self._drive_interrupt()

    def read_CIFR(self, master: Master) -> int:
        return self["CIFR"]

    def write_CIER(self, value: int, master: Master) -> None:
        self["CIER"] = value & self.implemented("CIER")
        self._drive_interrupt()

    def write_CICR(self, value: int, master: Master) -> None:
        self["CIFR"] &= ~value
        self._drive_interrupt()

    def _drive_interrupt(self) -> None:
        level = bool(self["CIFR"] & self["CIER"])
        self.mcu.drive_interrupt("RCC", "RCC", level)
        self.mcu.exti.set_direct_line(_RCC_LINE, level)

    # -- system clock ---------------------------------------------------------------------------

    def read_CFGR(self, master: Master) -> int:
        return self["CFGR"]

    def write_CFGR(self, value: int, master: Master) -> None:
        self["CFGR"] = value & ~0x38 | self["CFGR"] & 0x38
        self._switch_system_clock()

    def _switch_system_clock(self) -> None:
        """Move SWS to SW once the wanted source is ready (RM0399 9.7.6)."""
        wanted = self["CFGR"] & 7
        if wanted < len(_SW_SOURCES) and self._is_ready(_SW_SOURCES[wanted]):
            self["CFGR"] = self["CFGR"] & ~0x38 | wanted << 3
        self.mcu.clocks_changed()

    @property
    def system_clock_source(self) -> str:
        """``HSI``, ``CSI``, ``HSE`` or ``PLL1``, as SWS shows it."""
        return _SW_SOURCES[self["CFGR"] >> 3 & 7]

    def _write_prescalers(self, register: str, value: int) -> None:
        self[register] = value
        self.mcu.clocks_changed()

    def _select_kernel_clocks(self, register: str, value: int, master: Master) -> None:
        self._write_prescalers(register, value)

    def write_D1CFGR(self, value: int, master: Master) -> None:
        self._write_prescalers("D1CFGR", value)

    def write_D2CFGR(self, value: int, master: Master) -> None:
        self._write_prescalers("D2CFGR", value)

    def write_D3CFGR(self, value: int, master: Master) -> None:
        self._write_prescalers("D3CFGR", value)

    def write_CSR(self, value: int, master: Master) -> None:
        self.slow_clocks.write_csr(value)

    def write_BDCR(self, value: int, master: Master) -> None:
        if self.mcu.pwr.backup_writable:
            self.slow_clocks.write_bdcr(value)

    # -- frequencies ----------------------------------------------------------------------------

    def _source_hz(self, source: str) -> int:
        match source:
            case "HSI":
                return HSI_HZ >> (self["CR"] >> 3 & 3)
            case "CSI":
                return CSI_HZ
            case "HSE":
                return self.hse_hz
            case "PLL1":
                return self.pll_hz(1, "P")
        raise KeyError(source)

    def pll_hz(self, pll: int, output: str) -> int:
        """Return the frequency of output ``P``, ``Q`` or ``R`` of PLL 1 to 3 in Hz, 0 without a source."""
        return self._plls.output_hz(pll, output)

    def pll_reference_hz(self, pll: int) -> int:
        """Return the frequency at the input of a PLL in Hz, 0 without a source."""
        return self._plls.reference_hz(pll)

    def pll_vco_hz(self, pll: int) -> int:
        """Return the frequency of a PLL's oscillator in Hz."""
        return self._plls.vco_hz(pll)

    def clock_hz(self, name: str) -> int:
        """Return a clock in Hz.

        Args:
            name: ``sys``, ``cm7``, ``cm4``, ``hclk``, ``pclk1`` to ``pclk4``, ``pll1`` (its output P), ``hsi``,
                ``csi``, ``hse``, ``hsi48``, ``lse`` or ``lsi``.

        Raises:
            KeyError: there is no clock of that name.
        """
        if name in _OSCILLATORS:
            return self._source_hz(name.upper())
        system = self._source_hz(self.system_clock_source)
        cm7 = system // _prescaler(self.field("D1CFGR", "D1CPRE"), 4)
        hclk = cm7 // _prescaler(self.field("D1CFGR", "HPRE"), 4)
        match name:
            case "sys":
                return system
            case "cm7":
                return cm7
            case "cm4" | "hclk":
                return hclk
            case "pclk1":
                return hclk // _prescaler(self.field("D2CFGR", "D2PPRE1"), 3)
            case "pclk2":
                return hclk // _prescaler(self.field("D2CFGR", "D2PPRE2"), 3)
            case "pclk3":
                return hclk // _prescaler(self.field("D1CFGR", "D1PPRE"), 3)
            case "pclk4":
                return hclk // _prescaler(self.field("D3CFGR", "D3PPRE"), 3)
            case "hsi48":
                return HSI48_HZ
            case "lse":
                return LSE_HZ
            case "lsi":
                return LSI_HZ
        return self._source_hz(name.upper())

    # -- resets -----------------------------------------------------------------------------------

    def write_GCR(self, value: int, master: Master) -> None:
        self["GCR"] |= value & 0xF
        self.mcu.boot_released()

    def _reset_peripherals(self, register: str, value: int, master: Master) -> None:
        fields = self.map.registers[register].fields.values()
        started = value & ~self[register]
        self[register] = value
        for field in fields:
            if started & field.mask:
                name = field.name.removesuffix("RST")
                for peripheral in (name, *SHARED_ENABLES.get(name, ())):
                    if peripheral in self.mcu.peripherals:
                        self.mcu.peripherals[peripheral].reset()

    def record_reset(self, *flags: str) -> None:
        """Set reset flags in both cores' copies of RSR; they add up until firmware removes them."""
        fields = self.banks["cm7"].map.registers["RSR"].fields
        bits = sum(fields[flag].mask for flag in flags)
        for bank in self.banks.values():
            bank["RSR"] |= bits

    def power_on_reset(self) -> None:
        """Reset everything, the flags and the backup domain included: VBAT is VDD on this board."""
        for bank in self.banks.values():
            bank["RSR"] = 0
        self.reset()
        self.slow_clocks.power_on_reset()
        self.record_reset("C1RSTF", "C2RSTF", "D1RSTF", "D2RSTF", "BORRSTF", "PINRSTF", "PORRSTF")

    def reset(self) -> None:
        """Reset by a system reset: HSI runs again; the backup domain (BDCR) and the flags stay."""
        backup = self["BDCR"]
        self.load_reset_values()
        self["BDCR"] = backup
        self["CR"] = 1 << 0 | 1 << 2
        for name in _START_UP:
            self._cancel_start(name)
        for bank in self.banks.values():
            bank.reset()
        self.slow_clocks.update()
        self._drive_interrupt()
        self.mcu.clocks_changed()

    def restart_after_stop(self) -> None:
        """Put the clock tree as it is after system Stop: PLLs, HSE and HSI48 off (RM0399 9.5.7, table 60).

        STOPWUCK selects the system clock, and STOPKERWUCK the other oscillator if that is a different one. What
        was on of HSI and CSI is on again.
        The peripherals learn of it with the change of the domains.
        """
        system = _SW_SOURCES[self.field("CFGR", "STOPWUCK")]
        kernel = _SW_SOURCES[self.field("CFGR", "STOPKERWUCK")]
        for name in self._starting:
            self._cancel_start(name)
        control = self["CR"] & ~_OFF_IN_STOP
        for name in ("HSI", "CSI"):
            on, ready, _ = _START_UP[name]
            if name in (system, kernel) or control & 1 << on:
                control |= 1 << on | 1 << ready
        source = _SW_SOURCES.index(system)
        configuration = self["CFGR"] & ~0x3F | source | source << 3
        if (control, configuration) != (self["CR"], self["CFGR"]):
            self["CR"], self["CFGR"] = control, configuration
            self.mcu.update_frequencies()
