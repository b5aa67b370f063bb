"""SYSCFG: which port feeds an EXTI line, and the user registers that mirror the option bytes.

Sources: RM0399 chapter 13; the layout of UR3 and UR4 follows ``stm32h755xx.h`` and ST's HAL, where the
manual contradicts itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import memory_at
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.pins import PORTS

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

LINES = 16
"""EXTI lines that a GPIO pin can feed: line n by pin n of the selected port."""

_USER_REGISTERS: dict[str, dict[str, str]] = {
    "UR0": {"RDP": "RDP"},
    "UR1": {"BCM4": "BCM4", "BCM7": "BCM7"},
    "UR2": {"BORH": "BOR_LEV", "BCM7_ADD0": "BOOT_CM7_ADD0"},
    "UR3": {"BCM7_ADD1": "BOOT_CM7_ADD1", "BCM4_ADD0": "BOOT_CM4_ADD0"},
    "UR4": {"BCM4_ADD1": "BOOT_CM4_ADD1"},
    "UR5": {"WRPN_BANK1": "WRPSn1"},
    "UR9": {"WRPN_BANK2": "WRPSn2"},
    "UR11": {"IWDG1M": "IWDG1_SW"},
    "UR12": {"IWDG2M": "IWDG2_SW", "SECURE": "SECURITY"},
    "UR13": {"SDRS": "ST_RAM_SIZE", "D1SBRST": "nRST_STBY_D1"},
    "UR14": {"D1STPRST": "nRST_STOP_D1", "D2SBRST": "nRST_STBY_D2"},
    "UR15": {"D2STPRST": "nRST_STOP_D2", "FZIWDGSTB": "FZ_IWDG_SDBY"},
    "UR16": {"FZIWDGSTP": "FZ_IWDG_STOP"},
    "UR17": {"IOHSLV": "IO_HSLV"},
}
"""Field of a user register -> option byte. UR6 to UR8 and UR10, the protected areas, keep their factory
values, as the option bytes they mirror do."""

_BOOT_FIELDS = {
    ("cm7", False): ("UR2", "BCM7_ADD0", 0x0800_0000),
    ("cm7", True): ("UR3", "BCM7_ADD1", 0x0000_0000),
    ("cm4", False): ("UR3", "BCM4_ADD0", 0x0810_0000),
    ("cm4", True): ("UR4", "BCM4_ADD1", 0x1000_0000),
}
"""Core and level of BOOT0 -> user register, field, and the address taken instead of one without memory."""

_WRITABLE_FIELDS = {
    "UR1": ("BCM4", "BCM7"),
    "UR2": ("BCM7_ADD0",),
    "UR3": ("BCM7_ADD1", "BCM4_ADD0"),
    "UR4": ("BCM4_ADD1",),
}


_SELECTORS = [f"EXTICR{line // 4 + 1}" for line in range(LINES)]
"""Register that selects the port of each line."""


class Syscfg(Peripheral):
    """The system configuration.

    A line's level is the input level of the pin that EXTICR selects. So selecting another port is an edge
    for EXTI only if the two pins differ at that moment, as behind any multiplexer; the write itself is none.
    """

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "SYSCFG")
        for index in range(4):
            self.model(f"EXTICR{index + 1}", writer=partial(self._write_exticr, index))
        for register in _WRITABLE_FIELDS:
            self.model(register, writer=partial(self._write_user_register, register))

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"SR0", "PKGR", "CCVR", "PMCR", *(f"UR{number}" for number in range(18))})

    def reset(self) -> None:
        """Select port A for all lines and load the user registers from the option bytes."""
        before = self._levels()
        super().reset()
        self["UR0"] = 0 if self.mcu.flash.option("SWAP_BANK_OPT") else 1
        for register, mirrored in _USER_REGISTERS.items():
            fields = self.map.registers[register].fields
            for field, option in mirrored.items():
                self[register] = fields[field].insert(self[register], self.mcu.flash.option(option))
        self._report_edges(before)

    # -- EXTI lines -----------------------------------------------------------------------------

    def selected_port(self, line: int) -> str | None:
        """Return the port (``"A"`` to ``"K"``) that feeds EXTI line 0 to 15, None for a reserved code."""
        code = self[_SELECTORS[line]] >> 4 * (line % 4) & 0xF
        return PORTS[code] if code < len(PORTS) else None

    def input_changed(self, port: str, number: int, level: bool) -> None:
        """Take a change of a pin's input level; EXTI sees it if the port is selected for the line."""
        if self.selected_port(number) == port:
            self.mcu.exti.edge(number, level)

    def detects_edges(self, port: str, number: int) -> bool:
        """Return whether EXTI wants to know of edges of a pin: it is selected for its line, with an edge."""
        return self.selected_port(number) == port and self.mcu.exti.detects_edges(number)

    def _write_exticr(self, index: int, value: int, master: Master) -> None:
        before = self._levels()
        self[f"EXTICR{index + 1}"] = value & 0xFFFF
        self._report_edges(before)
        self.mcu.pins.observation_changed()

    def _levels(self) -> list[bool]:
        pins = self.mcu.pins
        ports = [self.selected_port(line) for line in range(LINES)]
        return [bool(port and pins.inputs(port) >> line & 1) for line, port in enumerate(ports)]

    def _report_edges(self, before: list[bool]) -> None:
        for line, (old, new) in enumerate(zip(before, self._levels(), strict=True)):
            if old != new:
                self.mcu.exti.edge(line, new)

    # -- start of the cores ---------------------------------------------------------------------

    def boots(self, core: str) -> bool:
        """Return whether a core runs by itself after a reset (BCM7, BCM4; RM0399 section 2.6).

        With both bits cleared CM7 runs all the same.
        """
        if self.field("UR1", core.replace("cm", "BCM")):
            return True
        return core == "cm7" and not self.field("UR1", "BCM4")

    def boot_address(self, core: str) -> int:
        """Return where a core that starts now finds its vector table, by the level of BOOT0.

        The user registers decide, so that firmware can move the next start without touching the option
        bytes. An address at which the core has no memory is replaced by a default (RM0399 section 2.6).
        """
        register, field, default = _BOOT_FIELDS[core, self.mcu.boot0]
        address = self.field(register, field) << 16
        memory = memory_at(address)
        return address if memory is not None and getattr(memory, core) else default

    def write_PWRCR(self, value: int, master: Master) -> None:
        """Switch the boost of VCORE on or off (RM0399 7.6.2)."""
        changed = (self["PWRCR"] ^ value) & self.implemented("PWRCR")
        self["PWRCR"] ^= changed
        if changed:
            self.mcu.pwr.boost_changed()

    def _write_user_register(self, register: str, value: int, master: Master) -> None:
        mask = 0
        for field in _WRITABLE_FIELDS[register]:
            mask |= self.map.registers[register].fields[field].mask
        self[register] = self[register] & ~mask | value & mask

    # -- the rest -------------------------------------------------------------------------------

    def write_CFGR(self, value: int, master: Master) -> None:
        """Connect errors to the timers' break inputs; only a reset takes a bit back."""
        self["CFGR"] |= value & self.implemented("CFGR")

    def read_CCCSR(self, master: Master) -> int:
        """READY follows EN while CSI runs (RM0399 13.3.7)."""
        ready = self.field("CCCSR", "EN") and self.mcu.rcc.field("CR", "CSIRDY")
        return self["CCCSR"] | (self.map.registers["CCCSR"].fields["READY"].mask if ready else 0)

    def write_CCCSR(self, value: int, master: Master) -> None:
        read_only = self.map.registers["CCCSR"].fields["READY"].mask
        self["CCCSR"] = value & self.implemented("CCCSR") & ~read_only

    def write_CCCR(self, value: int, master: Master) -> None:
        self["CCCR"] = value & self.implemented("CCCR")
